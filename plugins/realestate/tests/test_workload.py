"""The benchmark's transactions all succeed, in any order within a wave, and the same on every run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hn_realestate.workload import STEPS, RealestateWorkload

from hnnode.errors import ConfigError
from hnnode.plugin_api import ids
from hnnode.plugin_api.testing import LocalChain, run_workload


def run(host: Any, flavour: str, count: int, seed: int, shuffle: int, chain: LocalChain | None = None) -> Counter[str]:
    return run_workload(
        chain or LocalChain(host, "realestate"), host.workload("realestate", seed, flavour), count, shuffle
    )


@pytest.mark.parametrize("flavour", ["", "chain", "mix", "declare"])
def test_every_transaction_succeeds_in_any_order_within_a_wave(host: Any, flavour: str) -> None:
    for shuffle in range(3):
        run(host, flavour, 150, 9, shuffle)


def test_two_seeds_share_a_chain(host: Any) -> None:
    chain = LocalChain(host, "realestate")
    for seed in (1, 2):
        run(host, "chain", 60, seed, 0, chain)


def test_the_mix_is_eight_attestations_five_steps_and_one_booking(host: Any) -> None:
    work = host.workload("realestate", 3, "mix")
    actions = Counter(item.action for wave in work.waves({}, 12 * STEPS) for item in wave)
    assert actions["dept_attest"] == 8 * actions["book"]
    steps = sum(actions[name] for name in ("submit", "attach_ref", "accept", "review", "issue_cert"))
    assert steps == 5 * actions["book"]
    assert sum(actions.values()) <= 12 * STEPS + 2


def test_with_its_queries_the_mix_is_that_of_an_office_and_each_has_its_answer_ever_after(host: Any) -> None:
    work = host.workload("realestate", 3, "")
    chain = LocalChain(host, "realestate")
    accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    questions, actions = [], Counter[str]()
    for wave in work.waves(accounts, 169):
        actions.update(item.action for item in wave)
        assert all(outcome.ok for outcome in chain.block([(accounts[i.actor], i.action, i.payload) for i in wave]))
        questions += [question for item in wave if (question := work.question(item)) is not None]
        for question in questions:
            answer = chain.query(question.query, **msgspec.json.decode(question.arguments))
            assert question.is_answered_by(answer), (question, answer)
    assert {question.query for question in questions} == {"case", "restricted", "material", "unit", "certificate"}
    assert (work.flavour, work.query_percent) == ("mix", 30)
    share = (1 - work.query_percent / 100) / actions.total()
    steps = sum(actions[name] for name in ("submit", "attach_ref", "accept", "review", "issue_cert"))
    assert abs(actions["dept_attest"] * share - 0.40) < 0.01
    assert abs(steps * share - 0.25) < 0.01
    assert abs(actions["book"] * share - 0.05) < 0.01
    assert all(host.workload("realestate", 3, name).query_percent == 0 for name in ("chain", "declare"))


def test_no_seed_makes_a_name_that_looks_like_a_person() -> None:
    for seed in range(300):
        work = RealestateWorkload(seed, "mix")
        for n in (0, 13_800_138, 99_999_999):
            assert ids.is_estate_unit(work.unit(n))
            assert not ids.looks_personal(work.case(n))
            assert not ids.looks_personal(work._certify(n).payload.decode().partition("certificate")[2])


def test_unknown_flavour_is_refused(host: Any) -> None:
    with pytest.raises(ConfigError):
        host.workload("realestate", 1, "odd")
