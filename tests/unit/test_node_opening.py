"""What a node that starts makes of its tip."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hnnode_native import build_value

from hnnode.node.opening import has_open_results
from hnnode.ports import Tip


def test_a_block_that_changed_the_state_has_results_to_certify_also_without_transactions() -> None:
    zero, before, after = bytes(32), b"\1" * 32, b"\2" * 32
    value = build_value(zero, 3, 7, bytes(20), zero, zero, zero, zero, zero, before, zero, [])
    for root, tx_count, want in ((before, 0, False), (after, 0, True), (before, 1, True)):
        block: Any = SimpleNamespace(tx_count=tx_count, value=value)
        assert has_open_results(Tip(3, zero, 7, zero, root, zero), block) is want
    assert not has_open_results(Tip(0, zero, 7, zero, after, zero), None)
