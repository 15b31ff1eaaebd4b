"""Frames of block sync: what is encoded comes back, anything else is refused, nothing raises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hnnode.sync.frames import BATCH_COUNT_MAX, REQUEST_BLOCKS_MAX, BlockRequest, BlockResponse, Status

U64 = st.integers(0, 2**64 - 1)


@given(U64, U64, st.integers(0, 2**32 - 1))
def test_status_round_trip(committed: int, height: int, round_: int) -> None:
    status = Status(committed, height, round_)
    assert Status.decode(status.encode()) == status
    assert Status.decode(status.encode() + b"\0") is None
    assert Status.decode(status.encode()[:-1]) is None


@given(U64, st.integers(0, 2**16 - 1))
def test_request_bounds(height: int, count: int) -> None:
    request = BlockRequest(height, count)
    valid = height >= 1 and 1 <= count <= REQUEST_BLOCKS_MAX
    assert BlockRequest.decode(request.encode()) == (request if valid else None)


@given(U64, st.binary(max_size=60), st.binary(max_size=60), st.lists(st.binary(max_size=40), max_size=6))
def test_response_round_trip(height: int, value: bytes, certificate: bytes, batches: list[bytes]) -> None:
    response = BlockResponse(height, value, certificate, tuple(batches))
    data = response.encode()
    assert BlockResponse.decode(data) == response
    assert BlockResponse.decode(data + b"x") is None
    for cut in range(len(data)):
        assert BlockResponse.decode(data[:cut]) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_canonical(data: bytes) -> None:
    response = BlockResponse.decode(data)
    assert response is None or response.encode() == data


def test_response_with_too_many_batches_is_refused() -> None:
    assert BlockResponse.decode(BlockResponse(1, b"", b"", (b"",) * BATCH_COUNT_MAX).encode()) is not None
    assert BlockResponse.decode(BlockResponse(1, b"", b"", (b"",) * (BATCH_COUNT_MAX + 1)).encode()) is None
