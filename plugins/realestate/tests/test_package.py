"""The guides and the privacy table name everything the package offers; what its code may hold is `hnnode plugin check`'s."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import hn_realestate
import msgspec
import pytest
from hn_realestate import models
from hn_realestate.privacy import PRIVACY
from hn_realestate.rules import RULES

PACKAGE = Path(hn_realestate.__file__).parent
MODULES = sorted(PACKAGE.glob("*.py"))
ROOT = Path(__file__).resolve().parents[3]
GUIDES = [ROOT / "docs" / "guides" / name for name in ("realestate.md", "realestate.zh.md")]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_the_guides_name_every_action_field_query_and_role(host: Any, guide: Path) -> None:
    text = guide.read_text("utf-8")
    table = host.applications["realestate"]
    for action in table.actions.values():
        assert f"`{action.name}`" in text, action.name
        for field in action.model.__struct_fields__:
            assert field in text, f"{action.name}.{field}"
        assert all(role in text for role in action.roles)
    assert all(f"`{query}`" in text for query in table.queries)


def test_the_readmes_name_every_event(world: Any) -> None:
    events = {
        node.value.removeprefix("realestate.")
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("realestate.")
    } - {name for name, _, _ in RULES}
    for readme in ("README.md", "README.zh.md"):
        text = (PACKAGE.parent / readme).read_text("utf-8")
        for event in (*events, "seized", "pre_noticed"):
            assert f"`{event}`" in text, (readme, event)


def test_every_rule_is_used_and_every_used_rule_is_known() -> None:
    known = {name for name, _, _ in RULES}
    used = {"personal_data"}  # the host's guard refuses by it
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("realestate."):
                used.add(node.value.removeprefix("realestate."))
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("require", "fail")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                assert str(node.args[0].value).removeprefix("realestate.") in known, ast.unparse(node)
    assert known <= used


def test_the_manifest_states_every_field_of_every_payload() -> None:
    manifest = tomllib.loads((PACKAGE / "hnplugin.toml").read_text("utf-8"))
    assert manifest["plugin"]["name"] == "realestate"
    assert manifest["code"]["entry"] == "hn_realestate:plugin"
    fields = {
        field.name
        for model in models.Payload.__subclasses__()
        for field in msgspec.inspect.type_info(model).fields  # type: ignore[attr-defined]
    }
    assert set(manifest["privacy"]) == fields
    assert manifest["privacy"] == PRIVACY
    assert set(manifest["privacy"].values()) <= {"clear", "committed", "encrypted"}
    hidden = {name for name, how in manifest["privacy"].items() if how != "clear"}
    assert {"holder", "objector", "contract", "price", "amount", "document"} <= hidden
