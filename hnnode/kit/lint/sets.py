"""Places where the order of a set would become visible.

What is a set is found by its form: displays, comprehensions, `set(…)`, operators and methods that give sets, names that
hold such a value or are annotated as one. Functions that do not look at the order may take it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code, FunctionNode, Module

_ANNOTATIONS = frozenset(("set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"))
_METHODS = frozenset(("union", "intersection", "difference", "symmetric_difference"))
_BLIND = frozenset(("sorted", "set", "frozenset", "min", "max", "sum", "len", "any", "all", "bool"))
_ORDERED = frozenset(("list", "tuple", "iter", "enumerate", "zip", "map", "filter", "reversed", "next"))
_ORDERED_METHODS = frozenset(("join", "extend", "fromkeys", "writelines"))


def check(code: Code, module: Module) -> Iterator[Finding]:
    known = _Sets(code, module)
    yield from _Visitor(module, known).run()


class _Sets:
    """Which expressions are sets."""

    def __init__(self, code: Code, module: Module) -> None:
        self._code = code
        self._module = module
        self._attributes = {
            node.target.attr
            for node in ast.walk(module.tree)
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Attribute)
            and _annotated(node.annotation)
        }
        self._locals: list[dict[str, bool]] = []

    def enter(self, function: FunctionNode) -> None:
        names: dict[str, bool] = {}
        self._locals.append(names)
        spec = function.args
        for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs):
            names[argument.arg] = argument.annotation is not None and _annotated(argument.annotation)
        for _ in range(2):  # a name may be used above the line that says what it is
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    names[name] = names.get(name, False) or self.is_set(node.value)
                elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    names[node.target.id] = _annotated(node.annotation)

    def leave(self) -> None:
        self._locals.pop()

    def is_set(self, node: ast.expr | None) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                return node.func.id in ("set", "frozenset")
            if isinstance(node.func, ast.Attribute):
                return node.func.attr in _METHODS or (node.func.attr == "copy" and self.is_set(node.func.value))
            return False
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.BitXor | ast.Sub):
            sides = (node.left, node.right)
            return any(self.is_set(side) or _is_keys(side) for side in sides)
        if isinstance(node, ast.IfExp):
            return self.is_set(node.body) or self.is_set(node.orelse)
        if isinstance(node, ast.NamedExpr):
            return self.is_set(node.value)
        if isinstance(node, ast.Attribute):
            return node.attr in self._attributes
        if isinstance(node, ast.Name):
            for names in reversed(self._locals):
                if node.id in names:
                    return names[node.id]
            found = self._code.resolve(self._module, node.id)
            return found is not None and _plain_set(found[0].assigned[found[1]])
        return False


def _plain_set(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Set | ast.SetComp):
        return True
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in ("set", "frozenset")


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")


def _annotated(annotation: ast.expr) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
    return name in _ANNOTATIONS


class _Visitor(ast.NodeVisitor):
    def __init__(self, module: Module, known: _Sets) -> None:
        self._module = module
        self._known = known
        self._found: list[Finding] = []
        self._blind: set[ast.AST] = set()

    def run(self) -> list[Finding]:
        self.visit(self._module.tree)
        return self._found

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._known.enter(node)
        self.generic_visit(node)
        self._known.leave()

    def visit_For(self, node: ast.For) -> None:
        self._check(node.iter)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
            self._check(node.value)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        if isinstance(node.ctx, ast.Load) and node not in self._blind:
            self._check(node.value)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        self._blind.update(node.elts)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> None:
        if node not in self._blind:
            for generator in node.generators:
                self._check(generator.iter)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in _BLIND or method in _METHODS or method in ("update", "issubset", "issuperset", "isdisjoint"):
            self._blind.update(node.args)
        elif name in _ORDERED or method in _ORDERED_METHODS:
            for argument in node.args:
                self._check(argument)
        elif method == "pop" and not node.args and self._known.is_set(getattr(node.func, "value", None)):
            self._found.append(self._module.finding(node, "HN208", ast.unparse(node)[:80]))
        self.generic_visit(node)

    def _check(self, node: ast.expr) -> None:
        if self._known.is_set(node):
            self._found.append(self._module.finding(node, "HN208", ast.unparse(node)[:80]))
