"""What queries share: arguments of lists, and their pages."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hnnode.plugin_api import END, QueryView

Limit = Annotated[int, Meta(ge=1, le=200)]
After = Annotated[str, Meta(pattern="^([0-9a-f]{2})*" + END, max_length=512)]


class Question(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every query's arguments."""


class NoQuestion(Question):
    pass


class PageQuestion(Question):
    """`after` takes what the page before gave as `next`."""

    limit: Limit = 50
    after: After = ""


def page(view: QueryView, prefix: bytes, question: PageQuestion) -> tuple[list[tuple[bytes, bytes]], str | None]:
    """Rows under a prefix, keys without it, and the cursor of the next page."""
    cut = len(prefix)
    after = prefix + bytes.fromhex(question.after) if question.after else None
    rows = [(key[cut:], value) for key, value in view.scan(prefix, question.limit, after)]
    return rows, rows[-1][0].hex() if len(rows) == question.limit else None
