"""Entry for Locust: `locust -f loadtests/locustfile.py`, users and shape by environment (see settings.py)."""

from __future__ import annotations

import settings
import stock
from locust import events
from shapes.shape import Shape
from users.fast import FastUser
from users.mixed import MixedBatch, MixedReader, MixedSingle
from users.query import LoneWriter, QueryUser
from users.submit import BatchUser, SingleUser

CHOICES = {
    "single": [SingleUser],
    "batch": [BatchUser],
    "query": [QueryUser, LoneWriter],
    "mixed": [MixedReader, MixedSingle, MixedBatch],
    "fast": [FastUser],
}
if settings.USERS not in CHOICES:
    raise SystemExit(f"HN_USERS: got {settings.USERS!r}, want {' | '.join(CHOICES)}")
# Locust runs every user class it finds here.
for _name in (
    "SingleUser",
    "BatchUser",
    "QueryUser",
    "LoneWriter",
    "MixedReader",
    "MixedSingle",
    "MixedBatch",
    "FastUser",
):
    del globals()[_name]
globals().update({user.__name__: user for user in CHOICES[settings.USERS]})
__all__ = ["Shape"]


@events.test_stop.add_listener
@events.quitting.add_listener
def _keep_record(**_: object) -> None:
    stock.flush()
