"""Every relative link and every named path is alive; commands in the pages exist."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hnnode.cli.app import command_tree
from hnnode.cli.reference.commands import leaves

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "bench").rglob("*.md"),
    ]
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE_PATH = re.compile(r"`((?:hnnode|native|tests|docs|plugins|bench|build)/[A-Za-z0-9_./-]*[A-Za-z0-9_-]/?)`")
_COMMAND = re.compile(r"^\s*(?:\$ )?hnnode ([^#\n]+)", re.MULTILINE)
_INLINE = re.compile(r"`hnnode ([a-z][^`]*)`")


def _ids() -> list[str]:
    return [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=_ids())
def test_relative_links_are_alive(page: Path) -> None:
    text = page.read_text("utf-8")
    dead = []
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        if not found.exists() or (
            anchor and found.suffix == ".md" and anchor not in set(_anchors(found.read_text("utf-8")))
        ):
            dead.append(target)
    assert dead == []


def _anchors(text: str) -> Iterator[str]:
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=_ids())
def test_named_paths_exist(page: Path) -> None:
    named = (path for path in _CODE_PATH.findall(page.read_text("utf-8")) if not path.startswith("build/"))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=_ids())
def test_no_address_of_one_machine(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.search(r"(?<![\w.])/(?:root|home|work|tmp)/\w", text)


def _commands(text: str) -> list[list[str]]:
    found = [line.split() for line in _INLINE.findall(text)]
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        found += [line.split(";")[0].split() for line in _COMMAND.findall(block)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=_ids())
def test_commands_exist_with_their_options(page: Path) -> None:
    verbs = dict(leaves(command_tree("en")))
    root_options = {"--lang", "--home", "--node", "--key-dir", "--help", "--version"}
    for words in _commands(page.read_text("utf-8")):
        plain = [word for word in words if not word.startswith("-")]
        if plain and plain[0] in ("zh", "en"):
            plain = plain[1:]
        match = next((verbs[key] for n in (3, 2, 1) if (key := tuple(plain[:n])) in verbs), None)
        groups = {key[:n] for key in verbs for n in range(1, len(key))}
        assert match is not None or not plain or tuple(plain) in groups or "…" in words, words
        if match is None:
            continue
        known = {flag for parameter in match.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            flag = word.partition("=")[0]
            if re.fullmatch(r"--?[a-z][a-z-]*", flag):
                assert flag in known | root_options, f"{' '.join(words)}: {flag}"


def test_make_verbs_named_in_the_pages_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        named |= set(re.findall(r"`make ([a-z-]+)", text))
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            named |= set(re.findall(r"^make ([a-z-]+)", block, re.MULTILINE))
    assert named
    assert named <= targets


def test_decisions_are_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for record in folder.glob("[0-9][0-9][0-9][0-9]-*.md"):
        assert f"]({record.name})" in index, record.name
        assert record.read_text("utf-8").startswith(f"# {record.name[:4]}: "), record.name


def _python_requirements() -> set[str]:
    names: set[str] = set()
    for file in (ROOT / "pyproject.toml", *(ROOT / "plugins").glob("*/pyproject.toml"), ROOT / "native/pyproject.toml"):
        data = tomllib.loads(file.read_text("utf-8"))
        lists = [data["project"].get("dependencies", []), data["build-system"]["requires"]]
        lists += data.get("dependency-groups", {}).values()
        names |= {re.split(r"[=<>!~\[; ]", entry)[0] for entries in lists for entry in entries}
    return names - {"hnnode"}


def _rust_requirements() -> set[str]:
    names: set[str] = set()
    for file in (ROOT / "native").glob("*/Cargo.toml"):
        data = tomllib.loads(file.read_text("utf-8"))
        for table in ("dependencies", "dev-dependencies"):
            names |= {name for name in data.get(table, {}) if not name.startswith("hn-")}
    return names


def test_every_direct_dependency_has_a_reason() -> None:
    page = (ROOT / "docs" / "decisions" / "dependencies.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    wanted = _python_requirements() | _rust_requirements()
    assert sorted(wanted - listed) == []
    assert sorted(listed - wanted - {"uv"}) == []


def test_readme_commands_run_without_a_node() -> None:
    """The ones that need no network really start."""
    import sys

    for arguments in (["--lang", "zh", "--help"], ["error", "2008"], ["version"]):
        ended = subprocess.run(
            [sys.executable, "-m", "hnnode.cli", *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT
        )
        assert ended.returncode == 0, ended.stderr
