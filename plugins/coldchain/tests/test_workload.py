"""The benchmark's transactions all succeed, in any order within a wave, and the same on every run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from hnnode.errors import ConfigError
from hnnode.plugin_api.testing import LocalChain, run_workload


def run(host: Any, flavour: str, count: int, seed: int, shuffle: int, chain: LocalChain | None = None) -> Counter[str]:
    return run_workload(
        chain or LocalChain(host, "coldchain"), host.workload("coldchain", seed, flavour), count, shuffle
    )


@pytest.mark.parametrize("flavour", ["", "mix", "declare", "chain"])
def test_every_transaction_succeeds_in_any_order_within_a_wave(host: Any, flavour: str) -> None:
    for shuffle in range(3):
        run(host, flavour, 120, 9, shuffle)


def test_the_mix_has_the_shares_of_a_working_day(host: Any) -> None:
    work = host.workload("coldchain", 3, "")
    chain = LocalChain(host, "coldchain")
    accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    names = [item.action for wave in work.waves(accounts, 640) for item in wave]
    share = {name: 100 * names.count(name) // len(names) for name in set(names)}
    assert len(names) == 640
    assert sum(share[name] for name in ("ship_out", "confirm_in", "sell", "split")) in range(55, 67)
    assert share["commit_temperatures"] == 25


def test_one_request_in_ten_is_a_trace_query_and_has_its_answer_ever_after(host: Any) -> None:
    work = host.workload("coldchain", 3, "")
    assert (work.flavour, work.query_percent) == ("mix", 10)
    chain = LocalChain(host, "coldchain")
    accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    questions = []
    for wave in work.waves(accounts, 130):
        assert all(outcome.ok for outcome in chain.block([(accounts[i.actor], i.action, i.payload) for i in wave]))
        questions += [question for item in wave if (question := work.question(item)) is not None]
        for question in questions:
            answer = chain.query(question.query, **msgspec.json.decode(question.arguments))
            assert question.is_answered_by(answer), (question, answer)
    asked = {question.query for question in questions}
    assert asked == {"scan", "trace_back", "trace_forward", "holders", "batch"}
    assert all(host.workload("coldchain", 3, name).query_percent == 0 for name in ("chain", "declare"))


def test_two_seeds_share_a_chain(host: Any) -> None:
    chain = LocalChain(host, "coldchain")
    for seed in (1, 2):
        run(host, "chain", 60, seed, 0, chain)


def test_unknown_flavour_is_refused(host: Any) -> None:
    with pytest.raises(ConfigError):
        host.workload("coldchain", 1, "odd")
