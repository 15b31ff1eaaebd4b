"""Two nodes came to different results of one block: which transaction of which application, and both write sets for a later look.

    header with other results (a proposal, a certified block) → the sender's results → first difference → file, log, metric

A header carries the results of the block before it, so a node that differs finds out before it votes: it votes nil for such a proposal,
and stops when a quorum has the other results. What is found here decides nothing; it is said, and kept in `data/differences` of the
home.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from hnnode_native import NativeError, Receipt, Tx, block_root, state_key

from hnnode.errors import name_of
from hnnode.metrics import Metrics
from hnnode.primitives.due import SYSTEM
from hnnode.sync.results import BlockResults, RecentResults, ResultsExchange, StateWrite

log = structlog.get_logger("differences")

ANSWER_S = 3.0
PEERS_ASKED_MAX = 3
FILES_MAX = 8
LISTED_MAX = 100
"""Differing transactions and keys that are listed; the write sets in the file are whole."""
Json = dict[str, Any]
Roots = tuple[bytes, bytes]
"""(receipts root, state root)."""


class Differences:
    """One look at a height; on the event loop."""

    def __init__(
        self,
        *,
        directory: Path,
        recent: RecentResults,
        exchange: ResultsExchange,
        connected: Callable[[], Sequence[bytes]],
        metrics: Metrics,
    ) -> None:
        self._directory = directory
        self._recent = recent
        self._exchange = exchange
        self._connected = connected
        self._metrics = metrics
        self._looks: dict[tuple[int, Roots], asyncio.Task[str]] = {}

    async def stop(self) -> None:
        for task in self._looks.values():
            task.cancel()
        await asyncio.gather(*self._looks.values(), return_exceptions=True)

    def notice(self, height: int, roots: Roots, peer: bytes) -> None:
        """A peer's header carries other results for a block of ours."""
        self._look(height, roots, peer)

    async def noticed(self, height: int) -> str:
        """What notices about this height came to, in one sentence; empty when there were none."""
        looks = [look for (looked, _), look in self._looks.items() if looked == height]
        return "; ".join(await asyncio.gather(*looks))

    async def explain(self, height: int, roots: Roots) -> str:
        """What differs, in one sentence; waits for peers a few seconds at most. roots: those a quorum signed."""
        return await self._look(height, roots, None)

    def _look(self, height: int, roots: Roots, peer: bytes | None) -> asyncio.Task[str]:
        found = self._looks.get((height, roots))
        if found is None:
            while len(self._looks) >= FILES_MAX:
                self._looks.pop(next(iter(self._looks))).cancel()
            found = self._looks[height, roots] = asyncio.create_task(
                self._compare(height, roots, peer), name=f"difference {height}"
            )
            self._metrics.results_differ.inc()
        return found

    async def _compare(self, height: int, roots: Roots, peer: bytes | None) -> str:
        try:
            own = await asyncio.to_thread(self._recent.of, height)
            if own is None:
                return "what this node came to is not kept any more"
            asked = list(dict.fromkeys([*([] if peer is None else [peer]), *self._connected()]))[:PEERS_ASKED_MAX]
            for candidate in asked:
                other = await self._exchange.ask(candidate, height, ANSWER_S)
                if other is None or (other.receipts_root, other.state_root) != roots:
                    continue
                if other.receipts and await asyncio.to_thread(block_root, other.receipts) != roots[0]:
                    continue  # receipts of something else
                document = await asyncio.to_thread(
                    compare, own, other, lambda index: self._recent.tx(height, index), candidate
                )
                path = await asyncio.to_thread(self._save, height, document)
                sentence = f"{summary(document)}; both write sets: {path} (hnnode plugin diff {path})"
                log.error("results differ", height=height, peer=candidate.hex(), difference=sentence)
                return sentence
            return "no peer told its results in time"
        except OSError as e:
            return f"the difference could not be kept: {e}"

    def _save(self, height: int, document: Json) -> Path:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._directory / f"{height}.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")
        os.replace(partial, path)
        kept = sorted(self._directory.glob("*.json"), key=lambda each: each.stat().st_mtime)
        for old in kept[:-FILES_MAX]:
            old.unlink(missing_ok=True)
        return path


FIELDS = ("code", "rule", "steps", "events", "write_set_digest")
_DUE = state_key(SYSTEM, b"")


def compare(own: BlockResults, other: BlockResults, tx_of: Callable[[int], bytes | None], peer: bytes) -> Json:
    """What two nodes' results of one block have different, as it is kept in a file."""
    differing = [
        index
        for index in range(max(len(own.receipts), len(other.receipts)))
        if _at(own.receipts, index) != _at(other.receipts, index)
    ]
    known = other.receipts != ()
    mine, theirs = dict(own.writes or ()), dict(other.writes or ())
    keys = sorted(mine.keys() | theirs.keys()) if other.writes is not None else []
    changed = [key for key in keys if (key in mine, mine.get(key)) != (key in theirs, theirs.get(key))]
    return {
        "height": own.height,
        "peer": peer.hex(),
        "own": _roots(own),
        "other": _roots(other),
        "other_receipts_known": known,
        "other_writes_known": other.writes is not None,
        "transaction_count": len(differing) if known else None,
        "transactions": [
            _transaction(index, tx_of(index), _at(own.receipts, index), _at(other.receipts, index))
            for index in (differing[:LISTED_MAX] if known else ())
        ],
        "due": [_due(key, mine, theirs) for key in changed if key.startswith(_DUE)][:LISTED_MAX],
        "key_count": len(changed) if other.writes is not None else None,
        "keys": [_key(key, mine, theirs) for key in changed[:LISTED_MAX]],
        "write_sets": {"own": _listed(own.writes), "other": _listed(other.writes)},
    }


def summary(document: Json) -> str:
    """The first difference of a kept document in one sentence."""
    if not document["other_receipts_known"]:
        return "the peer's receipts do not fit a frame"
    if not document["transactions"] and document.get("due"):
        first = document["due"][0]
        fields = [name for name in FIELDS if _facts(first, name)]
        return (
            f"all receipts of transactions are equal, due work is not: item {first['number']} of the block, of "
            f"{first['application']}, different in {', '.join(fields) or 'its presence'}"
        )
    if not document["transactions"]:
        return "all receipts are equal, the state is not: the stored data or the state tree of one node are damaged"
    first = document["transactions"][0]
    fields = [name for name in FIELDS if _facts(first, name)]
    return (
        f"first of {document['transaction_count']}: transaction {first['index']} ({first['tx_id']}) of "
        f"{first['application']}.{first['action']}, different in {', '.join(fields) or 'its presence'}"
    )


def _due(key: bytes, mine: dict[bytes, bytes | None], theirs: dict[bytes, bytes | None]) -> Json:
    """An item of due work by its row: `name8 application ‖ receipt`."""
    own, other = mine.get(key) or b"", theirs.get(key) or b""
    named = own or other
    return {
        "number": int.from_bytes(key[-4:], "big"),
        "application": named[1 : 1 + named[0]].decode("ascii", "backslashreplace") if named else "",
        "own": _receipt(own[1 + own[0] :] if own else None),
        "other": _receipt(other[1 + other[0] :] if other else None),
    }


def _facts(transaction: Json, name: str) -> bool:
    own, other = transaction["own"], transaction["other"]
    return own is not None and other is not None and own[name] != other[name]


def _at(receipts: Sequence[bytes], index: int) -> bytes | None:
    return receipts[index] if index < len(receipts) else None


def _roots(results: BlockResults) -> Json:
    return {"receipts_root": results.receipts_root.hex(), "state_root": results.state_root.hex()}


def _transaction(index: int, tx: bytes | None, own: bytes | None, other: bytes | None) -> Json:
    decoded = None if tx is None else Tx.decode(tx)
    return {
        "index": index,
        "tx_id": "" if decoded is None else decoded.tx_id.hex(),
        "application": "" if decoded is None else decoded.application,
        "action": "" if decoded is None else decoded.action,
        "own": _receipt(own),
        "other": _receipt(other),
    }


def _receipt(data: bytes | None) -> Json | None:
    if data is None:
        return None
    try:
        receipt = Receipt.decode(data)
        name = name_of(receipt.code)
    except (NativeError, KeyError):  # a claim of a peer
        return None
    return {
        "code": receipt.code,
        "name": name,
        "rule": receipt.rule,
        "steps": receipt.steps,
        "write_set_digest": receipt.write_set_digest.hex(),
        "events": [[kind, entity, value.decode("utf-8", "backslashreplace")] for kind, entity, value in receipt.events],
    }


def _key(key: bytes, mine: dict[bytes, bytes | None], theirs: dict[bytes, bytes | None]) -> Json:
    """`own` and `other`: the value in hexadecimal, null = deleted; a side that did not write the key lacks its field."""
    length = key[0] if key else 0
    shown: Json = {
        "application": key[1 : 1 + length].decode("ascii", "backslashreplace"),
        "key": key[1 + length :].hex(),
    }
    for name, side in (("own", mine), ("other", theirs)):
        if key in side:
            value = side[key]
            shown[name] = None if value is None else value.hex()
    return shown


def _listed(writes: tuple[StateWrite, ...] | None) -> list[list[str | None]] | None:
    return None if writes is None else [[k.hex(), None if v is None else v.hex()] for k, v in writes]
