"""Skip records that block sync brings count before what shows that the validators decided."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hnnode.config import SyncConfig
from hnnode.governance import Skips
from hnnode.primitives.skip import Subject, encode_skips, merge, unsigned
from hnnode.sync.blocks import BlockSync
from hnnode.sync.frames import BlockResponse
from tests.kit.memory_node import MemoryNode

PEER, TX = b"peer", b"\x05" * 32


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("has_record", [True, False])
def test_a_record_counts_before_the_certificate_that_ends_a_promise(
    tmp_path: Path, threads: int, has_record: bool
) -> None:
    """Regression: the certificate of the next block was judged while the block's own record still waited for its turn. A node that
    had signed, and came to results by itself since, told its clients these, and stopped at the next block for good."""
    node = MemoryNode(validators=4)
    for _ in range(3):
        node.commit_block([])
    block = node.chain.block(1)
    assert block is not None
    skips = Skips(tmp_path / "skips", node.chain_id, node.validator_set)
    used = skips.begin(1, block.block_hash)
    record = unsigned(node.chain_id, Subject(1, block.block_hash, "stuck", TX))
    skips.sign(record.subject, node.keys[0], 1)
    sealed: list[bool] = []
    waiting = threading.Thread(target=lambda: sealed.append(skips.seal(1, block.block_hash, used, was_logged=False)))
    waiting.start()
    records = encode_skips([merge([record.signed(key) for key in node.keys[:3]])]) if has_record else b""

    async def story() -> None:
        async def store(*_: Any, **__: Any) -> None:
            await asyncio.sleep(0)

        async def executed(*_: Any) -> bool:
            await asyncio.to_thread(waiting.join, 10)
            return False

        applier: Any = SimpleNamespace(
            tip=SimpleNamespace(height=0),
            check_decided=lambda *_: 0,
            apply_synced=executed,
        )
        network: Any = SimpleNamespace(connected=lambda: [PEER], send=lambda *_: answer())
        unused: Any = None
        with ThreadPoolExecutor(threads) as verify:
            sync = BlockSync(
                config=SyncConfig(),
                chain_id=node.chain_id,
                validators=node.validator_set,
                accounts=node.accounts,
                block_bytes_max=1 << 20,
                chain=node.chain,
                batches=SimpleNamespace(store=store),  # type: ignore[arg-type]
                applier=applier,
                network=network,
                metrics=unused,
                results=unused,
                differences=unused,
                skips=skips,
                verify_threads=verify,
                on_fatal=unused,
            )

            def answer() -> bool:
                for height in (1, 2, 3):
                    found = node.chain.block(height)
                    assert found is not None
                    carried = records if height == 1 else b""
                    sync._on_response(PEER, BlockResponse(height, found.value, found.certificate, (), carried).encode())
                return True

            sync._heights[PEER] = 3
            await sync._fetch_from(PEER)

    try:
        asyncio.run(story())
    finally:
        skips.close()
        waiting.join(10)
    assert sealed == [not has_record]
    assert len(skips.of(1)) == has_record
