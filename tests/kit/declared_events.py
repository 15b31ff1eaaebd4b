"""Events of applications that exist for one test alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hnnode.plugin_api import Registry


def declare(registry: Registry, events: Mapping[str, Mapping[str, Any]]) -> None:
    """Declare events by name, each with the types of its fields."""
    for name, fields in events.items():
        model = msgspec.defstruct("Told", list(fields.items()), forbid_unknown_fields=True)
        registry.event(name, model, title_zh="事件", title_en="event")
