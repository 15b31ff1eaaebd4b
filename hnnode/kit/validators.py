"""The nodes of a chain of several: each has a state and a plugin of its own, proposes and judges blocks by its own results,
executes what was agreed on, and must come to the same as the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hnnode_native import (
    Batch,
    Expected,
    Receipt,
    SecretKey,
    Value,
    build_value,
    check_value,
    check_value_batches,
)

from hnnode.errors import name_of
from hnnode.kit.ordering import Ordering, Stalled
from hnnode.kit.replica import CHAIN_ID, Executed, Replica
from hnnode.ports import Tip

BLOCK_BYTES_MAX = 1 << 28
KEPT_HEIGHTS = 8
"""Heights whose results are kept for a node that was down."""


class Diverged(AssertionError):
    """Two nodes executed the same block and came to different results: the plugin is not deterministic."""


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What the first node that executed a block came to."""

    node: int
    executed: Executed
    state_root: bytes


class Validators:
    """Nodes with the consensus between them.

    Args:
        seed: of the network; see `Ordering`.
    """

    def __init__(self, replicas: Sequence[Replica], keys: Sequence[SecretKey], tx_count_max: int, seed: int) -> None:
        self.seed = seed
        self._replicas = replicas
        self._keys = keys
        self._tx_count_max = tx_count_max
        self._networks = 0
        self._blocks: dict[int, tuple[Sequence[Batch], int]] = {}
        self._agreed: dict[int, _Agreed] = {}
        self._begin(Tip(0, CHAIN_ID, 0, bytes(32), bytes(32), bytes(32)))

    def _begin(self, tip: Tip) -> None:
        """From this block on: new engines, on a network that goes on with the seed."""
        self._tips = [tip] * len(self._keys)
        self._seqs: list[dict[bytes, int]] = [{} for _ in self._keys]
        self._plugins = [replica.host.plugins_hash() for replica in self._replicas]
        self._blocks, self._agreed = {}, {}
        self.ordering = Ordering(CHAIN_ID, self._keys, tip.height, self.seed + (self._networks << 32), self)
        self._networks += 1

    def restored(self, height: int, time_ms: int, root: bytes) -> None:
        """The states are those of another height now."""
        self._begin(Tip(height, root, time_ms, bytes(32), bytes(32), bytes(32)))

    def agree(self, height: int, time_ms: int, batches: Sequence[Batch]) -> Executed:
        """Have a block of these batches agreed on, and executed by every node that is up.

        Raises: Diverged, Stalled.
        """
        self._blocks[height] = batches, time_ms
        try:
            self.ordering.agree(height)
        except (Diverged, Stalled) as e:
            raise type(e)(f"{e} (network seed {self.seed})") from e
        for kept in (self._blocks, self._agreed):
            kept.pop(height - KEPT_HEIGHTS, None)
        return self._agreed[height].executed

    # ---------------------------------------------------------------- what the engines ask
    def propose(self, node: int, height: int) -> bytes:
        batches, time_ms = self._blocks[height]
        tip, own = self._tips[node], self.ordering.validators.hash
        return build_value(
            CHAIN_ID, height, time_ms, self._keys[node].account(), tip.block_hash, own, own, self._plugins[node],
            tip.receipts_root, self._replicas[node].state.root(), tip.outbox_root, batches,
        )  # fmt: skip

    def judge(self, node: int, height: int, value: bytes) -> bool:
        self._check(node, height, value)
        return True

    def _check(self, node: int, height: int, value: bytes) -> None:
        """Against what this node knows and came to. Raises: Diverged."""
        batches, _ = self._blocks[height]
        tip, own = self._tips[node], self.ordering.validators.hash
        expected = Expected(
            CHAIN_ID, height, None, tip.block_hash, tip.time_ms, None, 0, own, own, self._plugins[node],
            tip.receipts_root, self._replicas[node].state.root(), tip.outbox_root, BLOCK_BYTES_MAX, self._tx_count_max,
        )  # fmt: skip
        code, _ = check_value(value, expected)
        code = code or check_value_batches(
            value,
            expected,
            batches,
            self.ordering.validators,
            self._replicas[node].records,
            list(self._seqs[node].items()),
        )
        if code:
            raise Diverged(f"node {node} refuses the block of height {height}: {name_of(code)}")

    def decided(self, node: int, value: bytes) -> bytes:
        decoded = Value.decode(value)
        header = decoded.header
        height = header.height
        self._check(node, height, value)
        batches, _ = self._blocks[height]
        replica = self._replicas[node]
        executed = replica.execute(batches, height, header.time_ms, header.proposer)
        replica.commit(executed)
        result = executed.result
        self._seqs[node].update((author, seq) for _, author, seq in decoded.batches)
        root = replica.state.root()
        tip = Tip(height, decoded.block_hash, header.time_ms, result.receipts_root, root, result.outbox_root)
        self._tips[node] = tip
        first = self._agreed.setdefault(height, _Agreed(node, executed, root))
        if first.executed.result.receipts != result.receipts or first.state_root != root:
            raise Diverged(_difference(first, node, executed, height))
        return header.proposer

    def restarted(self, node: int) -> None:
        self._replicas[node].restart()
        self._plugins[node] = self._replicas[node].host.plugins_hash()


def _difference(first: _Agreed, node: int, other: Executed, height: int) -> str:
    receipts = zip(first.executed.result.receipts, other.result.receipts, strict=True)
    for index, (mine, theirs) in enumerate(receipts):
        if mine != theirs:
            a, b = Receipt.decode(mine), Receipt.decode(theirs)
            return (
                f"transaction {a.tx_id.hex()} (height={height}, index={index}): node {first.node} got code {a.code}"
                f" {a.rule} with {a.steps} steps and writes {a.write_set_digest.hex()[:16]}, node {node} got code {b.code}"
                f" {b.rule} with {b.steps} steps and writes {b.write_set_digest.hex()[:16]}"
            )
    return f"state roots of node {first.node} and node {node} differ (height={height})"
