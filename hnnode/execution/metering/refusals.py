"""What metered code may not hold: it is refused when it is loaded, with file, line and reason.

A wall in front of the sandbox, not in its place: it keeps what cannot be counted, or would differ between hosts, away
from the code that decides results.
"""

from __future__ import annotations

import ast
from typing import Any

from hnnode.execution.metering.names import names_bound, within
from hnnode.execution.source import invalid

NAMES = {
    **dict.fromkeys(("eval", "exec", "compile", "__import__"), "runs code that was not checked"),
    **dict.fromkeys(("open", "input", "print", "breakpoint", "help", "exit", "quit"), "reaches out of the plugin"),
    **dict.fromkeys(
        ("getattr", "setattr", "delattr", "hasattr", "vars", "dir", "globals", "locals", "memoryview"),
        "reaches into values by name",
    ),
    **dict.fromkeys(("hash", "id", "repr", "ascii"), "differs between processes"),
    **dict.fromkeys(("float", "complex"), "makes a fraction; use integers"),
    **dict.fromkeys(
        ("BaseException", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "MemoryError", "RecursionError"),
        "is not the plugin's to handle",
    ),
}
FRAMES = ("gi_", "cr_", "ag_", "tb_", "f_", "co_", "func_")
ATTRIBUTES = frozenset(("mro", "with_traceback", "add_note", "format", "format_map", "_make"))
METHODS = frozenset(
    [
        "__init__",
        "__post_init__",
        "__eq__",
        "__ne__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__hash__",
        "__bool__",
        "__len__",
        "__iter__",
        "__next__",
        "__contains__",
        "__getitem__",
        "__setitem__",
        "__call__",
        "__add__",
        "__sub__",
        "__mul__",
        "__neg__",
        "__str__",
        "__repr__",
    ]
)
MODULE_NAMES = frozenset(("__all__", "__slots__", "__name__", "__doc__"))
SUPER = frozenset(("__init__", "__post_init__"))
"""Methods of a base class that may be called: the others would be those of `object` or of a named tuple, whose results
differ between processes or whose work is not counted.
"""
TOOL_HOOKS = frozenset(("hn_bench_workload", "hn_import"))
"""Hooks that no node calls: they may import when they are called."""
NODES_MAX = 200_000


class Refusals(ast.NodeVisitor):
    """One pass over a module; raises ConfigError at the first thing that may not be."""

    def __init__(self, where: str, methods: frozenset[str]) -> None:
        """methods: attributes whose use is counted."""
        self._where = where
        self._methods = methods
        self._bound: frozenset[str] = frozenset()
        self._functions: list[str] = []

    def _refuse(self, node: ast.AST, reason: str) -> None:
        raise invalid(f"{self._where}:{getattr(node, 'lineno', 1)}: {reason}")

    def visit_Module(self, node: ast.Module) -> None:
        bound: set[str] = set()
        for count, each in enumerate(ast.walk(node)):
            if count > NODES_MAX:
                self._refuse(node, f"more than {NODES_MAX} syntax nodes")
            if getattr(each, "type_params", None):
                self._refuse(each, "type parameters: the oldest interpreter of a chain does not know them")
            bound.update(names_bound(each))
        self._bound = frozenset(bound)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._check_name(node, node.id)
        if isinstance(node.ctx, ast.Load) and node.id in NAMES and node.id not in self._bound:
            self._refuse(node, f"{node.id}: {NAMES[node.id]}")

    def _check_name(self, node: ast.AST, name: str | None) -> None:
        if name is None:
            return
        if name.startswith("_hn_"):
            self._refuse(node, f"{name}: names that begin with _hn_ are the node's")
        if name.startswith("__") and name not in MODULE_NAMES:
            self._refuse(node, f"{name}: names with two underscores are not for plugins")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        is_super = name in SUPER and self._is_super(node.value)
        if name.startswith("__") and not is_super:
            self._refuse(node, f".{name}: attributes with two underscores are not for plugins")
        if name.startswith("_") and not own and not is_super:
            self._refuse(node, f".{name}: another object's private attribute")
        if name.startswith(FRAMES) or name in ATTRIBUTES:
            self._refuse(node, f".{name}: reaches into the interpreter")
        self.generic_visit(node)

    def _is_super(self, node: ast.expr) -> bool:
        """Whether this is the `super()` of the language."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "super"
            and not node.args
            and not node.keywords
            and "super" not in self._bound
        )

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name.startswith("__") and node.name not in METHODS:
            self._refuse(node, f"{node.name}: not a method that plugins may define")
        self._check_name(node, node.name if not node.name.startswith("__") else None)
        self._check_annotation(node.returns)
        self._functions.append(node.name)
        self.generic_visit(node)
        self._functions.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._check_name(node, node.name)
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg == "metaclass":
                self._refuse(node, f"{node.name}: a class of another kind")
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self._check_name(node, node.arg)
        self._check_annotation(node.annotation)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._check_annotation(node.annotation)
        self.generic_visit(node)

    def _check_annotation(self, node: ast.expr | None) -> None:
        """Annotations are evaluated by libraries, without being counted: no work may stand in one."""
        for each in ast.walk(node) if node is not None else ():
            if isinstance(each, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda, ast.NamedExpr)):
                self._refuse(each, "an annotation holds names, constants and Meta alone")
            if isinstance(each, ast.BinOp) and not isinstance(each.op, (ast.BitOr, ast.Sub, ast.Add)):
                power = isinstance(each.op, (ast.Pow, ast.LShift)) and isinstance(each.right, ast.Constant)
                if not (power and isinstance(each.right.value, int) and 0 <= each.right.value <= 64):  # type: ignore[attr-defined]
                    self._refuse(each, "an annotation holds names, constants and Meta alone")
            if isinstance(each, ast.Call) and not _is_named(each.func, "Meta"):
                self._refuse(each, "an annotation holds names, constants and Meta alone")
        if node is not None:
            self._check_text(node)

    def _check_text(self, node: ast.expr) -> None:
        """Text in an annotation would be run, but not in `Meta` or `Literal`."""
        waiting: list[ast.AST] = [node]
        while waiting:
            each = waiting.pop()
            if isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str)):
                self._refuse(each, "an annotation is not written as text")
            if isinstance(each, ast.Call) or (isinstance(each, ast.Subscript) and _is_named(each.value, "Literal")):
                continue
            waiting.extend(ast.iter_child_nodes(each))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is None:
            self._refuse(node, "except without a type would catch the end of the transaction")
        self._check_name(node, node.name)
        self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        if any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in ast.walk(node.body)):
            self._refuse(node, "yield in a lambda: write a function")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        self.generic_visit(node.value if isinstance(node.value, ast.YieldFrom) else node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self._refuse(node, "yield from has no value here; write a loop")

    def visit_With(self, node: ast.With) -> None:
        self._refuse(node, "with: its end could hide the end of the transaction; write try and finally")

    def visit_Try(self, node: ast.Try) -> None:
        for each in node.finalbody:
            self._check_end(each, False)
        if node.finalbody and any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in within(node)):
            self._refuse(node, "yield within try and finally: when a generator that was left ends is not certain")
        self.generic_visit(node)

    def _check_end(self, node: ast.AST, in_loop: bool) -> None:
        """Leaving a `finally` early forgets the exception that is on its way."""
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            return
        if isinstance(node, ast.Return) or (isinstance(node, (ast.Break, ast.Continue)) and not in_loop):
            self._refuse(node, f"{type(node).__name__.lower()} in finally: it could hide the end of the transaction")
        if isinstance(node, (ast.For, ast.While)):
            for turn in node.body:
                self._check_end(turn, True)
            for after in node.orelse:
                self._check_end(after, in_loop)
            return
        for each in ast.iter_child_nodes(node):
            self._check_end(each, in_loop)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, (float, complex)):
            self._refuse(node, f"{node.value!r}: a fraction; use integers")
        if type(node.value) is int and node.value.bit_length() > 4_096:
            self._refuse(node, "an integer of more than 4,096 bits")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._check_operator(node, node.op)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._check_operator(node, node.op)
        self.generic_visit(node)

    def _check_operator(self, node: ast.AST, op: ast.operator) -> None:
        if isinstance(op, ast.Div):
            self._refuse(node, "/: makes a fraction; use //")
        if isinstance(op, ast.MatMult):
            self._refuse(node, "@: not for plugins")

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        if node.conversion not in (-1, 115):
            self._refuse(node, "!r in a text: differs between processes")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        slices = [
            each for each in node.targets if isinstance(each, ast.Subscript) and isinstance(each.slice, ast.Slice)
        ]
        if len(node.targets) > 1 and (slices or any(isinstance(each, (ast.Tuple, ast.List)) for each in node.targets)):
            self._refuse(node, "a value that is unpacked or put in a slice has one target")
        self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        for each in ast.walk(node):
            if (isinstance(each, ast.MatchStar) and each.name) or (isinstance(each, ast.MatchMapping) and each.rest):
                self._refuse(node, "a pattern of a class takes no rest of a list or dictionary")
        for name in node.kwd_attrs:
            if name.startswith("_") or name.startswith(FRAMES):
                self._refuse(node, f"{name}: another object's private attribute")
            if name in self._methods or name in ATTRIBUTES:
                self._refuse(node, f"{name}: a pattern takes a method of built-in types; give it a name and test that")
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._check_name(node, node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._check_name(node, node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._check_name(node, node.rest)
        for key in node.keys:
            if not (isinstance(key, ast.Constant) and isinstance(key.value, (str, bytes))):
                self._refuse(key, "keys of a pattern are texts or bytes")
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        if any(isinstance(each, (ast.Tuple, ast.List)) for each in node.targets):
            self._refuse(node, "del of several things names them one after the other")
        self.generic_visit(node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        for name in node.names:
            self._check_name(node, name)

    def _not_for_plugins(self, node: ast.AST) -> None:
        self._refuse(node, f"{type(node).__name__}: not for plugins")

    visit_AsyncFunctionDef = visit_AsyncFor = visit_AsyncWith = visit_Await = _not_for_plugins
    visit_TryStar = visit_TemplateStr = visit_TypeAlias = visit_Global = _not_for_plugins

    def visit_Import(self, node: ast.Import) -> Any:
        for alias in node.names:
            self._check_import(node, alias)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        for alias in node.names:
            if alias.name == "*":
                self._refuse(node, "import *: names must be seen")
            self._check_name(node, alias.name)
            self._check_import(node, alias)

    def _check_import(self, node: ast.AST, alias: ast.alias) -> None:
        if self._functions and self._functions[0] not in TOOL_HOOKS:
            self._refuse(node, f"{alias.name}: imports stand at the top of a module")
        if any(part.startswith("__") for part in alias.name.split(".")):
            self._refuse(node, f"{alias.name}: names with two underscores are not for plugins")
        self._check_name(node, alias.asname)


def _is_named(node: ast.expr, name: str) -> bool:
    """Whether this is a name, alone or of a module."""
    return getattr(node, "id", getattr(node, "attr", None)) == name
