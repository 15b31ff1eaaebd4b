"""The benchmark's transactions all succeed, in any order within a wave, and the same on every run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from hnnode.errors import ConfigError
from hnnode.plugin_api.testing import LocalChain, run_workload

FLAVOURS = ("", "mix", "chain", "declare", "trace", "recognition")


def run(host: Any, flavour: str, count: int, seed: int, shuffle: int, chain: LocalChain | None = None) -> Counter[str]:
    return run_workload(chain or LocalChain(host, "medical"), host.workload("medical", seed, flavour), count, shuffle)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_transaction_succeeds_in_any_order_within_a_wave(host: Any, flavour: str) -> None:
    for shuffle in range(2):
        run(host, flavour, 150, 9, shuffle)


def test_the_mixes_are_those_of_the_domain(host: Any) -> None:
    trace = run(host, "trace", 2_000, 3, 0)
    share = host.workload("medical", 3, "trace").query_percent / 100
    total = trace.total() / (1 - share)
    scans = trace["ship"] + trace["receive"] + trace["dispense"] + trace["settle"]
    assert share == pytest.approx(0.15)
    assert abs(scans / total - 0.70) < 0.02
    assert abs(trace["aggregate"] / total - 0.15) < 0.01
    reports = run(host, "recognition", 2_000, 3, 0)
    total = reports.total()
    looks = reports["access"] + reports["recognise"] + reports["decline"]
    assert abs(reports["register_index"] / total - 0.40) < 0.02
    assert abs(looks / total - 0.40) < 0.02
    assert abs((reports["grant"] + reports["bind_patient"]) / total - 0.20) < 0.02


def test_every_query_of_the_mix_has_its_answer_ever_after(host: Any) -> None:
    work = host.workload("medical", 3, "")
    chain = LocalChain(host, "medical")
    accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    questions = []
    for wave in work.waves(accounts, 300):
        assert all(outcome.ok for outcome in chain.block([(accounts[i.actor], i.action, i.payload) for i in wave]))
        questions += [question for item in wave if (question := work.question(item)) is not None]
        for question in questions:
            answer = chain.query(question.query, **msgspec.json.decode(question.arguments))
            assert question.is_answered_by(answer), (question, answer)
    assert {question.query for question in questions} == {"scan", "code", "recall_reach", "shipment", "batch"}
    half = 3 / 17 / 2  # as many transactions of the recognition, which nobody asks about
    assert (work.flavour, work.query_percent) == ("mix", round(100 * half / (1 + half)))
    assert all(host.workload("medical", 3, name).query_percent == 0 for name in ("chain", "recognition", "declare"))


def test_bindings_wait_for_nothing(host: Any) -> None:
    work = host.workload("medical", 4, "declare")
    accounts = {name: bytes(20) for name in work.actors}
    waves = list(work.waves(accounts, 50))
    assert [len(wave) for wave in waves] == [50]
    assert len({item.payload for item in waves[0]}) == 50


def test_two_seeds_share_a_chain(host: Any) -> None:
    chain = LocalChain(host, "medical")
    for seed in (1, 2):
        run(host, "", 60, seed, 0, chain)


def test_unknown_flavour_is_refused(host: Any) -> None:
    with pytest.raises(ConfigError):
        host.workload("medical", 1, "odd")
