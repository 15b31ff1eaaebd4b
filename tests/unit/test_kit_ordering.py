"""Chains of several nodes: consensus orders the blocks whatever the network does, and a seed does the same again."""

from __future__ import annotations

from pathlib import Path

import hn_coldchain
import pytest
from hnnode_native import SecretKey, native_actions, tagged_hash

from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.kit import ordering
from hnnode.kit.chain import Chain
from hnnode.kit.ordering import Stalled
from hnnode.kit.validators import Diverged


@pytest.fixture(scope="module")
def cold() -> Host:
    plugin = Plugin("coldchain", "0.1.0", hn_coldchain.plugin, Path(hn_coldchain.__file__).parent)
    return Host([plugin], native_actions(), tagged_hash)


def run(host: Host, nodes: int, seed: int, txs: int = 60) -> Chain:
    chain = Chain(lambda: host, "coldchain", nodes=nodes, seed=seed)
    assert chain.run_workload(2, txs, "chain", per_block=4) == []
    return chain


def facts(chain: Chain) -> tuple[int, int, int]:
    assert chain._network is not None
    found = chain._network.ordering
    return found.messages, found.outages, found._now_us


@pytest.mark.parametrize(("nodes", "seeds"), [(2, 3), (3, 3), (4, 8)])
def test_every_network_comes_to_the_roots_of_one_node(cold: Host, nodes: int, seeds: int) -> None:
    alone, outages, messages = run(cold, 1, 0), 0, set()
    for seed in range(seeds):
        chain = run(cold, nodes, seed)
        assert chain._network is not None
        chain._network.ordering.all_up()
        assert {(replica.state.height, replica.state.root()) for replica in chain.replicas} == {
            (alone.height, alone.root)
        }
        sent, down, _ = facts(chain)
        outages += down
        messages.add(sent)
    assert outages >= seeds, "the seeds are meant to try outages"
    assert len(messages) > 1


def test_a_seed_does_the_same_again_and_another_one_does_not(cold: Host) -> None:
    assert facts(run(cold, 4, 5)) == facts(run(cold, 4, 5)) != facts(run(cold, 4, 6))


def test_accounts_and_snapshots_while_a_node_is_down(cold: Host) -> None:
    """What is planted meanwhile must be in its state when it comes back, at the same height."""
    for seed in range(6):
        chain = Chain(lambda: cold, "coldchain", nodes=4, seed=seed)
        chain.run_workload(1, 20, "chain", per_block=4)
        taken = chain.snapshot()
        for n in range(6):
            chain.account(f"late {n}").attempt("unheard_of", {})
        chain.restore(taken)
        assert chain.run_workload(3, 20, "chain", per_block=4) == []


def test_no_agreement_is_told_with_the_seed(cold: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "LOST", 1.0)
    monkeypatch.setattr(ordering, "EVENTS_MAX", 300)
    with pytest.raises(Stalled, match=r"no agreement on height 1: \[0\].*\(network seed 9\)"):
        run(cold, 4, 9)


def test_a_state_that_differs_is_refused_in_the_vote(cold: Host) -> None:
    """Also one that no transaction showed."""
    chain = Chain(lambda: cold, "coldchain", nodes=4, seed=1)
    someone = chain.account("someone")
    key = SecretKey.generate(b"k" * 32)
    chain.replicas[0].register(key.account(), key.public_key(), "nobody", ())
    with pytest.raises(Diverged, match=r"HEADER_RESULTS|state roots of node \d and node \d differ"):
        someone.attempt("unheard_of", {})
