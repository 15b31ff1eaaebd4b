"""What every application of the node's environment keeps to, whatever it does: its workload gives the same results anywhere."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hnnode_native import tagged_hash

from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.execution.reader import StateBlockReader
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.testing import LocalChain, run_workload

DUMP = """
import hashlib, importlib, sys
from pathlib import Path
from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.plugin_api.testing import LocalChain
name, flavour = sys.argv[1:]
module = importlib.import_module(f"hn_{name}")
plugin = Plugin(name, "1", module.plugin, Path(module.__file__).parent)
host = Host([plugin], [], lambda tag, data: hashlib.sha256(data).digest())
work = host.workload(name, 5, flavour)
chain = LocalChain(host, name)
accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
digest = hashlib.sha256()
for wave in work.waves(accounts, 120):
    for outcome in chain.block([(accounts[item.actor], item.action, item.payload) for item in wave]):
        assert outcome.ok, outcome
        digest.update(repr((outcome.code, outcome.steps, outcome.writes, outcome.events)).encode())
print(digest.hexdigest(), hashlib.sha256(repr(sorted(chain.state.dump().items())).encode()).hexdigest())
"""


@pytest.mark.parametrize(("name", "flavour"), [("coldchain", "chain"), ("medical", ""), ("realestate", "chain")])
def test_results_do_not_depend_on_hash_seed_time_zone_or_locale(name: str, flavour: str) -> None:
    seen = set()
    for hash_seed, zone, locale in (("0", "UTC", "C"), ("7", "Asia/Shanghai", "C.UTF-8")):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "LC_ALL": locale}
        env["PYTHONPATH"] = os.pathsep.join(str(Path(path)) for path in sys.path if path)
        command = [sys.executable, "-c", DUMP, name, flavour]
        made = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
        seen.add(made.stdout)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("name", "flavour", "single_reads_max"),
    [("coldchain", "mix", 0), ("coldchain", "chain", 0), ("medical", "trace", 20), ("realestate", "mix", 0)],
)
def test_a_plugin_of_its_own_process_leaves_the_same_and_asks_for_rows_together(
    name: str, flavour: str, single_reads_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"hn_{name}")
    package = Path(str(module.__file__)).parent
    digest = code_hash(package, tagged_hash)
    source = PluginSource(name, "0.1.0", f"hn_{name}:plugin", package.parent, package, digest, False, True)
    within = Host([Plugin(name, "0.1.0", module.plugin, package)], [], tagged_hash)
    apart = Host([source], [], tagged_hash)
    asked: list[bytes] = []
    read = StateBlockReader.get
    monkeypatch.setattr(StateBlockReader, "get", lambda self, key: (asked.append(key), read(self, key))[1])
    dumps = []
    try:
        for host in (within, apart):
            chain = LocalChain(host, name)
            run_workload(chain, within.workload(name, 9, flavour), 200, 1)
            dumps.append(chain.state.dump())
    finally:
        apart.close()
    assert dumps[0] == dumps[1]
    assert len(asked) <= single_reads_max
