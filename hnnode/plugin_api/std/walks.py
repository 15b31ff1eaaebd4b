"""Questions to a trace graph, and the check of all of it.

Walks go breadth first, nearest lots first, each lot once, in an order that only the graph decides. They read at most
`STEPS_MAX` lots; a wider graph is refused as too broad and asked from further along.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.std.trace import LAYERS_MAX, L, Trace

STEPS_MAX = 4_000

Found = tuple[bytes, int, L]
"""(lot id, steps from the start, lot)."""


def back(trace: Trace[L], view: QueryView, lot_id: bytes) -> Iterator[Found[L]]:
    """The lot and everything it was made from. Raises QueryRefused: unknown start, or too many lots."""
    seen = {lot_id}
    waiting = deque([(lot_id, 0)])
    for _ in range(STEPS_MAX):
        if not waiting:
            return
        at, steps = waiting.popleft()
        lot = _read(trace, view, at)
        yield at, steps, lot
        for parent, _ in lot.parents:
            if parent not in seen:
                seen.add(parent)
                waiting.append((parent, steps + 1))
    if waiting:
        raise _too_broad(lot_id)


def forward(trace: Trace[L], view: QueryView, lot_id: bytes) -> Iterator[Found[L]]:
    """The lot and everything made from it, the children of one lot newest first. Raises as `back`."""
    seen: set[bytes] = set()
    waiting = deque([(lot_id, b"", 0)])
    for _ in range(STEPS_MAX):
        if not waiting:
            return
        at, parent, steps = waiting.popleft()
        lot = _read(trace, view, at)
        before = next((older for known, older in lot.parents if known == parent), b"")
        if before:
            waiting.appendleft((before, parent, steps))  # as near as this one, so before all that is further away
        if at in seen:
            continue
        seen.add(at)
        yield at, steps, lot
        if lot.newest:
            waiting.append((lot.newest, at, steps + 1))
    if waiting:
        raise _too_broad(lot_id)


def page(found: Iterator[Found[L]], after: int, limit: int) -> tuple[list[Found[L]], int | None]:
    """Those behind the first `after`, at most `limit`, and the `after` of the next page."""
    items: list[Found[L]] = []
    for place, each in enumerate(found):
        if place < after:
            continue
        if len(items) == limit:
            return items, after + limit
        items.append(each)
    return items, None


def audit(lots: Mapping[bytes, L], generations_max: int) -> Iterator[str]:
    """Broken invariants of a whole graph in words. `lots`: every lot of the trace."""
    children: dict[bytes, int] = {}
    contents: dict[bytes, int] = {}
    for lot_id, lot in lots.items():
        name = lot_id.hex()
        if lot.initial != lot.quantity + lot.moved + lot.consumed + lot.lost:
            yield f"{name}: quantities do not balance"
        if min(lot.quantity, lot.moved, lot.consumed, lot.lost, lot.holds, lot.contents) < 0:
            yield f"{name}: a count is negative"
        if lot.ended and (lot.quantity or lot.receiver):
            yield f"{name}: ended, and something is left"
        parents = [lots.get(parent) for parent, _ in lot.parents]
        if any(parent is None or parent.generation >= lot.generation for parent in parents):
            yield f"{name}: a parent is missing or not older"
        if lot.generation > generations_max:
            yield f"{name}: too many generations"
        if len(lot.parents) == 1:
            children[lot.parents[0][0]] = children.get(lot.parents[0][0], 0) + lot.initial
        if lot.inside:
            container = lots.get(lot.inside)
            if container is None or not lot.layer < container.layer <= LAYERS_MAX or lot.receiver:
                yield f"{name}: is in no proper container"
            contents[lot.inside] = contents.get(lot.inside, 0) + 1
    for lot_id, lot in lots.items():
        if lot.contents != contents.get(lot_id, 0):
            yield f"{lot_id.hex()}: contents and lots inside differ"
        if children.get(lot_id, 0) > lot.moved:
            yield f"{lot_id.hex()}: its children have more than it moved on"
    started = sum(lot.initial for lot in lots.values() if not lot.parents)
    kept = sum(lot.quantity + lot.consumed + lot.lost for lot in lots.values())
    if started != kept:
        yield f"quantities are not conserved: {started} ≠ {kept}"


def _read(trace: Trace[L], view: QueryView, lot_id: bytes) -> L:
    found = trace.get(view, lot_id)
    if found is None:
        raise QueryRefused("NOT_FOUND", f"lot: {lot_id.hex()}")
    return found


def _too_broad(lot_id: bytes) -> QueryRefused:
    return QueryRefused("QUERY_TOO_BROAD", f"more than {STEPS_MAX} lots are linked to {lot_id.hex()}")
