"""The pilots as vendors would ship them: packed, signed, installed, counted in a locked process. Every result is that of
the same code as plain Python in the node.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hnnode_native import native_actions, tagged_hash

from hnnode.config import ExecutionConfig
from hnnode.execution import Host
from hnnode.execution.governance_records import Code
from hnnode.execution.loading import forget
from hnnode.execution.source import PluginSource
from hnnode.governance import PluginSources, PluginStore
from hnnode.governance.voting import check_code
from hnnode.kit.chain import Chain
from hnnode.kit.project import Project
from hnnode.kit.ticks import ticks_of_actions
from hnnode.packaging import build_package, read_package, save_trust, sign, write_package
from hnnode.plugin_api.limits import BLOCK_TICKS_MAX
from tests.kit.plugin_packages import OPERATOR, TRUST, VENDOR

PLUGINS = Path(__file__).parents[2] / "plugins"
PILOTS = ("coldchain", "medical", "realestate")
HEADROOM = 4
BLOCK_TXS = 2_000
"""More than the largest blocks that the benchmarks of a chain see."""


@pytest.fixture(scope="module", params=PILOTS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    opened = Project.open(PLUGINS / request.param).counted(tmp_path_factory.mktemp("counted"))
    name = opened.package.name
    before = {key: module for key, module in sys.modules.items() if key == name or key.startswith(f"{name}.")}
    yield opened
    forget(name)
    sys.modules.update(before)


def shipped(project: Project, home: Path) -> PluginSource:
    """The code in the store of a home, which took it as a signed wheel."""
    made = build_package(project.root)
    made = made.signed(sign(made.manifest, made.code_hash, "vendor", VENDOR))
    made = made.signed(sign(made.manifest, made.code_hash, "operator", OPERATOR))
    store = PluginStore(home)
    save_trust(store.trust, TRUST)
    package = read_package(write_package(made, home / "dist"), TRUST)
    assert store.install(package)
    source = store.source(project.name, package.code_hash, isolated=True)
    assert source is not None
    return source


def test_counted_apart_and_plain_inside_agree_on_receipts_and_roots(project: Project, tmp_path: Path) -> None:
    source = shipped(project, tmp_path)
    assert source.metered
    inside = Host([replace(project.source(), metered=False)], native_actions(), tagged_hash)
    with closing(Host([source], native_actions(), tagged_hash, ExecutionConfig())) as apart:
        assert inside.plugins_hash() == apart.plugins_hash()
        first = iter([inside])
        chain = Chain(lambda: next(first, apart), project.name, nodes=2)
        assert chain.run_workload(1, 240, "mix", per_block=120) == []
        assert apart.troubles() == []


def test_a_validator_may_vote_for_the_package(project: Project, tmp_path: Path) -> None:
    source, plugin = shipped(project, tmp_path), project.manifest.plugin
    code = Code(plugin.version, plugin.api_version, plugin.state_version, source.code_hash.hex())
    check_code(project.name, code, None, PluginSources(PluginStore(tmp_path)))


def test_a_home_may_be_named_from_where_one_stands(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the locked process asked for its working directory, and was gone with the vote."""
    monkeypatch.chdir(tmp_path)
    source = shipped(project, Path())
    with closing(Host([source], native_actions(), tagged_hash, ExecutionConfig())) as apart:
        assert project.name in apart.applications


def test_the_count_leaves_room(project: Project) -> None:
    """For each action, and for a block of nothing but the most expensive one."""
    with closing(project.host()) as host:
        found = ticks_of_actions(host, project.name, "mix", count=100, samples=2)
    assert min(each.headroom for each in found) >= HEADROOM
    assert max(each.median for each in found) * BLOCK_TXS * HEADROOM <= BLOCK_TICKS_MAX
