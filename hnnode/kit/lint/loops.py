"""Loops that may never end.

A `for` over something finite ends. A `while` has a visible bound when its condition can change: when a name in it is
assigned in the body, or a method of it is called there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code, Module, root_name

_ENDLESS = frozenset(("count", "cycle"))


def check(_: Code, module: Module) -> Iterator[Finding]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.While) and not _can_end(node):
            yield module.finding(node, "HN214", f"while {ast.unparse(node.test)[:60]}")
        elif isinstance(node, ast.Call) and _is_endless(module, node):
            yield module.finding(node, "HN214", ast.unparse(node)[:60])


def _can_end(loop: ast.While) -> bool:
    asked = {part.id for part in ast.walk(loop.test) if isinstance(part, ast.Name)}
    if not asked:
        return False
    if any(isinstance(part, ast.NamedExpr) for part in ast.walk(loop.test)):
        return True
    for statement in loop.body:
        for part in ast.walk(statement):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id in asked:
                return True
            stored = isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load)
            if stored and root_name(part) in asked:  # type: ignore[arg-type]
                return True
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and root_name(part.func) in asked:
                return True
    return False


def _is_endless(module: Module, node: ast.Call) -> bool:
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        if module.imported.get(node.func.value.id) != ("itertools", ""):
            return False
        name = node.func.attr
    elif isinstance(node.func, ast.Name):
        if node.func.id == "iter":
            return len(node.args) == 2
        origin = module.imported.get(node.func.id)
        if origin is None or origin[0] != "itertools":
            return False
        name = origin[1]
    else:
        return False
    return name in _ENDLESS or (name == "repeat" and len(node.args) == 1 and not node.keywords)
