"""Temperature readings: the chain keeps the root and the extremes of each stretch, the readings stay with whoever
measured them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hn_coldchain.models import CommitTemperatures
from hn_coldchain.state import ENDED, SEGMENTS, Segment, batch_key, load, store
from hnnode.plugin_api import Context, TxInfo

CLOCK_SKEW_MS = 600_000
"""How far a sensor's clock may run ahead of the block."""


def segment_key(batch: str, from_ms: int, root: bytes) -> bytes:
    return batch.encode() + b"/" + from_ms.to_bytes(8, "big") + root


def segment_keys(_: TxInfo, payload: CommitTemperatures) -> Sequence[bytes]:
    segment = segment_key(payload.batch, payload.from_ms, bytes.fromhex(payload.root))
    return batch_key(payload.batch), SEGMENTS.key(segment)


def commit_temperatures(tx: Context, payload: CommitTemperatures) -> None:
    """Record a stretch of readings. One outside the band is counted and announced, not refused: it is a fact."""
    commit_many(tx, iter((payload,)))


def commit_many(tx: Context, payloads: Iterator[CommitTemperatures]) -> None:
    """The same for stretches that follow each other in a block: sensors send them by the thousand."""
    latest_ms = tx.block_time_ms + CLOCK_SKEW_MS
    for payload in payloads:
        name = payload.batch
        tx.require("coldchain.temperature_order", payload.min <= payload.max)
        tx.require("coldchain.time_order", payload.from_ms <= payload.to_ms)
        tx.require("coldchain.time_future", payload.to_ms <= latest_ms)
        batch = load(tx, name)
        tx.require("coldchain.not_custodian", tx.sender in (batch.holder, batch.carrier))
        tx.require("coldchain.wrong_status", batch.status < ENDED)
        key = segment_key(name, payload.from_ms, bytes.fromhex(payload.root))
        tx.require("coldchain.segment_known", SEGMENTS.get(tx, key) is None)
        SEGMENTS.put(tx, key, Segment(tx.sender, payload.count, payload.min, payload.max, payload.to_ms))
        batch.temperature_min = min(batch.temperature_min, payload.min) if batch.segments else payload.min
        batch.temperature_max = max(batch.temperature_max, payload.max) if batch.segments else payload.max
        batch.segments += 1
        data = {"root": payload.root, "count": payload.count, "min": payload.min, "max": payload.max}
        tx.emit("coldchain.temperatures", name, data)
        if payload.min < batch.band_min or payload.max > batch.band_max:
            batch.excursions += 1
            tx.emit("coldchain.excursion", name, {"band_min": batch.band_min, "band_max": batch.band_max, **data})
        store(tx, name, batch)
