"""One suite over the compiled parser and its naive twin; any chunking gives the same frames."""

from __future__ import annotations

import struct
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import PeerFault
from hnnode.network.framing import HEAD_BYTES, FrameParser


class Parser(Protocol):
    def get_buffer(self, size_hint: int) -> memoryview: ...
    def buffer_updated(self, count: int) -> list[tuple[int, bytes]]: ...


class NaiveParser:
    """Keeps all bytes, cuts frames off the front."""

    def __init__(self, frame_bytes_max: int, buffer_bytes: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self.buffer = bytearray(buffer_bytes)
        self.data = b""

    def get_buffer(self, size_hint: int) -> memoryview:
        return memoryview(self.buffer)

    def buffer_updated(self, count: int) -> list[tuple[int, bytes]]:
        self.data += self.buffer[:count]
        frames = []
        while len(self.data) >= 5:
            length, kind = struct.unpack_from(">IB", self.data)
            if length > self.frame_bytes_max:
                raise PeerFault("FRAME_TOO_LARGE")
            if len(self.data) < 5 + length:
                break
            frames.append((kind, self.data[5 : 5 + length]))
            self.data = self.data[5 + length :]
        return frames


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">IB", len(payload), kind) + payload


def feed(parser: Parser, data: bytes, sizes: list[int]) -> list[tuple[int, bytes]]:
    """Write `data` as a socket does: at most what the buffer takes, in pieces of the given sizes."""
    frames: list[tuple[int, bytes]] = []
    position = turn = 0
    while position < len(data):
        buffer = parser.get_buffer(-1)
        assert len(buffer) > 0, "an empty buffer would end the connection"
        count = min(len(buffer), len(data) - position, sizes[turn % len(sizes)])
        buffer[:count] = data[position : position + count]
        frames += parser.buffer_updated(count)
        position += count
        turn += 1
    return frames


@pytest.fixture(params=[FrameParser, NaiveParser])
def make(request: pytest.FixtureRequest) -> type[FrameParser]:
    parser: type[FrameParser] = request.param
    return parser


def test_head_is_five_bytes() -> None:
    assert HEAD_BYTES == 5


def test_frames_come_in_order_byte_by_byte_and_at_once(make: type[FrameParser]) -> None:
    frames = [(0, b""), (255, b"x"), (7, b"y" * 300), (1, b""), (2, b"z" * 40)]
    data = b"".join(frame(*f) for f in frames)
    for size in (1, 2, 3, 5, 64, 1 << 20):
        assert feed(make(1000, 64), data, [size]) == frames


def test_an_unfinished_frame_waits(make: type[FrameParser]) -> None:
    parser = make(100, 32)
    assert feed(parser, frame(3, b"abc")[:-1], [100]) == []
    assert feed(parser, b"c", [100]) == [(3, b"abc")]


@pytest.mark.parametrize("length", [101, 1 << 16, 1 << 31, (1 << 32) - 1])
def test_a_length_over_the_limit_is_refused_at_its_header(make: type[FrameParser], length: int) -> None:
    parser = make(100, 32)
    assert feed(parser, frame(1, b"x" * 100), [7]) == [(1, b"x" * 100)]
    assert feed(parser, struct.pack(">I", length), [4]) == []
    with pytest.raises(PeerFault, match="6102"):
        feed(parser, b"\x01", [1])


def test_the_buffer_grows_for_one_large_frame_only_and_shrinks_again() -> None:
    parser = FrameParser(10_000, 64)
    large = frame(1, b"L" * 5000)
    assert feed(parser, large[:10], [1]) == []
    assert parser.capacity_bytes == len(large)
    assert feed(parser, large[10:], [4096]) == [(1, b"L" * 5000)]
    assert (parser.capacity_bytes, parser.held_bytes) == (64, 0)


def test_a_header_alone_allocates_at_most_the_frame_it_announces() -> None:
    parser = FrameParser(1 << 22, 64)
    feed(parser, struct.pack(">IB", 1 << 22, 1), [5])
    assert parser.capacity_bytes == (1 << 22) + 5
    with pytest.raises(PeerFault):
        feed(FrameParser(1 << 22, 64), struct.pack(">IB", (1 << 22) + 1, 1), [5])


def test_an_old_view_of_the_buffer_stays_valid() -> None:
    """The transport may hold its view over `buffer_updated`, in which the buffer may be replaced."""
    parser = FrameParser(10_000, 16)
    view = parser.get_buffer(-1)
    view[:5] = struct.pack(">IB", 9000, 1)
    parser.buffer_updated(5)
    view[:] = b"?" * len(view)
    assert parser.capacity_bytes == 9005
    assert parser.held_bytes == 5


@pytest.mark.parametrize("count", [-1, 33])
def test_a_count_outside_the_buffer_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="count"):
        FrameParser(100, 32).buffer_updated(count)


@pytest.mark.parametrize(("limit", "size"), [(0, 64), (10, 4)])
def test_sizes_that_cannot_work_are_refused(limit: int, size: int) -> None:
    with pytest.raises(ValueError, match="too small"):
        FrameParser(limit, size)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=200)), max_size=30),
    st.lists(st.integers(1, 400), min_size=1, max_size=20),
    st.integers(5, 128),
)
def test_any_chunking_gives_the_frames_that_were_sent(
    frames: list[tuple[int, bytes]], sizes: list[int], buffer_bytes: int
) -> None:
    data = b"".join(frame(*f) for f in frames)
    parser = FrameParser(200, buffer_bytes)
    assert feed(parser, data, sizes) == frames
    assert (parser.held_bytes, parser.capacity_bytes) == (0, buffer_bytes)


@given(st.binary(max_size=600), st.lists(st.integers(1, 100), min_size=1, max_size=10), st.integers(5, 64))
def test_any_bytes_give_what_the_twin_gives(data: bytes, sizes: list[int], buffer_bytes: int) -> None:
    """Random bytes: the same frames, or refused by both."""
    # Small lengths, so that random data often make frames.
    data = (
        b"".join(b"\x00\x00\x00" + bytes([b % 40]) + bytes([i % 7]) + data[: b % 40] for i, b in enumerate(data[:60]))
        + data
    )
    outcomes = []
    for make in (FrameParser, NaiveParser):
        parser = make(30, buffer_bytes)
        frames: list[tuple[int, bytes]] = []
        try:
            for byte in range(0, len(data), sizes[0]):
                frames += feed(parser, data[byte : byte + sizes[0]], sizes)
        except PeerFault as fault:
            frames.append((-fault.code, b""))
        outcomes.append(frames)
    assert outcomes[0] == outcomes[1]
