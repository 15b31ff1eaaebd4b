"""Names that a module of metered code binds, and the parts of its syntax tree that run together."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hnnode.execution.metering.functions import FUNCTIONS, WRAPPERS

_TWINS = {each.__name__ for each in (bytes, bytearray, dict, frozenset, int, list, set, str, tuple)} | WRAPPERS
"""Built-in types whose call has a counted twin, also where a method somewhere in the module has the same name."""
_SCOPES = (ast.FunctionDef, ast.ClassDef, ast.Lambda)


def names_bound(node: ast.AST) -> set[str]:
    """Names that this node gives a value, but for those that `import` does."""
    match node:
        case ast.Name(ctx=ast.Load()):
            return set()
        case ast.Name(id=name) | ast.arg(arg=name):
            return {name}
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name) if name:
            return {name}
        case ast.MatchMapping(rest=name) if name:
            return {name}
    return set()


def known(tree: ast.Module) -> frozenset[str]:
    """Names that are functions or plain classes of this module and nothing else, and counted built-in functions."""
    defined, bound = set(FUNCTIONS), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.ClassDef) and not node.bases):
            defined.add(node.name)  # a class with a base may be an enumeration, whose call looks up a value
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif not isinstance(node, ast.ClassDef):
            bound |= names_bound(node)
        elif node.bases:
            bound.add(node.name)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.decorator_list:
            bound.add(node.name)  # it is what the decorator gives
    return frozenset(defined - bound - _TWINS)


def within(node: ast.AST) -> Iterator[ast.AST]:
    """What is in this node, but for what stands in functions and classes in it."""
    waiting = [*ast.iter_child_nodes(node)]
    while waiting:
        each = waiting.pop()
        yield each
        if not isinstance(each, _SCOPES):
            waiting.extend(ast.iter_child_nodes(each))
