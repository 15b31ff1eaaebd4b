"""Arguments that queries over the native applications share, and pages of rows."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.limits import PAGE_LIMIT_MAX
from hnnode.plugin_api.model import END

Hash = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, min_length=64, max_length=64)]
Account = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, min_length=40, max_length=40)]
Limit = Annotated[int, Meta(ge=1, le=PAGE_LIMIT_MAX)]
Cursor = Annotated[str, Meta(pattern="^([0-9a-f]{2})*" + END, max_length=512)]


def page(view: QueryView, prefix: bytes, limit: int, after: str) -> tuple[list[tuple[bytes, bytes]], str | None]:
    """Rows under a prefix, keys without it, and the cursor of the next page."""
    rows = view.scan(prefix, limit, prefix + bytes.fromhex(after) if after else None)
    cut = len(prefix)
    found = [(key[cut:], value) for key, value in rows]
    return found, found[-1][0].hex() if len(found) == limit else None
