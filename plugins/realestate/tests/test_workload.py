"""The benchmark's transactions all succeed, in any order within a wave, and the same on every run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import hn_realestate
import msgspec
import pytest
from hn_realestate.workload import STEPS, RealestateWorkload
from hnnode_native import tagged_hash

from hnnode.errors import ConfigError
from hnnode.execution import Host
from hnnode.execution.reader import StateBlockReader
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api import ids
from hnnode.plugin_api.testing import LocalChain

DUMP = """
import hashlib, sys
from pathlib import Path
import hn_realestate
from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.plugin_api.testing import LocalChain
plugin = Plugin("realestate", "1", hn_realestate.plugin, Path(hn_realestate.__file__).parent)
host = Host([plugin], [], lambda tag, data: hashlib.sha256(data).digest())
work = host.workload("realestate", 5, "chain")
chain = LocalChain(host, "realestate")
accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
digest = hashlib.sha256()
for wave in work.waves(accounts, 120):
    for outcome in chain.block([(accounts[item.actor], item.action, item.payload) for item in wave]):
        digest.update(repr((outcome.code, outcome.steps, outcome.writes, outcome.events)).encode())
print(digest.hexdigest(), hashlib.sha256(repr(sorted(chain.state.dump().items())).encode()).hexdigest())
"""


def run(host: Any, flavour: str, count: int, seed: int, shuffle: int, chain: LocalChain | None = None) -> LocalChain:
    work = host.workload("realestate", seed, flavour)
    chain = chain or LocalChain(host, "realestate")
    accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    rng = random.Random(shuffle)
    total = 0
    for wave in work.waves(accounts, count):
        items = [(accounts[item.actor], item.action, item.payload) for item in wave]
        rng.shuffle(items)
        size = rng.randrange(1, len(items) + 1)
        for start in range(0, len(items), size):
            outcomes = chain.block(items[start : start + size])
            assert all(outcome.ok for outcome in outcomes), [(o.code, o.rule) for o in outcomes if not o.ok]
        total += len(items)
    assert total >= count
    assert work.violations(chain.view()) == []
    return chain


@pytest.mark.parametrize("flavour", ["", "chain", "mix", "declare"])
def test_every_transaction_succeeds_in_any_order_within_a_wave(host: Any, flavour: str) -> None:
    for shuffle in range(3):
        run(host, flavour, 150, 9, shuffle)


def test_two_seeds_share_a_chain(host: Any) -> None:
    chain = run(host, "chain", 60, 1, 0)
    run(host, "chain", 60, 2, 0, chain)


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


@pytest.mark.parametrize("flavour", ["mix"])
def test_a_plugin_of_its_own_process_leaves_the_same_and_asks_for_rows_together(
    host: Any, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(hn_realestate.__file__).parent
    digest = code_hash(package, tagged_hash)
    source = PluginSource("realestate", "0.1.0", "hn_realestate:plugin", package.parent, package, digest, False, True)
    apart = Host([source], [], tagged_hash)
    asked, read = [], StateBlockReader.get
    monkeypatch.setattr(StateBlockReader, "get", lambda self, key: (asked.append(key), read(self, key))[1])
    try:
        inside = run(host, flavour, 200, 9, 1)
        isolated = run(host, flavour, 200, 9, 1, LocalChain(apart, "realestate"))
    finally:
        apart.close()
    assert isolated.state.dump() == inside.state.dump()
    assert len(asked) <= 0
