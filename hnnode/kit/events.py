"""Events that the code emits, compared with those that it declares."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hnnode.execution.table import Application
from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code


def check_events(place: str, code: Code, table: Application) -> Iterator[Finding]:
    """Names that stand in a call of `emit` and are not declared, and declared ones that no call may emit. A call whose
    name is computed may emit whatever stands somewhere in the code.

    Args:
        place: where findings about the whole plugin belong.
    """
    emitted: set[str] = set()
    computed = False
    for module in code.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit":
                names = _names(node)
                computed = computed or not names
                emitted.update(names)
                for name in names:
                    if name not in table.events:
                        yield module.finding(node, "HN505", name)
    if computed:
        emitted |= _texts(code)
    for name in sorted(table.events.keys() - emitted):
        yield Finding(place, 0, 0, "HN506", name)


def _names(call: ast.Call) -> list[str]:
    """Events that a call of `emit` names; none when its name is computed."""
    given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "name"), None)
    branches = [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
    texts = [each.value for each in branches if isinstance(each, ast.Constant)]
    names = [text for text in texts if isinstance(text, str)]
    return names if len(names) == len(branches) else []


def _texts(code: Code) -> set[str]:
    """Every text of the code but for those that declare an event."""
    declaring = {
        id(node.args[0])
        for module in code.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "event"
        and node.args
    }
    return {
        node.value
        for module in code.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in declaring
    }
