"""What a package says that its code registers: packed, shown, and compared when the code is loaded, isolated or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError
from hnnode.execution.host import Host
from hnnode.execution.registered import difference, encode_registered, registered
from hnnode.execution.table import Application
from hnnode.governance import PluginStore
from hnnode.governance.trial import check_registered
from hnnode.kit.project import Project, table_of
from hnnode.kit.scaffold import Names, make_project
from hnnode.packaging import build_package
from hnnode.plugin_api import Context, ModelError, Registry
from tests.kit.plugin_packages import counter_package

EXECUTION = ExecutionConfig(sandbox="best")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    make_project(tmp_path / "demo", Names("demo", "演示", "Demo", "演示厂商"))
    return Project.open(tmp_path / "demo")


def test_the_document_is_the_same_wherever_the_code_runs(project: Project) -> None:
    inside = project.host()
    apart = Host([project.source(isolated=True)], [], lambda _, data: data[:32].ljust(32), EXECUTION)
    try:
        table = table_of(inside, "demo")
        document = encode_registered(table)
        assert document == encode_registered(apart.applications["demo"])
        assert difference(document, table) is None
    finally:
        inside.close()
        apart.close()
    found = json.loads(document)
    assert found["actions"]["approve"]["roles"] == ["officer"]
    assert found["actions"]["approve"]["keys"] == 1
    assert set(found["events"]) == {"demo.created", "demo.approved", "demo.closed"}
    assert set(found["queries"]) == {"item", "items_by_status"}


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("actions", "approve", "roles"), ["anyone"], "actions.approve.roles"),
        (("actions", "approve", "keys"), True, "actions.approve.keys"),
        (("actions", "secret"), {}, "actions.secret"),
        (("events", "demo.approved"), None, "events.demo.approved"),
        (("queries",), [], "queries"),
        (("state_version",), 1.0, "state_version"),
        (("title_zh",), "别的", "title_zh"),
        ((), [], "document"),
    ],
)
def test_a_difference_is_refused_with_its_place(
    project: Project, path: tuple[str, ...], value: Any, where: str
) -> None:
    host = project.host()
    document = registered(table_of(host, "demo"))
    host.close()
    place: Any = document
    for name in path[:-1]:
        place = place[name]
    if path:
        place[path[-1]] = value
    stated = json.dumps(document if path else value).encode()
    package = build_package(project.root, stated)
    with pytest.raises(ConfigError) as caught:
        check_registered(package, EXECUTION)
    assert caught.value.info.name == "PLUGIN_SET_INVALID"
    assert f"{where}: the package states" in caught.value.detail
    assert f"{where}：包中写明" in caught.value.detail_zh


def test_a_package_without_it_or_with_nonsense_is_not_installed(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"registered.json is missing"):
        check_registered(build_package(project.root), EXECUTION)
    for nonsense in (b"", b"\xff", b"[" * 100_000):
        with pytest.raises(ConfigError, match="not JSON"):
            check_registered(build_package(project.root, nonsense), EXECUTION)


@pytest.mark.parametrize("isolated", [False, True])
def test_what_was_changed_after_it_was_installed_does_not_run(tmp_path: Path, isolated: bool) -> None:
    package = counter_package(tmp_path)
    check_registered(package, EXECUTION)
    store = PluginStore(tmp_path / "home")
    store.install(package)
    source = store.source("counter", package.code_hash, isolated=isolated)
    assert source is not None
    Host([source], [], lambda _, data: data[:32].ljust(32), EXECUTION).close()
    (path,) = source.root.glob("*.dist-info/registered.json")
    path.write_bytes(path.read_bytes().replace(b'"title_en": "Add"', b'"title_en": "Sub"'))
    source = store.source("counter", package.code_hash, isolated=isolated)
    assert source is not None
    with pytest.raises(
        ConfigError, match=r"actions.add.title_en: the package states \"Sub\", the code registers \"Add\""
    ):
        Host([source], [], lambda _, data: data[:32].ljust(32), EXECUTION)


class SetLimits(msgspec.Struct, forbid_unknown_fields=True):
    hours: Annotated[int, Meta(ge=1, le=240)]
    open: bool = True


class Limits(msgspec.Struct):
    hours: int = 24
    open: bool = True


class Hours(msgspec.Struct):
    hours: int = 24


def limited(defaults: msgspec.Struct, action: str = "set_limits") -> Application:
    def nothing(_: Context, __: SetLimits) -> None:
        pass

    registry = Registry("demo")
    registry.action("set_limits", SetLimits, nothing, roles=("governor",), title_zh="设", title_en="set")
    registry.parameters(action, defaults)
    return Application.freeze(registry, "1", bytes(32))


def test_parameters_are_those_of_the_action_that_sets_them() -> None:
    assert registered(limited(Limits()))["parameters"] == {
        "set_limits": {"hours": {"default": 24}, "open": {"default": True}}
    }
    for defaults, action in ((Hours(), "set_limits"), (Limits(hours=241), "set_limits"), (Limits(), "set")):
        with pytest.raises(ModelError, match=f"parameters {action}"):
            limited(defaults, action)


def test_what_stands_in_lists_is_compared_by_kind(project: Project) -> None:
    host = project.host()
    try:
        table = table_of(host, "demo")
        document = json.loads(encode_registered(table))
        document["migrations"] = [[1, 2]]
        for other in ([[True, 2]], [[1.0, 2]], [[1, 2], []]):
            with_other = json.dumps({**document, "migrations": other}).encode()

            class Moved:
                """The table, with a migration."""

                migrations = ((1, 2),)

                def __getattr__(self, name: str) -> Any:
                    return getattr(table, name)

            moved: Any = Moved()
            assert difference(json.dumps(document).encode(), moved) is None
            found = difference(with_other, moved)
            assert found is not None
            assert found[1].startswith("migrations: ")
    finally:
        host.close()
