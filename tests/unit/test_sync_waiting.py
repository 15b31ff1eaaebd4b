"""Block responses that wait: in order, bounded by number and bytes, never without room for one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.config import SyncConfig
from hnnode.errors import PeerFault
from hnnode.sync.blocks import BlockSync
from hnnode.sync.frames import BlockResponse
from hnnode.sync.waiting import RESPONSES_BYTES_MAX, RESPONSES_MAX, WaitingResponses


def response(height: int) -> BlockResponse:
    return BlockResponse(height, b"v", b"", ())


@given(st.lists(st.one_of(st.integers(1, 120), st.none()), max_size=60))
def test_a_twin_that_counts(steps: list[int | None]) -> None:
    """A number: a frame of this size comes; None: the oldest is taken."""

    async def run() -> None:
        waiting, twin = WaitingResponses(count_max=4, bytes_max=100), []
        for height, size in enumerate(steps):
            if size is None:
                if twin:
                    assert (await waiting.get()).height == twin.pop(0)[0]
                continue
            has_room = not twin or (len(twin) < 4 and sum(each for _, each in twin) + size <= 100)
            assert waiting.put(response(height), size) == has_room
            if has_room:
                twin.append((height, size))

    asyncio.run(run())


def test_a_peer_that_sends_large_blocks_without_end_is_held_at_the_bound() -> None:
    async def run() -> None:
        waiting, size = WaitingResponses(), 4 * 1024 * 1024
        taken = sum(waiting.put(response(height), size) for height in range(RESPONSES_MAX))
        assert taken * size == RESPONSES_BYTES_MAX
        waiting.clear()
        assert waiting.put(response(1), 2 * RESPONSES_BYTES_MAX)

    asyncio.run(run())


def test_who_waits_gets_the_first_that_comes() -> None:
    async def run() -> None:
        waiting = WaitingResponses()
        reader = asyncio.create_task(waiting.get())
        await asyncio.sleep(0)
        waiting.put(response(5), 1)
        assert (await reader).height == 5

    asyncio.run(run())


def test_a_gap_of_what_had_no_room_is_no_fault_of_the_peer() -> None:
    """A peer may be configured to send more at once than is held here."""

    async def run() -> None:
        waiting = WaitingResponses(count_max=9, bytes_max=100)
        peer: Any = SimpleNamespace(
            _config=SyncConfig(request_ms=100), _responses=waiting, _asked=b"peer", _heights={b"peer": 9}
        )

        async def came() -> BlockResponse | None:
            return await BlockSync._response(peer, 7, 6)

        assert [waiting.put(response(height), size) for height, size in ((6, 60), (7, 60), (8, 20))] == [
            True,
            False,
            True,
        ]
        assert await came() is None
        assert peer._heights == {}
        waiting.clear()
        waiting.put(response(8), 20)
        with pytest.raises(PeerFault, match="got height 8, want 7"):
            await came()

    asyncio.run(run())
