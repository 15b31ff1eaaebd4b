"""Temperatures of an event's sensor elements: exact thousandths of a degree, one leaf a reading, one root a set.

Leaf: `u64 from_ms ‖ u64 to_ms ‖ i32 low ‖ i32 high ‖ u16 length ‖ device`, big-endian, in 0.001 °C; a single value
has low = high. Leaves are sorted, so the root does not depend on the order of the document. The chain keeps extremes
in 0.1 °C, rounded outwards: that can neither hide a reading outside a band nor invent one, since bands are in 0.1 °C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hn_coldchain.epcis_reader import EpcisError, Node

READINGS_MAX = 100_000
MILLI = 3
_TEMPERATURE = frozenset(("Temperature", "gs1:Temperature", "gs1:MT-Temperature", "https://gs1.org/voc/Temperature"))

Root = Callable[[Sequence[bytes]], bytes]


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """One measurement, or the extremes of a stretch of time; temperatures in 0.001 °C."""

    from_ms: int
    to_ms: int
    low: int
    high: int
    device: str

    def leaf(self) -> bytes:
        named = self.device.encode("utf-8")
        return b"".join(
            (
                self.from_ms.to_bytes(8, "big"),
                self.to_ms.to_bytes(8, "big"),
                self.low.to_bytes(4, "big", signed=True),
                self.high.to_bytes(4, "big", signed=True),
                len(named).to_bytes(2, "big"),
                named,
            )
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """What is committed of one event's readings; `leaves` stay with the sender, to prove single readings later."""

    root: bytes
    count: int
    low_decidegrees: int
    high_decidegrees: int
    from_ms: int
    to_ms: int
    leaves: tuple[bytes, ...]


def segment(event: Node, event_ms: int, root: Root) -> Segment | None:
    """The temperatures of an event; None when it has none. Raises EpcisError with the pointer of the faulty report."""
    elements = event.maybe("sensorElementList")
    if elements is None:
        return None
    readings = sorted(reading for element in elements.items() for reading in _readings(element, event_ms))
    if not readings:
        return None
    if len(readings) > READINGS_MAX:
        raise elements.fail(f"got {len(readings)} readings, want at most {READINGS_MAX}")
    leaves = tuple(reading.leaf() for reading in readings)
    return Segment(
        root=root(leaves),
        count=len(leaves),
        low_decidegrees=min(reading.low for reading in readings) // 100,
        high_decidegrees=-(-max(reading.high for reading in readings) // 100),
        from_ms=readings[0].from_ms,
        to_ms=max(reading.to_ms for reading in readings),
        leaves=leaves,
    )


def _readings(element: Node, event_ms: int) -> list[Reading]:
    metadata = element.maybe("sensorMetadata")
    device = metadata.maybe("deviceID") if metadata else None
    start_ms = end_ms = event_ms
    if metadata:
        if time := metadata.maybe("time"):
            start_ms = end_ms = time.time_ms()
        elif start := metadata.maybe("startTime"):
            start_ms, end_ms = start.time_ms(), metadata.need("endTime").time_ms()
            if end_ms < start_ms:
                raise metadata.fail("endTime is before startTime")
    found = []
    for report in element.need("sensorReport").items():
        if report.need("type").text() not in _TEMPERATURE:
            continue
        uom = report.need("uom")
        if uom.text() != "CEL":
            raise uom.fail(f"got {uom.text()[:20]!r}, want CEL: another scale would not convert exactly")
        own_device = report.maybe("deviceID") or device
        named = own_device.text() if own_device else ""
        if len(named) > 256 or not named.isascii():
            raise report.fail("a device id is ASCII text of at most 256 characters")
        time = report.maybe("time")
        from_ms, to_ms = (time.time_ms(),) * 2 if time else (start_ms, end_ms)
        low, high = _range(report)
        found.append(Reading(from_ms, to_ms, low, high, named))
    return found


def _range(report: Node) -> tuple[int, int]:
    value, lowest, highest = report.maybe("value"), report.maybe("minValue"), report.maybe("maxValue")
    if (lowest is None) != (highest is None):
        raise report.fail("minValue and maxValue go together")
    if lowest and highest:
        low, high = _temperature(lowest), _temperature(highest)
    elif value:
        low = high = _temperature(value)
    else:
        raise report.fail("want value, or minValue and maxValue")
    if value and lowest and highest and not low <= _temperature(value) <= high:
        raise value.fail("value is outside minValue and maxValue")
    if low > high:
        raise report.fail("minValue is above maxValue")
    return low, high


def _temperature(node: Node) -> int:
    milli = node.scaled(MILLI)
    if not -200_000 <= milli <= 200_000:
        raise EpcisError([(node.pointer, f"got {node.value}, want between -200 and 200 °C")])
    return milli
