"""What the package may import and use, and that the guides name everything it offers."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import hn_medical
import pytest
from hn_medical.identifiers import drug_code, is_product_code, is_trace_code
from hn_medical.rules import CONSENT_RULES, HOLD_RULES, RULES, TRACE_RULES

PACKAGE = Path(hn_medical.__file__).parent
MODULES = sorted(PACKAGE.glob("*.py"))
OFF_CHAIN = {"relation.py", "fhir.py", "__main__.py", "workload.py", "workload_trace.py", "workload_recognition.py"}
ALLOWED = {"__future__", "collections", "typing", "msgspec", "hn_medical"}
ALLOWED_OFF_CHAIN = ALLOWED | {"dataclasses", "datetime", "hashlib", "itertools", "json", "pathlib", "re", "sys", "xml"}
BANNED_NAMES = {"open", "eval", "exec", "hash", "id", "repr", "float", "getattr", "setattr", "vars", "globals", "input"}
GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guides"


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
    for name in ("test_trace_rules.py", "test_report_rules.py"):
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


def test_drug_codes() -> None:
    assert is_product_code("86904879000126")
    assert not is_product_code("86904879000127")
    assert not is_product_code("69245618840740")
    assert is_trace_code("83857930000879766660")
    assert not is_trace_code("8385793000087976666")
    assert not is_trace_code("８" * 20)
    assert drug_code("83857930000879766660") == "8385793"
