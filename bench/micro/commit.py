"""Micro benchmark of a block's way into the database: blocks of `evidence` through the code of the node, on a real disk, as JSON.

    python bench/micro/commit.py [--tiny] [--blocks N] [--txs N] [--to FILE]

µs a transaction and of which part: `ids` (committed before?), `execute`, `tree`, `rows` (rows into the write batch), `write`
(RocksDB's memtables), `freeze` (snapshots), `flush` (block log and fsync); wall time of the executing thread, and `other_cpu`,
processor time of all other threads (flushes and compactions). By tenths of the run, because cost grows with the state.
What files hold is told by directory, while the node runs and when it has stopped.
`--tiny` is one small run, as the tests do; `result_hash` shows that the same work was done.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hnnode_native as native

from hnnode.bench import machine
from hnnode.config import StorageConfig
from hnnode.governance import PluginSets, PluginSources, PluginStore, Skips
from hnnode.metrics import Metrics
from hnnode.node.block_work import BlockWork, load_tree
from hnnode.ports import Decided, HeldBatch, Tip
from hnnode.storage import Home, Storage, open_storage
from hnnode.sync.results import RecentResults

CHAIN_ID = bytes(32)
VALID_BLOCKS = 100_000
BATCH_TX_COUNT = 1_000
PARTS = ("ids", "execute", "tree", "rows", "write", "freeze", "flush")


class Parts:
    """Wall time of named calls, the inner ones taken out of the outer ones."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(PARTS, 0.0)
        self._inner = [0.0]

    def timed(self, owner: Any, method: str, part: str) -> None:
        call: Callable[..., Any] = getattr(owner, method)

        def wrapped(*args: Any, **named: Any) -> Any:
            started = time.perf_counter()
            self._inner.append(0.0)
            try:
                return call(*args, **named)
            finally:
                took = time.perf_counter() - started
                self.spent[part] += took - self._inner.pop()
                self._inner[-1] += took

        setattr(owner, method, wrapped)


class Chain:
    """A storage in a directory, one account that signs, one validator that seals."""

    def __init__(self, directory: Path) -> None:
        config = StorageConfig()
        self.storage: Storage = open_storage(Home(directory), config)
        database = self.storage.database
        key = native.SecretKey.generate(hashlib.sha256(b"hnnode commit bench").digest())
        self._key, self._author = key, native.SecretKey.generate(hashlib.sha256(b"author").digest())
        self._accounts = native.Accounts(1 << 24)
        record = native.encode_account_record(key.public_key(), True, 0, "bench", [])
        self._accounts.load([(key.account(), record)])
        tree = native.StateTree(config.tree_cache_bytes)
        tree.load([(b"\x00", None)])
        tip = Tip(0, CHAIN_ID, 0, bytes(32), tree.root(), bytes(32))
        database.write_genesis(tip, b"genesis", b"validators", [], native.PageLayer([]))
        list(self.storage.batch_log.recover(0, database.batches_committed))
        self.parts = Parts()
        validators = native.ValidatorSet(0, [(key.public_key(), 1)])
        plugins = PluginSets(PluginSources(PluginStore(directory)), validators)
        plugins.open(database.pending_state(), 0)
        self.work = BlockWork(
            chain_id=CHAIN_ID,
            valid_blocks_max=VALID_BLOCKS,
            database=database,
            tree=load_tree(config.tree_cache_bytes, database),
            accounts=self._accounts,
            plugins=plugins,
            metrics=Metrics(),
            recent=RecentResults(),
            skips=Skips(directory / "skips", CHAIN_ID, validators),
        )
        self._pool = native.Pool(CHAIN_ID, 1 << 30, 1_000_000, 1 << 30, BATCH_TX_COUNT, 1 << 20, VALID_BLOCKS, 10)
        self._count = self._seq = 0
        for owner, method, part in (
            (self.work, "_execute", "execute"),
            (self.work, "_update_tree", "tree"),
            (database, "committed_flags", "ids"),
            (database, "write", "rows"),
            (database._families, "write", "write"),
            (database, "_freeze", "freeze"),
            (database, "flush", "flush"),
        ):
            self.parts.timed(owner, method, part)

    def decided(self, height: int, tx_count: int) -> Decided:
        """A block of new records, its batches durable."""
        numbers = range(self._count, self._count + tx_count)
        self._count += tx_count
        payloads = [
            json.dumps({"hash": hashlib.sha256(i.to_bytes(8, "big")).hexdigest(), "algorithm": "sm3"}).encode()
            for i in numbers
        ]
        signed = native.build_txs(self._key, CHAIN_ID, numbers[0], height + 10, "evidence", "preserve", payloads)
        txs = native.DecodedTxs.decode([tx for _, tx in signed], CHAIN_ID)
        if any(self._pool.admit(txs, self._accounts, bytes(tx_count), height - 1)):
            raise RuntimeError("not admitted")
        batches = []
        while (batch := self._pool.seal(self._author, self._seq)) is not None:
            self._seq += 1
            batches.append(batch)
        places = self.storage.batch_log.append([batch.data for batch in batches])
        self.storage.batch_log.sync()
        self._pool.on_commit(height, batches, self._accounts)
        held = tuple(HeldBatch(batch, at) for batch, at in zip(batches, places, strict=True))
        block_hash = hashlib.sha256(height.to_bytes(8, "big")).digest()
        time_ms = 1_700_000_000_000 + height
        return Decided(height, block_hash, b"value", b"certificate", time_ms, bytes(20), held, tx_count)

    def commit(self, decided: Decided) -> bytes:
        executed = self.work.run(decided)
        self.storage.database.flush()
        self.storage.database.publish(decided.height)
        if executed.succeeded_count != decided.tx_count:
            raise RuntimeError(f"{executed.failed_count} transactions failed")
        return executed.tip.state_root


def stored_bytes(root: Path) -> dict[str, int]:
    """Bytes of all files by the directory they stand in."""
    sizes: dict[str, int] = {}
    for file in root.rglob("*"):
        # Files may be merged away meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                part = file.parent.relative_to(root).as_posix()
                sizes[part] = sizes.get(part, 0) + file.stat().st_size
    return sizes


def run(*, tiny: bool, blocks: int = 100, txs: int = 5_000) -> dict[str, Any]:
    blocks, txs = (4, 50) if tiny else (blocks, txs)
    tenths: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="hn-commit-") as directory:
        chain = Chain(Path(directory))
        root = b""
        for height in range(1, blocks + 1):
            decided = chain.decided(height, txs)
            before, mine, every = dict(chain.parts.spent), time.thread_time(), time.process_time()
            root = chain.commit(decided)
            cpu = time.thread_time() - mine
            spent = {part: chain.parts.spent[part] - before[part] for part in PARTS}
            spent |= {"cpu": cpu, "other_cpu": time.process_time() - every - cpu}
            if (height - 1) * 10 // blocks >= len(tenths):
                tenths.append(dict.fromkeys(spent, 0.0) | {"txs": 0.0})
            tenths[-1] = {name: tenths[-1][name] + spent.get(name, txs) for name in tenths[-1]}
        running = stored_bytes(Path(directory))
        chain.storage.close()
        stopped = stored_bytes(Path(directory))
    names = [*PARTS, "cpu", "other_cpu"]
    by_tenth = [{name: round(1e6 * tenth[name] / tenth["txs"], 2) for name in names} for tenth in tenths]
    total = blocks * txs
    return {
        "scenario": "micro",
        "machine": machine.facts(),
        "commit": machine.commit(),
        "settings": {"blocks": blocks, "txs_per_block": txs},
        "us_per_tx": {name: round(1e6 * sum(tenth[name] for tenth in tenths) / total, 2) for name in names},
        "us_per_tx_by_tenth": by_tenth,
        "stored_bytes_per_tx": round(sum(stopped.values()) / total, 1),
        "stored_bytes_per_tx_by_part": {
            when: {part: round(size / total, 1) for part, size in sorted(parts.items())}
            for when, parts in (("running", running), ("stopped", stopped))
        },
        "result_hash": root.hex(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--blocks", type=int, default=100)
    parser.add_argument("--txs", type=int, default=5_000)
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    report = json.dumps(run(tiny=options.tiny, blocks=options.blocks, txs=options.txs), indent=1)
    if options.to:
        options.to.write_text(report + "\n", encoding="utf-8")
    sys.stdout.write(report + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
