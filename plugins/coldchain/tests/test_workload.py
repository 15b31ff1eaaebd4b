"""The benchmark's transactions all succeed, in any order within a wave, and the same on every run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import hn_coldchain
import msgspec
import pytest
from hnnode_native import tagged_hash

from hnnode.errors import ConfigError
from hnnode.execution import Host
from hnnode.execution.reader import StateBlockReader
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.testing import LocalChain

DUMP = """
import hashlib, sys
from pathlib import Path
import hn_coldchain
from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.plugin_api.testing import LocalChain
plugin = Plugin("coldchain", "1", hn_coldchain.plugin, Path(hn_coldchain.__file__).parent)
host = Host([plugin], [], lambda tag, data: hashlib.sha256(data).digest())
work = host.workload("coldchain", 5, "chain")
chain = LocalChain(host, "coldchain")
accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
digest = hashlib.sha256()
for wave in work.waves(accounts, 120):
    for outcome in chain.block([(accounts[item.actor], item.action, item.payload) for item in wave]):
        digest.update(repr((outcome.code, outcome.steps, outcome.writes, outcome.events)).encode())
print(digest.hexdigest(), hashlib.sha256(repr(sorted(chain.state.dump().items())).encode()).hexdigest())
"""


def run(host: Any, flavour: str, count: int, seed: int, shuffle: int, chain: LocalChain | None = None) -> LocalChain:
    work = host.workload("coldchain", seed, flavour)
    chain = chain or LocalChain(host, "coldchain")
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
    chain = run(host, "chain", 60, 1, 0)
    run(host, "chain", 60, 2, 0, chain)


def test_unknown_flavour_is_refused(host: Any) -> None:
    with pytest.raises(ConfigError):
        host.workload("coldchain", 1, "odd")


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


@pytest.mark.parametrize("flavour", ["mix", "chain"])
def test_a_plugin_of_its_own_process_leaves_the_same_and_asks_for_rows_together(
    host: Any, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(hn_coldchain.__file__).parent
    digest = code_hash(package, tagged_hash)
    source = PluginSource("coldchain", "0.1.0", "hn_coldchain:plugin", package.parent, package, digest, False, True)
    apart = Host([source], [], tagged_hash)
    asked, read = [], StateBlockReader.get
    monkeypatch.setattr(StateBlockReader, "get", lambda self, key: (asked.append(key), read(self, key))[1])
    try:
        inside = run(host, flavour, 200, 9, 1)
        isolated = run(host, flavour, 200, 9, 1, LocalChain(apart, "coldchain"))
    finally:
        apart.close()
    assert isolated.state.dump() == inside.state.dump()
    assert len(asked) <= 0
