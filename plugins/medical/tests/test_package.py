"""Guides, rules and manifest name everything the package offers; what its code may hold is `hnnode plugin check`'s."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import hn_medical
import pytest
from hn_medical.rules import CONSENT_RULES, HOLD_RULES, RULES, TRACE_RULES

PACKAGE = Path(hn_medical.__file__).parent
MODULES = sorted(PACKAGE.glob("*.py"))
GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guides"


@pytest.mark.parametrize("guide", ["medical.md", "medical.zh.md"])
def test_the_guides_name_every_action_query_role_and_field(host: Any, guide: str) -> None:
    text = (GUIDES / guide).read_text("utf-8")
    table = host.applications["medical"]
    for action in table.actions.values():
        assert f"`{action.name}`" in text, action.name
        for field in action.model.__struct_fields__:
            assert field in text, f"{action.name}.{field}"
        assert all(role in text for role in action.roles)
    assert [query for query in table.queries if f"`{query}`" not in text] == []


def test_every_rule_is_used_and_every_used_rule_is_known() -> None:
    used = {
        str(node.value).removeprefix("medical.")
        for module in MODULES
        for call in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("require", "fail")
        for node in call.args[:1]
        if isinstance(node, ast.Constant)
    }
    pieces = (TRACE_RULES, HOLD_RULES, CONSENT_RULES)
    used |= {getattr(piece, name).removeprefix("medical.") for piece in pieces for name in piece.__slots__}
    assert used == {name for name, _, _ in RULES}


def test_every_rule_has_a_scene() -> None:
    scenes = set()
    for name in ("test_supply_rules.py", "test_trace_rules.py", "test_report_rules.py"):
        tree = ast.parse((Path(__file__).parent / name).read_text("utf-8"))
        scenes |= {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
            and any(isinstance(mark, ast.Name) and mark.id == "scene" for mark in node.decorator_list)
        }
    assert scenes == {name for name, _, _ in RULES}


def test_the_manifest_says_what_is_packed(host: Any) -> None:
    manifest = tomllib.loads((PACKAGE / "hnplugin.toml").read_text("utf-8"))
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert manifest["plugin"]["version"] == project["version"]
    assert manifest["plugin"]["name"] == "medical"
    assert manifest["code"]["entry"] == project["entry-points"]["hnnode.plugins"]["medical"]
    assert set(manifest["privacy"].values()) == {"clear", "committed", "encrypted"}
