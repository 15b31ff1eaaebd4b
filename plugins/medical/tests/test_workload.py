"""The benchmark's transactions all succeed, in any order within a wave, and the same on every run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import hn_medical
import msgspec
import pytest
from hnnode_native import tagged_hash

from hnnode.errors import ConfigError
from hnnode.execution import Host
from hnnode.execution.reader import StateBlockReader
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.testing import LocalChain

FLAVOURS = ("", "mix", "chain", "declare", "trace", "recognition")
DUMP = """
import hashlib, sys
from pathlib import Path
import hn_medical
from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.plugin_api.testing import LocalChain
plugin = Plugin("medical", "1", hn_medical.plugin, Path(hn_medical.__file__).parent)
host = Host([plugin], [], lambda tag, data: hashlib.sha256(data).digest())
work = host.workload("medical", 5, "")
chain = LocalChain(host, "medical")
accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
digest = hashlib.sha256()
for wave in work.waves(accounts, 120):
    for outcome in chain.block([(accounts[item.actor], item.action, item.payload) for item in wave]):
        digest.update(repr((outcome.code, outcome.steps, outcome.writes, outcome.events)).encode())
print(digest.hexdigest(), hashlib.sha256(repr(sorted(chain.state.dump().items())).encode()).hexdigest())
"""


def run(
    host: Any, flavour: str, count: int, seed: int, shuffle: int, chain: LocalChain | None = None
) -> tuple[LocalChain, Counter[str]]:
    work = host.workload("medical", seed, flavour)
    chain = chain or LocalChain(host, "medical")
    accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    rng = random.Random(shuffle)
    actions: Counter[str] = Counter()
    for wave in work.waves(accounts, count):
        items = [(accounts[item.actor], item.action, item.payload) for item in wave]
        actions.update(item.action for item in wave)
        rng.shuffle(items)
        size = rng.randrange(1, len(items) + 1)
        for start in range(0, len(items), size):
            outcomes = chain.block(items[start : start + size])
            assert all(outcome.ok for outcome in outcomes), [(o.code, o.rule) for o in outcomes if not o.ok]
    assert actions.total() >= count
    assert work.violations(chain.view()) == []
    return chain, actions


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_transaction_succeeds_in_any_order_within_a_wave(host: Any, flavour: str) -> None:
    for shuffle in range(2):
        run(host, flavour, 150, 9, shuffle)


def test_the_mixes_are_those_of_the_domain(host: Any) -> None:
    _, trace = run(host, "trace", 2_000, 3, 0)
    share = host.workload("medical", 3, "trace").query_percent / 100
    total = trace.total() / (1 - share)
    scans = trace["ship"] + trace["receive"] + trace["dispense"] + trace["settle"]
    assert share == pytest.approx(0.15)
    assert abs(scans / total - 0.70) < 0.02
    assert abs(trace["aggregate"] / total - 0.15) < 0.01
    _, reports = run(host, "recognition", 2_000, 3, 0)
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
    chain, _ = run(host, "", 60, 1, 0)
    run(host, "", 60, 2, 0, chain)


def test_unknown_flavour_is_refused(host: Any) -> None:
    with pytest.raises(ConfigError):
        host.workload("medical", 1, "odd")


def test_results_do_not_depend_on_hash_seed_time_zone_or_locale() -> None:
    seen = set()
    for hash_seed, zone, locale in (("0", "UTC", "C"), ("7", "Asia/Shanghai", "C.UTF-8")):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "LC_ALL": locale}
        env["PYTHONPATH"] = os.pathsep.join([*map(str, map(Path, filter(None, sys.path)))])
        made = subprocess.run(
            [sys.executable, "-c", DUMP], env=env, capture_output=True, text=True, check=True, timeout=60
        )
        seen.add(made.stdout)
    assert len(seen) == 1


@pytest.mark.parametrize("flavour", ["trace"])
def test_a_plugin_of_its_own_process_leaves_the_same_and_asks_for_rows_together(
    host: Any, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(hn_medical.__file__).parent
    digest = code_hash(package, tagged_hash)
    source = PluginSource("medical", "0.1.0", "hn_medical:plugin", package.parent, package, digest, False, True)
    apart = Host([source], [], tagged_hash)
    asked, read = [], StateBlockReader.get
    monkeypatch.setattr(StateBlockReader, "get", lambda self, key: (asked.append(key), read(self, key))[1])
    try:
        inside = run(host, flavour, 200, 9, 1)[0]
        isolated = run(host, flavour, 200, 9, 1, LocalChain(apart, "medical"))[0]
    finally:
        apart.close()
    assert isolated.state.dump() == inside.state.dump()
    assert len(asked) <= 20
