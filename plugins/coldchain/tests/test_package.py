"""The guide names everything the package offers; what its code may hold is `hnnode plugin check`'s."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import hn_coldchain
from hn_coldchain.epcis import _STEPS
from hn_coldchain.rules import RULES

PACKAGE = Path(hn_coldchain.__file__).parent
MODULES = sorted(PACKAGE.glob("*.py"))
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "coldchain.md"


def test_the_guide_names_every_action_query_role_and_step(host: Any) -> None:
    text = GUIDE.read_text("utf-8")
    table = host.applications["coldchain"]
    for action in table.actions.values():
        assert f"`{action.name}`" in text, action.name
        for field in action.model.__struct_fields__:
            assert field in text, f"{action.name}.{field}"
        assert all(role in text for role in action.roles)
    assert all(f"`{query}`" in text for query in table.queries)
    assert all(step in text for step in _STEPS)


def test_every_rule_is_used_and_every_used_rule_is_known() -> None:
    used = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("require", "fail")
            ):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and str(first.value).startswith("coldchain."):
                    used.add(str(first.value).removeprefix("coldchain."))
    assert used == {name for name, _, _ in RULES}
