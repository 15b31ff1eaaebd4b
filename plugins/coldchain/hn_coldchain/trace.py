"""Walks over the graph of batches, breadth first, each batch once, in an order that only the graph decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hn_coldchain.models import BatchId
from hn_coldchain.state import BATCHES, STATUS_NAMES, Batch
from hnnode.plugin_api import QueryRefused, QueryView

NODES_MAX = 4_000
"""Batches one walk may visit; a wider graph is refused as too broad and traced from further along."""
ORIGINS_MAX = 200


class TraceQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`after`: how many batches the pages before gave."""

    batch: BatchId
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[int, Meta(ge=0, le=NODES_MAX)] = 0


def trace_back(view: QueryView, question: TraceQuery) -> dict[str, Any]:
    """The batch and everything it was made from."""
    return _trace(view, question, back=True)


def trace_forward(view: QueryView, question: TraceQuery) -> dict[str, Any]:
    """The batch and everything that was made from it."""
    return _trace(view, question, back=False)


def origins(view: QueryView, name: str) -> list[Batch]:
    """The batches of the first station that a batch goes back to; at most ORIGINS_MAX are visited."""
    found = []
    for visited, (_, _, batch) in enumerate(walk(view, name, back=True)):
        if visited >= ORIGINS_MAX:
            break
        if not batch.parents:
            found.append(batch)
    return found


def walk(view: QueryView, name: str, back: bool) -> Iterator[tuple[str, int, Batch]]:
    """(batch id, steps from the start, batch), nearest first. Raises QueryRefused: unknown start, or too many
    batches.
    """
    seen = {name}
    waiting = deque([(name, 0)])
    while waiting:
        at, steps = waiting.popleft()
        batch = BATCHES.get(view, at.encode())
        if batch is None:
            raise QueryRefused("NOT_FOUND", f"batch: {at}")
        yield at, steps, batch
        for following in batch.parents if back else batch.children:
            if following not in seen:
                if len(seen) >= NODES_MAX:
                    raise QueryRefused("QUERY_TOO_BROAD", f"more than {NODES_MAX} batches are linked to {name}")
                seen.add(following)
                waiting.append((following, steps + 1))


def _trace(view: QueryView, question: TraceQuery, back: bool) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    more = False
    for place, (name, steps, batch) in enumerate(walk(view, question.batch, back)):
        if place < question.after:
            continue
        if len(items) == question.limit:
            more = True
            break
        items.append(
            {
                "batch": name,
                "steps": steps,
                "code": batch.code or None,
                "status": STATUS_NAMES[batch.status],
                "blocked": batch.holds > 0,
                "recalled": batch.recalls > 0,
                "holder": batch.holder.hex(),
                "city": batch.city,
                "initial_grams": batch.initial_grams,
                "grams": batch.grams,
                "sold_grams": batch.sold_grams,
                "links": batch.parents if back else batch.children,
            }
        )
    return {"items": items, "next": question.after + len(items) if more else None}
