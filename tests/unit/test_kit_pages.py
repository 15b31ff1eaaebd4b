"""The page of a plugin: complete, self-contained, well formed, the same on every run; and the vendor's commands."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer.testing

from hnnode.cli.app import command_tree
from hnnode.cli.plugin import application
from hnnode.errors import ConfigError
from hnnode.kit.diagram import StatusMap, draw
from hnnode.kit.docs import page_of, write_pages
from hnnode.kit.project import Project
from hnnode.kit.scaffold import KINDS, Names, make_project
from hnnode.packaging import load_trust, read_package

VOID = {"meta", "input", "br", "path", "rect"}


class Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_everything_and_needs_nothing(tmp_path: Path, kind: str) -> None:
    make_project(tmp_path / "demo", Names("demo", "演示", 'Demo & "more"'.replace('"', ""), "演示厂商"), kind)
    project = Project.open(tmp_path / "demo")
    paths = write_pages(project, tmp_path / "docs")
    assert [path.name for path in paths] == ["demo.html", "demo.md", "demo.zh.md"]
    html, english, chinese = (path.read_text("utf-8") for path in paths)
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert all(re.fullmatch("#p[0-9]+", link) and f'id="{link[1:]}"' in html for link in parser.links)
    assert "<script" not in html
    assert "<svg" in html
    host = project.host()
    table = host.applications["demo"]
    for event in table.events.values():
        assert set(event.schema["$defs"][event.model.__name__]["properties"]) <= set(re.findall(r"\w+", html))
    for name in (*table.actions, *table.queries, *table.events, *table.rules):
        assert all(name in text for text in (html, english, chinese)), name
    for rule in table.rules.values():
        assert rule.zh in html
        assert rule.zh in chinese
        assert rule.en in english
    assert "not declared" not in english
    if kind == "status":
        assert r"`status` approved \| closed \| open; `limit` integer ≥ 1, ≤ 200, = 50" in chinese
    for event in re.findall(r'emit\(\s*"(demo\.[a-z_]+)"', (project.package / "handlers.py").read_text("utf-8")):
        assert event in english
    assert write_pages(project, tmp_path / "again")[0].read_text("utf-8") == html
    assert page_of(project)


def test_a_diagram_has_every_status_and_arrow() -> None:
    moves = {"a": ("b", "c", "a"), "b": ("c", "a"), "c": (), "d<": ("a", "d<")}
    svg = draw(StatusMap("x", moves, ("a", "d<")))
    tree = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert sorted(item.text or "" for item in tree.iter(f"{space}text")) == ["a", "b", "c", "d<"]
    arrows = [item for item in tree.iter(f"{space}path") if item.get("marker-end")]
    assert len(arrows) == sum(map(len, moves.values()))


def test_no_arrow_of_a_diagram_passes_behind_a_box() -> None:
    """Rejected is final: what leads from accepted to withdrawn must not look as if it came from there."""
    moves = {
        "draft": ("accepted", "rejected", "withdrawn"),
        "accepted": ("draft", "supplement", "rejected", "withdrawn"),
        "supplement": ("accepted", "rejected", "withdrawn"),
        "rejected": (),
        "withdrawn": (),
    }
    tree = ElementTree.fromstring(draw(StatusMap("x", moves, ("draft",))))
    space = "{http://www.w3.org/2000/svg}"
    boxes = [
        tuple(float(box.get(name, "")) for name in ("x", "y", "width", "height")) for box in tree.iter(f"{space}rect")
    ]
    arrows = [item.get("d", "") for item in tree.iter(f"{space}path") if item.get("marker-end")]
    assert len(arrows) == sum(map(len, moves.values()))
    for arrow in arrows:
        *_, end_y = (float(number) for number in re.findall(r"-?[0-9.]+", arrow))
        assert any(y <= end_y <= y + height for _, y, _, height in boxes)
        for y, right in re.findall(r"([-0-9.]+) H([-0-9.]+)", arrow):  # level through a column on the way
            within = [(x, top, width, height) for x, top, width, height in boxes if x <= float(right) <= x + width]
            assert within
            assert not any(top - 1 < float(y) < top + height + 1 for _, top, _, height in within), arrow


def run(*arguments: str, ok: bool = True) -> Any:
    result = typer.testing.CliRunner().invoke(application, list(arguments), catch_exceptions=ok)
    assert (result.exit_code == 0) == ok, (arguments, result.output, result.exception)
    return result


def test_a_vendor_makes_a_package_and_an_operator_admits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hnnode.crypto import MemorySigner, write_key_file, write_public_key_file
    from hnnode.crypto.keys import generate_key

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HNNODE_USER_DIR", str(tmp_path / "user"))
    keys = {name: generate_key() for name in ("vendor", "operator")}
    (tmp_path / "user" / "keys").mkdir(parents=True)
    for name, key in keys.items():
        write_key_file(tmp_path / "user" / "keys" / f"{name}.pem", key)
        write_public_key_file(tmp_path / f"{name}.pub", MemorySigner(key).public_key)
    run("new", "demo", "--like", "evidence", "--vendor", "演示厂商", "--title-zh", "演示存证")
    packed = json.loads(run("pack", "demo", "--vendor-key", "vendor", "-o", "json").stdout)["package"]
    wheel = Path(packed["wheel"])
    first = wheel.read_bytes()
    run("pack", "demo", "--vendor-key", "vendor")
    again = read_package(wheel, None)
    assert again.code_hash.hex() == packed["code_hash"]
    assert len(first) == wheel.stat().st_size
    signed = json.loads(run("sign", str(wheel), "--key", "operator", "-o", "json").stdout)["package"]
    assert [each["role"] for each in signed["signatures"]] == ["vendor", "operator"]
    home = tmp_path / "home"
    run("trust", "vendor.pub", "--home", str(home))
    listed = json.loads(
        run("trust", "operator.pub", "--as", "operator", "--name", "中心", "--home", str(home), "-o", "json").stdout
    )
    assert [each["role"] for each in listed["keys"]] == ["operator", "vendor"]
    assert read_package(wheel, load_trust(home / "plugins" / "trusted.toml")).name == "demo"
    run("trust", "vendor.pub", "--remove", "--home", str(home))
    assert len(load_trust(home / "plugins" / "trusted.toml").key) == 1
    report = json.loads(run("check", str(wheel), "--format", "sarif").stdout)
    assert report["version"] == "2.1.0"
    run("docs", "demo")
    assert (tmp_path / "demo" / "build" / "docs" / "demo.html").is_file()


def test_uncounted_code_is_packed_counted_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder itself stays as it is, and so does its hash on nodes that have it in their environment."""
    monkeypatch.chdir(tmp_path)
    run("new", "demo", "--like", "evidence", "--vendor", "演示厂商", "--title-zh", "演示存证")
    manifest = tmp_path / "demo" / "hn_demo" / "hnplugin.toml"
    counted = manifest.read_text("utf-8")
    manifest.write_text(
        re.sub(r"(?m)^metered.*$\n?", "", counted).replace("[code]\n", "[code]\nmetered = false\n"), "utf-8"
    )
    plain = manifest.read_bytes()
    with pytest.raises(ConfigError, match="metered"):
        run("pack", "demo", ok=False)
    package = read_package(
        Path(json.loads(run("pack", "demo", "--counted", "-o", "json").stdout)["package"]["wheel"]), None
    )
    assert package.manifest.code.metered
    assert manifest.read_bytes() == plain
    run("check", "demo", "--counted", "--strict")


def test_bad_names_and_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("Demo", "1demo", "a" * 33, "evidence", "governance", "../x"):
        with pytest.raises(ConfigError):
            make_project(tmp_path / "x", Names(name, "演示", "Demo", "厂商"))
    with pytest.raises(ConfigError, match="one line"):
        make_project(tmp_path / "x", Names("demo", '演"示', "Demo", "厂商"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ConfigError, match="not an empty folder"):
        make_project(tmp_path / "full", Names("demo", "演示", "Demo", "厂商"))


def test_the_verbs_of_the_kit_are_in_the_tree() -> None:
    verbs = command_tree("zh").commands["plugin"].commands
    assert {"new", "check", "test", "pack", "sign", "trust", "docs", "dev"} <= set(verbs)
