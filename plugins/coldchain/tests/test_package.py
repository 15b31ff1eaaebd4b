"""What the package may import and use, and that the guide names everything it offers."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import hn_coldchain
import pytest
from hn_coldchain.epcis import _STEPS
from hn_coldchain.rules import RULES

PACKAGE = Path(hn_coldchain.__file__).parent
MODULES = sorted(PACKAGE.glob("*.py"))
OFF_CHAIN = {"epcis.py", "epcis_document.py", "epcis_reader.py", "epcis_sensors.py", "workload.py"}
ALLOWED = {"__future__", "collections", "typing", "msgspec", "hn_coldchain"}
ALLOWED_OFF_CHAIN = ALLOWED | {"dataclasses", "datetime", "hashlib", "json", "re"}
BANNED_NAMES = {"open", "eval", "exec", "hash", "id", "repr", "float", "getattr", "setattr", "vars", "globals", "input"}
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "coldchain.md"


def imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or ".")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_imports_the_plugin_api_alone(module: Path) -> None:
    allowed = ALLOWED_OFF_CHAIN if module.name in OFF_CHAIN else ALLOWED
    for name in imports(ast.parse(module.read_text("utf-8"))):
        assert name.startswith("hnnode.plugin_api") or name.partition(".")[0] in allowed, (
            f"{module.name} imports {name}"
        )


@pytest.mark.parametrize("module", [path for path in MODULES if path.name not in OFF_CHAIN], ids=lambda path: path.name)
def test_handlers_use_nothing_that_two_hosts_could_see_differently(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        where = f"{module.name}:{getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float | complex)), f"{where}: a float"
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), f"{where}: a division"
        assert not (isinstance(node, ast.Name) and node.id in BANNED_NAMES), f"{where}: {ast.unparse(node)}"
        assert not isinstance(node, ast.Global | ast.Nonlocal), f"{where}: shared state"


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
