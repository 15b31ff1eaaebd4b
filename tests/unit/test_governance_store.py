"""The store of plugins in a home, and how the code that a set names is found."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hnnode.cli.plugin_governance import proposed_code
from hnnode.errors import ConfigError
from hnnode.execution.governance_records import Code
from hnnode.governance import PluginSources, PluginStore
from tests.kit.plugin_packages import counter_package
from tests.kit.plugin_votes import code_of

HOSTILE = Path(__file__).parents[1] / "kit" / "hostile"


def test_packages_are_listed_by_version(tmp_path: Path) -> None:
    store = PluginStore(tmp_path / "home")
    for version in ("1.10.0", "2.0.0", "1.9.0"):
        store.install(counter_package(tmp_path, version))
    assert [each.version for each in store.list()] == ["1.9.0", "1.10.0", "2.0.0"]


def test_a_package_is_kept_whole_and_once(tmp_path: Path) -> None:
    package, newer = counter_package(tmp_path), counter_package(tmp_path, "2.0.0")
    store = PluginStore(tmp_path / "home")
    assert store.list() == []
    assert store.install(package)
    assert not store.install(package)
    assert store.install(newer)
    assert [(each.name, each.version, each.code_hash) for each in store.list()] == [
        ("counter", "1.0.0", package.code_hash),
        ("counter", "2.0.0", newer.code_hash),
    ]
    folder = tmp_path / "home" / "plugins" / "counter" / package.code_hash.hex()
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert kept == dict(package.files)
    found = store.source("counter", package.code_hash, isolated=True)
    assert found is not None
    assert (found.version, found.entry, found.metered, found.isolated) == ("1.0.0", "hn_counter:plugin", True, True)
    assert store.source("counter", bytes(32), isolated=True) is None
    assert store.get("../counter", package.code_hash) is None


def test_what_a_power_cut_left_is_not_seen_and_removed_by_the_next_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = counter_package(tmp_path)
    store = PluginStore(tmp_path / "home")

    def cut(path: Path, target: Path) -> Path:
        raise OSError("power")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut)
        with pytest.raises(ConfigError) as caught:
            store.install(package)
    assert caught.value.info.name == "STORAGE_FAILED"
    assert store.list() == []
    assert [path.name[:5] for path in (tmp_path / "home" / "plugins" / "counter").iterdir()] == [".new-"]
    assert store.install(package)
    assert [path.name for path in (tmp_path / "home" / "plugins" / "counter").iterdir()] == [package.code_hash.hex()]


def test_code_that_was_changed_in_the_store_is_not_loaded(tmp_path: Path) -> None:
    package = counter_package(tmp_path)
    store = PluginStore(tmp_path / "home")
    store.install(package)
    file = tmp_path / "home" / "plugins" / "counter" / package.code_hash.hex() / "hn_counter" / "__init__.py"
    os.chmod(file, 0o600)
    file.write_text(file.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(ConfigError, match="changed after installation") as caught:
        store.source("counter", package.code_hash, isolated=False)
    assert caught.value.info.name == "PLUGIN_PACKAGE_INVALID"
    shutil.rmtree(file.parents[1])
    assert store.install(package)
    assert store.source("counter", package.code_hash, isolated=False) is not None


def test_missing_code_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    package = counter_package(tmp_path)
    sources = PluginSources(PluginStore(tmp_path / "home"))
    with pytest.raises(ConfigError) as caught:
        sources.find("counter", code_of(package))
    assert caught.value.info.name == "PLUGIN_MISSING"
    command = f"hnnode plugin install hnnode_counter-1.0.0-py3-none-any.whl --home {tmp_path / 'home'}"
    assert command in caught.value.detail
    assert package.code_hash.hex() in caught.value.detail
    sources.store.install(package)
    assert sources.find("counter", code_of(package)).isolated
    other = Code("1.0.1", 1, 1, package.code_hash.hex())
    with pytest.raises(ConfigError, match=r"names version 1\.0\.1"):
        sources.find("counter", other)


def test_code_of_the_environment_is_found_by_its_hash() -> None:
    from hnnode.execution import Host

    sources = PluginSources(PluginStore(Path("/nowhere")))
    table = Host.load(["coldchain"]).applications["coldchain"]
    code = Code(table.version, 1, table.state_version, table.code_hash.hex())
    assert not sources.find("coldchain", code).isolated
    with pytest.raises(ConfigError, match="is not installed here"):
        sources.find("coldchain", Code(table.version, 1, 1, "00" * 32))


def test_what_the_environment_brings_is_proposed_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HOSTILE))
    sources = PluginSources(PluginStore(tmp_path))
    own = sources.environment("hostile")
    assert own is not None
    assert sources.environment("nobody") is None
    name, code = proposed_code("hostile", None, tmp_path)
    assert (name, code) == ("hostile", Code("1.0", 1, 1, own.code_hash.hex()))
    assert sources.find(name, code) == own
    with pytest.raises(ConfigError, match=r"0 versions fit.* 1.0 ") as caught:
        proposed_code("hostile", "00" * 32, tmp_path)
    assert caught.value.info.name == "PREREQUISITE_MISSING"


def test_a_version_of_the_store_is_proposed_by_name_and_hash(tmp_path: Path) -> None:
    store = PluginStore(tmp_path)
    first, second = counter_package(tmp_path), counter_package(tmp_path, "2.0.0")
    store.install(first)
    assert proposed_code("counter", None, tmp_path) == ("counter", code_of(first))
    store.install(second)
    with pytest.raises(ConfigError, match="2 versions fit"):
        proposed_code("counter", None, tmp_path)
    assert proposed_code("counter", second.code_hash.hex()[:10], tmp_path) == ("counter", code_of(second))


def test_a_name_is_of_the_vendor_whose_plugin_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HOSTILE))
    store = PluginStore(tmp_path)
    sources = PluginSources(store)
    assert sources.owner_of("counter") is None
    store.install(counter_package(tmp_path))
    assert sources.owner_of("counter") == "演示厂商"
    assert sources.owner_of("hostile") == "nobody"
