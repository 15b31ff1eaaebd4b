"""The event feed against a naive twin: pages, following, bounds."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.crypto import MemorySigner
from hnnode.errors import Rejected
from hnnode.events import EventFeed, feed
from hnnode.events.block_events import BlockEvents
from hnnode.ports import ChainEvent, Cursor
from hnnode.primitives.position import INDEX_MAX, ScanEnded
from tests.kit.http import evidence_tx
from tests.kit.memory_node import MemoryNode

SIGNER = MemorySigner.generate()
OWNER = MemorySigner.generate()


def submit(node: MemoryNode, *txs: bytes) -> None:
    results = asyncio.run(node.submit(txs))
    assert [r.code for r in results] == [0] * len(txs)


def preserve(node: MemoryNode, number: int) -> bytes:
    return evidence_tx(node.chain_id, SIGNER, f"{number:064x}", until=900).data


@pytest.fixture(scope="module")
def node() -> Iterator[MemoryNode]:
    """Blocks with 0 to 4 transactions, one of them failing, one of another name."""
    node = MemoryNode([SIGNER.public_key, OWNER.public_key])
    number = 0
    for count in (1, 0, 3, 0, 0, 4, 2):
        if count:
            submit(node, *(preserve(node, number + i) for i in range(count)))
            number += count
        node.commit_block()
    failing = {"hash": "ff" * 32, "algorithm": "sm3", "previous": "ee" * 32}
    cosign = {"hash": f"{0:064x}", "owner": SIGNER.account.hex()}
    submit(
        node,
        evidence_tx(node.chain_id, SIGNER, payload=failing).data,
        evidence_tx(node.chain_id, OWNER, action="cosign", payload=cosign).data,
        preserve(node, 99),
    )
    node.commit_block()
    yield node
    node.events.close()


def everything(node: MemoryNode) -> list[ChainEvent]:
    return node.events.read(None, 1_000, None, None)


def key(cursor: Cursor) -> tuple[int, int, int]:
    return (cursor.height, cursor.tx_index, cursor.event_index)


def test_events_are_those_of_the_receipts_in_order(node: MemoryNode) -> None:
    events = everything(node)
    assert [e.cursor.height for e in events] == [1, 3, 3, 3, 6, 6, 6, 6, 7, 7, 8, 8]
    assert [key(e.cursor) for e in events] == sorted(key(e.cursor) for e in events)
    assert {e.application for e in events} == {"evidence"}
    assert [e.name for e in events[-2:]] == ["evidence.cosigned", "evidence.preserved"] or [
        e.name for e in events[-2:]
    ] == ["evidence.preserved", "evidence.cosigned"]
    for event in events:
        assert event.tx_id == node.chain.tx_ids(event.cursor.height)[event.cursor.tx_index]
        assert event.time_ms == 1_700_000_000_000 + 40 * event.cursor.height
        json.loads(event.data)


cursors = st.builds(
    Cursor,
    st.integers(0, 10),
    st.one_of(st.integers(0, 5), st.just(INDEX_MAX)),
    st.one_of(st.integers(0, 2), st.just(INDEX_MAX)),
)


@settings(max_examples=150, deadline=None)
@given(
    after=st.none() | cursors,
    limit=st.integers(1, 20),
    application=st.sampled_from([None, "evidence", "identity"]),
    name=st.sampled_from([None, "evidence.preserved", "evidence.cosigned", "x"]),
)
def test_reading_equals_filtering_everything(
    node: MemoryNode, after: Cursor | None, limit: int, application: str | None, name: str | None
) -> None:
    expected = [
        e
        for e in everything(node)
        if (after is None or key(e.cursor) > key(after))
        and (application is None or e.application == application)
        and (name is None or e.name == name)
    ]
    assert node.events.read(after, limit, application, name) == expected[:limit]


@pytest.mark.parametrize("limit", [0, -1, feed.READ_LIMIT_MAX + 1])
def test_limits_are_checked(node: MemoryNode, limit: int) -> None:
    with pytest.raises(Rejected):
        node.events.read(None, limit, None, None)


def test_a_scan_that_finds_nothing_says_how_far_it_came(node: MemoryNode, monkeypatch: pytest.MonkeyPatch) -> None:
    all_events = everything(node)
    monkeypatch.setattr(feed, "SCAN_BLOCKS_MAX", 3)
    with pytest.raises(ScanEnded) as caught:
        node.events.read(None, 10, None, "x")
    position = caught.value.position
    assert position == (3, INDEX_MAX, INDEX_MAX)
    reached = [position]
    while reached[-1][0] < node.chain.tip().height:
        try:
            assert node.events.read(Cursor(*reached[-1]), 10, None, "x") == []
            break
        except ScanEnded as e:
            reached.append(e.position)
    assert [position[0] for position in reached] == [3, 5, 7]
    found: list[ChainEvent] = []
    after: Cursor | None = None
    while True:
        try:
            page = node.events.read(after, 2, None, None)
        except ScanEnded as e:
            after = Cursor(*e.position)
            continue
        if not page:
            break
        found += page
        after = page[-1].cursor
    assert found == all_events


def test_a_scan_is_also_bounded_by_events(node: MemoryNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SCAN_EVENTS_MAX", 1)
    with pytest.raises(ScanEnded) as caught:
        node.events.read(None, 10, None, "x")
    assert caught.value.position[0] == 1


def test_the_cache_is_bounded_and_changes_nothing(node: MemoryNode) -> None:
    blocks = BlockEvents(node.chain, bytes_max=1_500)
    for height in (1, 3, 6, 7, 8, 6, 3, 1, 2, 9):
        fresh = BlockEvents(node.chain).read(height)
        assert blocks.read(height) == fresh
        assert blocks._bytes <= 1_500
    assert len(blocks._blocks) < 4


def test_following_meets_every_event_once_while_blocks_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "FOLLOW_PAGE", 3)

    async def run() -> None:
        node = MemoryNode([SIGNER.public_key])
        wanted = 60

        async def collect(after: Cursor | None) -> list[ChainEvent]:
            found = []
            async for event in node.events.follow(after, None, "evidence.preserved"):
                found.append(event)
                if event.entity == f"{wanted - 1:064x}":
                    break
            return found

        followers = [asyncio.create_task(collect(None)) for _ in range(3)]
        for number in range(wanted):
            await node.submit([preserve(node, number)])
            if number % 4 == 3:
                node.commit_block()
            if number % 3 == 0:
                await asyncio.sleep(0.002)
        node.commit_block()
        first, *others = await asyncio.wait_for(asyncio.gather(*followers), 20)
        assert [int(e.entity, 16) for e in first] == list(range(wanted))
        assert all(other == first for other in others)
        late = await asyncio.wait_for(collect(first[9].cursor), 20)
        assert late == first[10:]
        node.events.close()

    asyncio.run(run())


def test_a_block_that_commits_during_a_scan_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        node = MemoryNode([SIGNER.public_key])
        await node.submit([preserve(node, 0)])
        loop = asyncio.get_running_loop()
        scan = node.events._scan
        committed = threading.Event()

        def commit() -> None:
            node.commit_block()
            committed.set()

        def slow_scan(*args: object) -> object:
            """The scan has seen the old tip; the block commits before its result is used."""
            page = scan(*args)  # type: ignore[arg-type]
            if not committed.is_set():
                loop.call_soon_threadsafe(commit)
                committed.wait(10)
            return page

        monkeypatch.setattr(node.events, "_scan", slow_scan)
        stream = node.events.follow(None, None, None)
        event = await asyncio.wait_for(anext(stream), 5)
        assert event.cursor == Cursor(1, 0, 0)
        await stream.aclose()
        node.events.close()

    asyncio.run(run())


def test_a_cursor_beyond_the_tip_waits_for_the_chain() -> None:
    async def run() -> None:
        node = MemoryNode([SIGNER.public_key])
        assert node.events.read(Cursor(5, 0, 0), 10, None, None) == []
        stream = node.events.follow(Cursor(2, INDEX_MAX, INDEX_MAX), None, None)
        waiting = asyncio.ensure_future(anext(stream))
        for number in range(3):
            await node.submit([preserve(node, number)])
            node.commit_block()
        event = await asyncio.wait_for(waiting, 10)
        assert event.cursor == Cursor(3, 0, 0)
        await stream.aclose()
        node.events.close()

    asyncio.run(run())


def test_closing_ends_followers() -> None:
    async def run() -> None:
        node = MemoryNode()

        async def follow(events: EventFeed) -> int:
            return len([event async for event in events.follow(None, None, None)])

        task = asyncio.create_task(follow(node.events))
        await asyncio.sleep(0.05)
        node.events.close()
        assert await asyncio.wait_for(task, 5) == 0

    asyncio.run(run())
