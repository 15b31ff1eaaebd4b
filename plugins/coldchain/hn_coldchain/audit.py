"""Checks of the whole state by a scan: the invariants that no sequence of transactions may break."""

from __future__ import annotations

from collections.abc import Iterator

from hn_coldchain.state import (
    BATCHES,
    CUSTODIES,
    DUE,
    ENDED,
    GENERATIONS_MAX,
    IN_STOCK,
    IN_TRANSIT,
    OFFERS,
    OVERDUE,
    Batch,
    city_key,
    code_key,
    custody_key,
    holder_key,
    mark_key,
    waiting_key,
)
from hnnode.plugin_api import QueryView

PAGE = 200


def rows(view: QueryView, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every row under a prefix."""
    after: bytes | None = None
    while True:
        page = view.scan(prefix, PAGE, after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0]


def violations(view: QueryView) -> list[str]:
    """Broken invariants in words; empty when all hold. Reads the application's whole state."""
    batches = {key[1:].decode(): BATCHES.decode(value) for key, value in rows(view, b"b")}
    broken = [f"{name}: {text}" for name, batch in batches.items() for text in _alone(batch)]
    broken += [f"{name}: {text}" for name, batch in batches.items() for text in _linked(name, batch, batches)]
    broken += _indexed(view, batches)
    return broken


def _alone(batch: Batch) -> Iterator[str]:
    parts = (batch.grams, batch.sold_grams, batch.moved_grams, batch.lost_grams, batch.disposed_grams)
    if batch.initial_grams != sum(parts):
        yield f"grams do not balance: {batch.initial_grams} ≠ {sum(parts)}"
    if min(parts) < 0 or batch.holds < 0 or not 0 <= batch.recalls <= batch.holds:
        yield "a count is negative"
    if batch.generation > GENERATIONS_MAX:
        yield "too many generations"
    if batch.status >= ENDED and batch.grams:
        yield "an ended batch still has grams"


def _linked(name: str, batch: Batch, batches: dict[str, Batch]) -> Iterator[str]:
    for other in (*batch.parents, *batch.children):
        if other not in batches:
            yield f"{other} is not there"
            return
    if any(name not in batches[child].parents for child in batch.children):
        yield "a child does not know it"
    if any(name not in batches[parent].children for parent in batch.parents):
        yield "a parent does not know it"
    if any(batches[parent].generation >= batch.generation for parent in batch.parents):
        yield "generations do not rise"
    if batch.children:
        together = batches[batch.children[0]].parents
        made = sum(batches[child].initial_grams for child in batch.children)
        if made != sum(batches[parent].moved_grams for parent in together):
            yield "grams that moved on do not balance"
        if any(batches[parent].children != batch.children for parent in together):
            yield "batches that ended together have other children"
    if not batch.children and batch.moved_grams:
        yield "grams moved on to nobody"


def _indexed(view: QueryView, batches: dict[str, Batch]) -> list[str]:
    expected: set[bytes] = set()
    for name, batch in batches.items():
        if batch.code:
            expected.add(code_key(batch.code))
        if batch.status < ENDED:
            expected.add(holder_key(batch.holder, name))
        if batch.status == IN_STOCK:
            expected.add(city_key(batch.city, name))
        if batch.status == IN_TRANSIT:
            expected.add(b"o" + batch.receiver + name.encode())
    found = {key for prefix in (b"k", b"h", b"c", b"o") for key, _ in rows(view, prefix)}
    broken = [f"index entry without batch: {key.hex()}" for key in sorted(found - expected)]
    broken += [f"index entry missing: {key.hex()}" for key in sorted(expected - found)]
    offers = {key[1:]: OFFERS.decode(value) for key, value in rows(view, b"o")}
    waiting = {waiting_key(offer, key[20:].decode()): key[:20] for key, offer in offers.items()}
    if waiting != {key: receiver for prefix in (DUE, OVERDUE) for key, receiver in rows(view, prefix)}:
        broken.append("hand-overs and their expiries differ")
    for name, batch in batches.items():
        last = CUSTODIES.get(view, custody_key(name, batch.custodies - 1)) if batch.custodies else None
        if (last is None) != (batch.initial_grams == 0) or (last is not None and last.holder != batch.holder):
            broken.append(f"{name}: the last custody is not the holder's")
        if CUSTODIES.get(view, custody_key(name, batch.custodies)) is not None:
            broken.append(f"{name}: more custodies than counted")
    marks = [key for key, _ in rows(view, b"f")]
    for name, batch in batches.items():
        own = mark_key(name, b"")
        if sum(key.startswith(own) for key in marks) != batch.holds:
            broken.append(f"{name}: holds and marks differ")
    return broken
