"""Discovery, registration, the frozen table, code and schema hashes."""

from __future__ import annotations

from contextlib import closing
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hnnode_native import tagged_hash

from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError
from hnnode.execution.host import Host, Plugin, schema_hash
from hnnode.execution.loading import forget
from hnnode.execution.source import PluginSource, code_hash, discover, is_metered
from hnnode.plugin_api import Context, Registry, hookimpl
from hnnode.plugin_api.limits import ACTIONS_MAX
from hnnode.plugin_api.testing import LocalChain

BEST = ExecutionConfig(sandbox="best")


class Empty(msgspec.Struct, forbid_unknown_fields=True):
    pass


def nothing(tx: Context, payload: Empty) -> None: ...


class Demo:
    def __init__(self, *actions: str) -> None:
        self.actions = actions

    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        for name in self.actions:
            registry.action(name, Empty, nothing, roles=("clerk",), title_zh=name, title_en=name)


def host(folder: Path, *plugins: tuple[str, Any]) -> Host:
    native = [("evidence", "preserve", ["b", "a"], '{"type":"object"}')]
    return Host([Plugin(name, "1.0", made, folder) for name, made in plugins], native, tagged_hash)


def test_the_table_is_sorted_whatever_the_order_of_plugins(tmp_path: Path) -> None:
    one, two = ("zeta", Demo("b", "a")), ("alpha", Demo("c"))
    there, back = host(tmp_path, one, two), host(tmp_path, two, one)
    assert there.plugin_entries() == back.plugin_entries()
    assert there.foreign() == [("alpha", "c", ("clerk",)), ("zeta", "a", ("clerk",)), ("zeta", "b", ("clerk",))]
    assert [entry[5:7] for entry in there.plugin_entries()] == [
        ("alpha", "c"),
        ("evidence", "preserve"),
        ("zeta", "a"),
        ("zeta", "b"),
    ]
    with pytest.raises(TypeError):
        there.applications["zeta"].actions["x"] = None  # type: ignore[index]


def test_bad_plugins_are_refused_with_their_name(tmp_path: Path) -> None:
    class Misspelt:
        @hookimpl
        def hn_registre(self, registry: Registry) -> None: ...

    class Floating:
        @hookimpl
        def hn_register(self, registry: Registry) -> None:
            made = msgspec.defstruct("P", [("x", float)], forbid_unknown_fields=True)
            registry.action("a", made, nothing, title_zh="a", title_en="a")  # type: ignore[arg-type]

    for bad in (Misspelt(), Floating(), Demo()):
        with pytest.raises(ConfigError, match="plugin demo"):
            host(tmp_path, ("demo", bad))
    for name in ("evidence", "identity"):
        with pytest.raises(ConfigError, match="taken"):
            host(tmp_path, (name, Demo("a")))
    with pytest.raises(ConfigError, match="taken"):
        host(tmp_path, ("demo", Demo("a")), ("demo", Demo("a")))


def test_workload_is_asked_of_one_plugin_only(tmp_path: Path) -> None:
    class Busy(Demo):
        @hookimpl
        def hn_bench_workload(self, seed: int, flavour: str) -> Any:
            return (seed, flavour) if flavour == "" else None

    made = host(tmp_path, ("busy", Busy("a")), ("demo", Demo("a")))
    assert made.workload("busy", 5) == (5, "")  # type: ignore[comparison-overlap]
    for application, flavour in (("busy", "odd"), ("demo", ""), ("none", "")):
        with pytest.raises(ConfigError):
            made.workload(application, 5, flavour)


def test_code_hash_covers_code_and_data_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "sub" / "b.json").write_text("{}")
    first = code_hash(tmp_path, tagged_hash)
    files = [("a.py", b"x = 1\n"), ("sub/b.json", b"{}")]
    packed = b"".join(
        len(name).to_bytes(2, "big") + name.encode() + len(text).to_bytes(4, "big") + text for name, text in files
    )
    assert first == tagged_hash("hn/plugin-code/v1", packed)
    (tmp_path / "notes.md").write_text("prose")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.py").write_text("cached")
    assert code_hash(tmp_path, tagged_hash) == first
    (tmp_path / "sub" / "b.json").write_text("{ }")
    assert code_hash(tmp_path, tagged_hash) != first


def test_schema_hash_ignores_prose_and_key_order() -> None:
    one = {"type": "object", "title": "A", "properties": {"title": {"type": "string", "description": "x"}}}
    two = {"properties": {"title": {"type": "string"}}, "description": "other", "type": "object"}
    three = {"properties": {"title": {"type": "integer"}}, "type": "object"}
    assert schema_hash(one, tagged_hash) == schema_hash(two, tagged_hash) != schema_hash(three, tagged_hash)


def installed(folder: Path, **modules: str) -> list[EntryPoint]:
    for name, text in modules.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
    return [EntryPoint(name.removeprefix("hn_"), f"{name}:plugin", "hnnode.plugins") for name in modules]


def test_discover_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = installed(tmp_path, hn_good="plugin = object()\n", hn_broken="raise RuntimeError('no')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = discover(["good", "evidence", "broken", "good"], points, tagged_hash=tagged_hash, isolated=["good"])
    assert [(source.name, source.package.name, source.isolated) for source in found] == [
        ("broken", "hn_broken", False),
        ("good", "hn_good", True),
    ]
    assert not any(source.metered for source in found)
    assert found[1].code_hash == code_hash(tmp_path / "hn_good", tagged_hash)
    assert discover([], points, tagged_hash=tagged_hash) == []
    with pytest.raises(ConfigError, match="cannot be imported"):
        Host(found[:1], [], tagged_hash)
    with pytest.raises(ConfigError, match=r"found 0.*broken, good"):
        discover(["absent"], points, tagged_hash=tagged_hash)
    with pytest.raises(ConfigError, match="found 2"):
        discover(["good"], points * 2, tagged_hash=tagged_hash)


def test_metering_is_said_by_the_manifest(tmp_path: Path) -> None:
    assert not is_metered(tmp_path)
    for text, metered in (("", True), ("[code]\nmetered = false\n", False), ("[code]\nmetered = true\n", True)):
        (tmp_path / "hnplugin.toml").write_text(text)
        assert is_metered(tmp_path) is metered
    for text in ("[code]\nmetered = 1\n", "code = 1\n", "]"):
        (tmp_path / "hnplugin.toml").write_text(text)
        with pytest.raises(ConfigError, match=r"hnplugin\.toml"):
            is_metered(tmp_path)


TWICE = """
import msgspec
from hnnode.plugin_api import hookimpl
from hn_twice import number

class P(msgspec.Struct, forbid_unknown_fields=True):
    pass

class Plugin:
    @hookimpl
    def hn_register(self, registry):
        registry.action("a", P, lambda tx, p: tx.put(b"n", number.N), title_zh="a", title_en="a")

plugin = Plugin()
"""


def test_two_versions_of_a_package_in_one_process(tmp_path: Path) -> None:
    hosts = []
    for version in ("1", "2", "1"):
        root = tmp_path / version
        if not root.exists():
            installed(root, hn_twice="")
            (root / "hn_twice" / "main.py").write_text(TWICE)
            (root / "hn_twice" / "number.py").write_text(f"N = b'{version}'\n")
        package = root / "hn_twice"
        digest = code_hash(package, tagged_hash)
        hosts.append(
            Host(
                [PluginSource("twice", version, "hn_twice.main:plugin", root, package, digest, False, False)],
                [],
                tagged_hash,
            )
        )
    try:
        for host, want in zip(hosts, (b"1", b"2", b"1"), strict=True):
            chain = LocalChain(host, "twice")
            assert chain.submit(chain.account("someone"), "a", {}).writes == ((b"n", want),)
    finally:
        forget("hn_twice")


@pytest.mark.parametrize("isolated", [False, True])
def test_the_hash_is_that_of_the_code_that_runs_when_files_are_replaced_in_place(
    tmp_path: Path, isolated: bool
) -> None:
    """Regression: what was imported first ran on under the hash of the files that had taken its place."""

    def source(number: int) -> PluginSource:
        (tmp_path / "hn_twice" / "number.py").write_text(f"N = b'{number}'\n")
        package = tmp_path / "hn_twice"
        digest = code_hash(package, tagged_hash)
        return PluginSource("twice", "1", "hn_twice.main:plugin", tmp_path, package, digest, False, isolated)

    def written(host: Host) -> object:
        chain = LocalChain(host, "twice")
        return chain.submit(chain.account("someone"), "a", {}).writes

    installed(tmp_path, hn_twice="")
    (tmp_path / "hn_twice" / "main.py").write_text(TWICE)
    first = source(1)
    with closing(Host([first], [], tagged_hash, BEST)) as one:
        assert written(one) == ((b"n", b"1"),)
        with closing(Host([source(22)], [], tagged_hash, BEST)) as two:
            assert written(two) == ((b"n", b"22"),)
            assert written(one) == ((b"n", b"1"),)
        with pytest.raises(ConfigError, match="its files changed"):
            Host([first], [], tagged_hash, BEST)
    forget("hn_twice")


def test_an_application_has_a_bounded_number_of_actions(tmp_path: Path) -> None:
    names = [f"a{number}" for number in range(ACTIONS_MAX + 1)]
    assert len(host(tmp_path, ("demo", Demo(*names[1:]))).foreign()) == ACTIONS_MAX
    with pytest.raises(ConfigError, match=f"more than {ACTIONS_MAX} actions"):
        host(tmp_path, ("demo", Demo(*names)))
