"""Read-only questions. Lists are paged: `after` takes what the page before gave as `next`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hn_coldchain.models import AccountId, BatchId, City, Code, HoldId, Millis
from hn_coldchain.state import (
    BATCHES,
    CUSTODIES,
    DUE,
    ENDED,
    HOLDS,
    OFFERS,
    OVERDUE,
    PARAMETERS,
    PHASE_NAMES,
    RECALL,
    SEGMENTS,
    STATUS_NAMES,
    Batch,
    Parameters,
    code_key,
    custody_key,
)
from hn_coldchain.trace import NODES_MAX, origins, walk
from hnnode.plugin_api import END, QueryRefused, QueryView

Limit = Annotated[int, Meta(ge=1, le=200)]
After = Annotated[str, Meta(pattern="^([0-9a-f]{2})*" + END, max_length=256)]


class Question(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every query's arguments."""


class BatchQuery(Question):
    batch: BatchId


class ScanQuery(Question):
    code: Code


class HolderQuery(Question):
    holder: AccountId
    limit: Limit = 50
    after: After = ""


class CityQuery(Question):
    city: City
    limit: Limit = 50
    after: After = ""


class OffersQuery(Question):
    """Hand-overs that wait for this account."""

    receiver: AccountId
    limit: Limit = 50
    after: After = ""


class SegmentsQuery(Question):
    batch: BatchId
    limit: Limit = 50
    after: After = ""


class HoldQuery(Question):
    hold: HoldId


class PendingQuery(Question):
    limit: Limit = 50
    after: After = ""


class ParametersQuery(Question):
    pass


class HoldersQuery(Question):
    """Who had the batch, or anything made from it, at some time of a window. `after`: batches the pages before went
    through."""

    batch: BatchId
    from_ms: Millis = 0
    to_ms: Millis = 2**53
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    after: Annotated[int, Meta(ge=0, le=NODES_MAX)] = 0


class OverdueQuery(Question):
    """Hand-overs that were to be confirmed before a moment, earliest first."""

    before_ms: Millis
    limit: Limit = 50
    after: After = ""


def batch(view: QueryView, question: BatchQuery) -> dict[str, Any]:
    """Everything the chain knows of one batch."""
    found = require(view, question.batch)
    return {
        **brief(question.batch, found),
        "importer": found.importer.hex(),
        "station": found.station.hex(),
        "uscc": found.uscc,
        "band_min": found.band_min,
        "band_max": found.band_max,
        "declared_grams": found.declared_grams,
        "initial_grams": found.initial_grams,
        "sold_grams": found.sold_grams,
        "moved_grams": found.moved_grams,
        "lost_grams": found.lost_grams,
        "disposed_grams": found.disposed_grams,
        "generation": found.generation,
        "parents": found.parents,
        "children": found.children,
        "receiver": found.receiver.hex() or None,
        "carrier": found.carrier.hex() or None,
        "declaration": found.declaration.hex() or None,
        "report": found.report.hex() or None,
        "disinfection": found.disinfection.hex() or None,
        "certificate": found.certificate.hex() or None,
        **_measured(found),
        "alarms": found.alarms,
        "custodies": found.custodies,
        "changed_ms": found.changed_ms,
    }


def scan(view: QueryView, question: ScanQuery) -> dict[str, Any]:
    """What a consumer sees: product, state, safety and origin; no account of any party.

    `proof_keys` are the state keys behind the answer: the code's and the batch's, each provable at the gateway.
    """
    name = view.get(code_key(question.code))
    if name is None:
        raise QueryRefused("NOT_FOUND", f"code: {question.code}")
    found = require(view, name.decode())
    first = origins(view, name.decode())
    return {
        "code": question.code,
        "gtin": found.gtin,
        "status": STATUS_NAMES[found.status],
        "city": found.city,
        "blocked": found.holds > 0,
        "recalled": found.recalls > 0,
        "origins": [
            {
                "code": origin.code,
                "country": origin.country,
                "report": origin.report.hex() or None,
                "disinfection": origin.disinfection.hex() or None,
                "certificate": origin.certificate.hex() or None,
                **_measured(origin),
            }
            for origin in first
        ],
        **_measured(found),
        "alarms": found.alarms,
        "changed_ms": found.changed_ms,
        "proof_keys": [code_key(question.code).hex(), BATCHES.key(name).hex()],
    }


def stock_by_holder(view: QueryView, question: HolderQuery) -> dict[str, Any]:
    """Batches in an account's hands, those on the way to somebody included."""
    return _listed(view, b"h" + bytes.fromhex(question.holder), question.limit, question.after)


def stock_by_city(view: QueryView, question: CityQuery) -> dict[str, Any]:
    """Batches in stock in a city; goods on the way are in none."""
    return _listed(view, b"c" + question.city.encode(), question.limit, question.after)


def offers(view: QueryView, question: OffersQuery) -> dict[str, Any]:
    items = []
    rows, following = page(view, b"o" + bytes.fromhex(question.receiver), question.limit, question.after)
    for name, value in rows:
        offer = OFFERS.decode(value)
        items.append(
            {
                "batch": name.decode(),
                "from": offer.sender.hex(),
                "carrier": offer.carrier.hex() or None,
                "grams": offer.grams,
                "made_ms": offer.made_ms,
                "expires_ms": offer.expires_ms,
            }
        )
    return {"items": items, "next": following}


def overdue(view: QueryView, question: OverdueQuery) -> dict[str, Any]:
    """Hand-overs that nobody confirmed in time; `reported` when an event has said so: the next block does, if none has."""
    items = []
    pages = [page(view, prefix, question.limit, question.after) for prefix in (OVERDUE, DUE)]
    rows = sorted(row for found, _ in pages for row in found)
    following = None
    if len(rows) > question.limit or any(more is not None for _, more in pages):
        rows = rows[: question.limit]
        following = rows[-1][0].hex()
    for key, receiver in rows:
        expires_ms, name = int.from_bytes(key[:8], "big") - 1, key[8:].decode()
        if expires_ms >= question.before_ms:
            following = None
            break
        offer = OFFERS.get(view, receiver + key[8:])
        if offer is not None:
            items.append(
                {
                    "batch": name,
                    "from": offer.sender.hex(),
                    "to": receiver.hex(),
                    "expires_ms": expires_ms,
                    "reported": offer.overdue,
                }
            )
    return {"items": items, "next": following}


def holders(view: QueryView, question: HoldersQuery) -> dict[str, Any]:
    """追物到人: every custody of the batch and of what was made from it that touches the window, nearest batch first."""
    items: list[dict[str, Any]] = []
    more = False
    for place, (name, _, found) in enumerate(walk(view, question.batch, back=False)):
        if place < question.after:
            continue
        if place == question.after + question.limit:
            more = True
            break
        items += [
            item
            for item in custodies(view, name, found)
            if item["from_ms"] <= question.to_ms and (item["to_ms"] is None or item["to_ms"] > question.from_ms)
        ]
    return {"items": items, "next": question.after + question.limit if more else None}


def custodies(view: QueryView, name: str, found: Batch) -> list[dict[str, Any]]:
    """The hands a batch went through, in order; the last one is open while the batch is in somebody's hands."""
    items: list[dict[str, Any]] = []
    for custody in CUSTODIES.get_many(view, [custody_key(name, number) for number in range(found.custodies)]):
        if custody is None:
            continue
        if items:
            items[-1]["to_ms"] = custody.from_ms
        shown = {"batch": name, "holder": custody.holder.hex(), "city": custody.city, "from_ms": custody.from_ms}
        items.append({**shown, "to_ms": None})
    if items and found.status >= ENDED:
        items[-1]["to_ms"] = found.changed_ms
    return items


def temperatures(view: QueryView, question: SegmentsQuery) -> dict[str, Any]:
    """Committed stretches of readings, by their start."""
    require(view, question.batch)
    items = []
    rows, following = page(view, b"m" + question.batch.encode() + b"/", question.limit, question.after)
    for key, value in rows:
        segment = SEGMENTS.decode(value)
        items.append(
            {
                "from_ms": int.from_bytes(key[:8], "big"),
                "to_ms": segment.to_ms,
                "root": key[8:].hex(),
                "count": segment.count,
                "min": segment.min,
                "max": segment.max,
                "by": segment.sender.hex(),
            }
        )
    return {"items": items, "next": following}


def hold(view: QueryView, question: HoldQuery) -> dict[str, Any]:
    found = HOLDS.get(view, bytes.fromhex(question.hold))
    if found is None:
        raise QueryRefused("NOT_FOUND", f"hold: {question.hold}")
    return {
        "hold": question.hold,
        "kind": "recall" if found.kind == RECALL else "freeze",
        "phase": PHASE_NAMES[found.phase],
        "batch": found.batch,
        "reason": found.reason,
        "by": found.by.hex(),
        "document": found.document.hex(),
        "height": found.height,
        "reached": found.reached,
        "left": len(found.stack),
        "lifted_by": found.lifted_by.hex() or None,
        "lift_document": found.lift_document.hex() or None,
    }


def holds_pending(view: QueryView, question: PendingQuery) -> dict[str, Any]:
    """Holds whose walk is not finished; anyone may continue them by `propagate`."""
    rows, following = page(view, b"w", question.limit, question.after)
    return {"items": [key.hex() for key, _ in rows], "next": following}


def parameters(view: QueryView, _: ParametersQuery) -> dict[str, Any]:
    found = PARAMETERS.get(view, b"") or Parameters()
    return {"offer_minutes": found.offer_minutes, "excursion_minutes": found.excursion_minutes}


def require(view: QueryView, name: str) -> Batch:
    """The batch, or refusal."""
    found = BATCHES.get(view, name.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"batch: {name}")
    return found


def brief(name: str, found: Batch) -> dict[str, Any]:
    """The line of a batch in a list."""
    return {
        "batch": name,
        "code": found.code or None,
        "status": STATUS_NAMES[found.status],
        "blocked": found.holds > 0,
        "recalled": found.recalls > 0,
        "gtin": found.gtin,
        "country": found.country,
        "city": found.city,
        "holder": found.holder.hex(),
        "grams": found.grams,
    }


def page(view: QueryView, prefix: bytes, limit: int, after: str) -> tuple[list[tuple[bytes, bytes]], str | None]:
    """Rows under a prefix, keys without it, and the cursor of the next page."""
    cut = len(prefix)
    rows = [
        (key[cut:], value) for key, value in view.scan(prefix, limit, prefix + bytes.fromhex(after) if after else None)
    ]
    return rows, rows[-1][0].hex() if len(rows) == limit else None


def _listed(view: QueryView, prefix: bytes, limit: int, after: str) -> dict[str, Any]:
    rows, following = page(view, prefix, limit, after)
    names = [name for name, _ in rows]
    items = []
    for name, found in zip(names, BATCHES.get_many(view, names), strict=True):
        if found is None:
            raise QueryRefused("NOT_FOUND", f"batch: {name.decode()}")
        items.append(brief(name.decode(), found))
    return {"items": items, "next": following}


def _measured(found: Batch) -> dict[str, Any]:
    measured = found.segments > 0
    return {
        "temperature_min": found.temperature_min if measured else None,
        "temperature_max": found.temperature_max if measured else None,
        "segments": found.segments,
        "excursions": found.excursions,
    }
