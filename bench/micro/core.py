"""Micro benchmarks of the compiled core: `room.operation/key=value` and µs an item, as JSON.

    python bench/micro/core.py [--tiny] [--to FILE]

`--tiny` runs each on a small input once, as the tests do; `result_hash` shows that the same work was done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hnnode_native as native

from hnnode.bench import machine

CHAIN_ID = bytes(32)
SEED = b"hnnode micro bench"
MEASURE_S = 1.0


def _signed(count: int) -> tuple[native.SecretKey, list[tuple[bytes, bytes]]]:
    key = native.SecretKey.generate(hashlib.sha256(SEED).digest())
    payloads = [
        json.dumps({"hash": hashlib.sha256(i.to_bytes(8, "big")).hexdigest(), "algorithm": "sm3"}).encode()
        for i in range(count)
    ]
    return key, native.build_txs(key, CHAIN_ID, 0, 1_000, "evidence", "preserve", payloads)


def cases(count: int) -> dict[str, tuple[int, Callable[[], bytes]]]:
    """Name → (items a call, work that returns bytes depending on the result)."""
    key, txs = _signed(count)
    ids = [tx_id for tx_id, _ in txs]
    raw = [tx for _, tx in txs]
    signatures = [tx[-64:] for tx in raw]
    keys = [key.public_key()] * count
    proof = native.block_proof(ids, count // 2)
    root = native.block_root(ids)
    pairs: list[tuple[bytes, bytes | None]] = [(native.sm3(i), native.sm3(i + b"v")) for i in ids]

    def state_tree() -> bytes:
        tree = native.StateTree(64 * 1024 * 1024)
        while needed := tree.apply_pairs(pairs):
            tree.load([(page, None) for page in needed])
        return tree.root()

    return {
        f"crypto.verify_batch/n={count}": (count, lambda: native.verify_batch(keys, ids, signatures)),
        f"crypto.sign_batch/n={count}": (count, lambda: b"".join(key.sign_batch(ids))),
        f"crypto.sm3_batch/n={count}/bytes=300": (count, lambda: b"".join(native.sm3_batch([t[:300] for t in raw]))),
        f"primitives.decode_txs/n={count}": (count, lambda: b"".join(native.DecodedTxs.decode(raw, CHAIN_ID).tx_ids())),
        f"merkle.block_root/n={count}": (count, lambda: native.block_root(ids)),
        f"merkle.verify_inclusion/n={count}": (
            1,
            lambda: bytes([native.verify_inclusion(proof, ids[count // 2], root)]),
        ),
        f"merkle.state_tree_apply/n={count}": (count, state_tree),
    }


def measure(items: int, work: Callable[[], bytes], seconds: float) -> dict[str, Any]:
    """Median and best µs an item over repeated calls; one call alone when `seconds` is 0."""
    result = work()
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while not spent or time.perf_counter() < end:
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    spent.sort()
    return {
        "us_per_item": round(1e6 * spent[len(spent) // 2] / items, 3),
        "us_per_item_best": round(1e6 * spent[0] / items, 3),
        "calls": len(spent),
        "result_hash": native.sm3(result).hex(),
    }


def run(*, tiny: bool) -> dict[str, Any]:
    found = {
        name: measure(items, work, 0.0 if tiny else MEASURE_S)
        for name, (items, work) in cases(8 if tiny else 1024).items()
    }
    return {"scenario": "micro", "machine": machine.facts(), "commit": machine.commit(), "results": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    text = json.dumps(run(tiny=options.tiny), indent=2) + "\n"
    if options.to is not None:
        options.to.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
