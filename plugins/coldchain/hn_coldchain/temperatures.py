"""Temperature readings: the chain keeps the root and the extremes of each stretch, the readings stay with whoever
measured them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hn_coldchain.models import Alarm, CommitTemperatures
from hn_coldchain.state import ENDED, PARAMETERS, SEGMENTS, Parameters, Segment, batch_key, load, store
from hnnode.plugin_api import Context, TxInfo
from hnnode.plugin_api.hashes import sm3, verify_inclusion

MINUTE_MS = 60_000
READING_BYTES_MIN = 26
"""A reading as `epcis_sensors` makes it: from_ms8, to_ms8, low4, high4 (signed, 0.001 °C), and the device's name."""
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
        outside = payload.min < batch.band_min or payload.max > batch.band_max
        minutes = payload.outside_minutes
        if minutes is not None:
            fits = bool(minutes) == outside and minutes * MINUTE_MS <= payload.to_ms - payload.from_ms + MINUTE_MS
            tx.require("coldchain.outside_invalid", fits)
        if outside and (minutes is None or minutes > _tolerated_minutes(tx)):
            batch.excursions += 1
            tx.emit("coldchain.excursion", name, {"band_min": batch.band_min, "band_max": batch.band_max, **data})
        store(tx, name, batch)


def alarm_keys(_: TxInfo, payload: Alarm) -> Sequence[bytes]:
    segment = segment_key(payload.batch, payload.from_ms, bytes.fromhex(payload.root))
    mark = b"a" + payload.batch.encode() + b"/" + sm3(bytes.fromhex(payload.reading))
    return batch_key(payload.batch), SEGMENTS.key(segment), mark


def alarm(tx: Context, payload: Alarm) -> None:
    """Show one committed reading outside the band. Anyone with a part in the goods may, who has the readings: the root
    says what was measured, whoever committed it.
    """
    name = payload.batch
    batch = load(tx, name)
    root = bytes.fromhex(payload.root)
    tx.require("coldchain.segment_unknown", SEGMENTS.get(tx, segment_key(name, payload.from_ms, root)) is not None)
    reading, proof = bytes.fromhex(payload.reading), bytes.fromhex(payload.proof)
    known = len(reading) >= READING_BYTES_MIN and verify_inclusion(proof, reading, root)
    tx.require("coldchain.reading_unproven", known)
    from_ms, to_ms = int.from_bytes(reading[:8], "big"), int.from_bytes(reading[8:16], "big")
    low = int.from_bytes(reading[16:20], "big", signed=True)
    high = int.from_bytes(reading[20:24], "big", signed=True)
    outside = low < batch.band_min * 100 or high > batch.band_max * 100
    tx.require("coldchain.reading_inside", outside)
    mark = b"a" + name.encode() + b"/" + sm3(reading)
    tx.require("coldchain.alarm_known", tx.get(mark) is None)
    tx.put(mark, b"")
    batch.alarms += 1
    store(tx, name, batch)
    data = {"from_ms": from_ms, "to_ms": to_ms, "low": low, "high": high, "root": payload.root}
    tx.emit("coldchain.alarm", name, data)


def _tolerated_minutes(tx: Context) -> int:
    return (PARAMETERS.get(tx, b"") or Parameters()).excursion_minutes
