"""The plugin API is documented in full, and nothing is offered that no plugin uses."""

from __future__ import annotations

import ast
from pathlib import Path

import hnnode_native
import pytest

from hnnode import plugin_api
from hnnode.cli.reference.plugin_api import API, hooks, std_modules
from hnnode.cli.reference.surface import exported, module_text, names_of
from hnnode.plugin_api.hooks import Hooks

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "plugin-api.md").read_text("utf-8")
SURFACE = [
    path
    for path in sorted(API.rglob("*.py"))
    if path.stem != "__init__" and path.relative_to(API).parts[0] not in ("testing.py", "hooks.py", "registry.py")
]


def implemented_hooks() -> set[str]:
    """Names of the functions that plugins of this repository mark with `hookimpl`."""
    found = set()
    for path in ROOT.glob("plugins/*/hn_*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("hookimpl" in ast.unparse(m) for m in node.decorator_list):
                found.add(node.name)
    return found


def test_every_hook_is_documented_and_used() -> None:
    specified = {name for name in vars(Hooks) if name.startswith("hn_")}
    assert {hook.name for hook in hooks()} == specified
    for hook in hooks():
        assert hook.text, f"{hook.name} has no docstring"
        assert f"### `{hook.name}`\n" in PAGE
    assert specified <= implemented_hooks(), "a hook ships only together with a plugin that uses it"
    assert implemented_hooks() <= specified


def test_everything_a_handler_can_call_is_documented() -> None:
    for name in dir(hnnode_native.TxContext):
        assert name.startswith("_") or f"`ctx.{name}" in PAGE, name


def test_everything_that_is_exported_is_documented() -> None:
    aliases = {"Context", "BlockReader", "API_VERSION", "hookimpl", "END", "ModelError"}
    for name in set(plugin_api.__all__) - aliases:
        assert f"#### `{name}" in PAGE, name
    for package in ("ids", "privacy"):
        for name in exported(API / package):
            assert name in PAGE, name
    for path in std_modules():
        assert f"### std.{path.stem}\n" in PAGE
        for made in names_of(path):
            assert made.kind == "value" or f"#### `{made.name}" in PAGE, f"{path.stem}.{made.name}"


def test_every_limit_says_what_it_bounds() -> None:
    for limit in names_of(API / "limits.py"):
        assert limit.text, limit.name
        assert f"| `{limit.name}` |" in PAGE


@pytest.mark.parametrize("path", SURFACE, ids=lambda path: str(path.relative_to(API)))
def test_every_public_name_says_what_it_is(path: Path) -> None:
    assert module_text(path)
    for name in names_of(path):
        assert name.kind == "value" or name.text, f"{path.stem}.{name.name}"
