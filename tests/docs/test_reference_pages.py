"""Generated pages are what the code renders; every verb, route, error and setting is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hnnode.cli.app import command_tree
from hnnode.cli.reference import PAGES
from hnnode.cli.reference.commands import leaves
from hnnode.cli.reference.settings import TEXTS, keys
from hnnode.errors import ERRORS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_generated_page_is_current(page: str) -> None:
    committed = (REFERENCE / page).read_text("utf-8")
    assert committed == PAGES[page](), f"docs/reference/{page} is stale: run `make docs`"


def test_every_verb_is_documented() -> None:
    page = (REFERENCE / "cli.md").read_text("utf-8")
    for words, _ in leaves(command_tree("en")):
        assert f"## hnnode {' '.join(words)}\n" in page


def test_every_error_is_documented_in_both_languages() -> None:
    page = (REFERENCE / "errors.md").read_text("utf-8")
    for info in ERRORS.values():
        assert f"| {info.code} | `{info.name}` |" in page
        assert info.zh in page
        assert info.en in page


def test_every_setting_has_a_sentence_and_no_sentence_is_left_over() -> None:
    assert set(TEXTS) == set(keys())
    page = (REFERENCE / "config.md").read_text("utf-8")
    for path in keys():
        assert f"| `{path.rpartition('.')[2]}` |" in page


def test_numbers_of_errors_agree_with_the_compiled_core() -> None:
    import hnnode_native

    ours = {info.name: info.code for info in ERRORS.values()}
    for name, code in hnnode_native.CODES.items():
        if code:
            assert ours.get(name) == code, name


def test_every_http_route_is_documented() -> None:
    from tests.docs.routes import documented_routes, served_routes

    served = served_routes()
    assert served, "the application has no routes"
    documented = documented_routes((REFERENCE / "http.md").read_text("utf-8"))
    assert sorted(served - documented) == []
    assert sorted(documented - served) == []


def test_environment_variables_of_the_command_are_documented() -> None:
    page = (REFERENCE / "cli.md").read_text("utf-8")
    used = set()
    for path in (ROOT / "hnnode").rglob("*.py"):
        used |= set(re.findall(r"\bHNNODE_[A-Z_]+\b", path.read_text("utf-8")))
    assert used
    for name in used:
        assert name in page, name
