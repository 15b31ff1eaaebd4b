"""The proposer order is a function of committed headers alone, and a dead proposer costs one height a cycle."""

from __future__ import annotations

from hnnode_native import SecretKey, ValidatorSet, proposer
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.consensus.order import CYCLE, ProposerOrder

SET = ValidatorSet(0, [(SecretKey.generate(bytes([i]) * 32).public_key(), 1) for i in range(1, 5)])
ACCOUNTS = [account for account, _, _ in SET.validators]


def run(dead: set[bytes], heights: int) -> tuple[dict[int, bytes], list[int]]:
    """A chain in which the dead never propose: header proposers by height, and the heights that needed a second round."""
    order, headers, slow = ProposerOrder(SET), {}, []
    for height in range(1, heights + 1):
        demoted = order.demoted(height)
        round_ = next(r for r in range(len(ACCOUNTS)) if proposer(height, r, SET, demoted) not in dead)
        headers[height] = proposer(height, round_, SET, demoted)
        if round_:
            slow.append(height)
        order.note(height, headers[height])
    return headers, slow


def test_everybody_proposes_when_nobody_is_dead() -> None:
    headers, slow = run(set(), 2 * CYCLE)
    assert not slow
    assert {account: list(headers.values()).count(account) for account in ACCOUNTS} == dict.fromkeys(
        ACCOUNTS, CYCLE // 2
    )


def test_dead_proposer_costs_about_one_height_a_cycle() -> None:
    for dead in ACCOUNTS:
        _, slow = run({dead}, 4 * CYCLE)
        cycles = [height // CYCLE for height in slow]
        assert max(cycles.count(c) for c in set(cycles)) == 1
        assert len(slow) <= 5


def test_returned_proposer_is_asked_again_in_the_next_cycle() -> None:
    order = ProposerOrder(SET)
    dead = ACCOUNTS[2]
    for height in range(1, CYCLE):
        first = proposer(height, 0, SET, order.demoted(height))
        order.note(height, first if first != dead else proposer(height, 1, SET, order.demoted(height)))
    assert order.demoted(CYCLE - 1) == [dead]
    assert order.demoted(CYCLE) == []


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(ACCOUNTS), max_size=1), st.integers(1, 3 * CYCLE))
def test_restarted_node_knows_the_same_order(dead: set[bytes], stop: int) -> None:
    headers, _ = run(dead, stop)
    whole = ProposerOrder(SET)
    for height, account in headers.items():
        whole.note(height, account)
    restarted = ProposerOrder(SET)
    for height in range(max(1, restarted.cycle_start(stop)), stop + 1):
        restarted.note(height, headers[height])
    assert restarted.demoted(stop + 1) == whole.demoted(stop + 1)
