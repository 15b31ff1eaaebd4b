"""Names, literals and small forms that are wrong wherever they stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code, Module, is_mutable

_VARYING = frozenset(("hash", "id", "repr", "ascii", "dir"))
_HOST = frozenset(
    ("open", "input", "eval", "exec", "compile", "print", "breakpoint", "globals", "locals", "vars", "exit", "quit")
)
_DYNAMIC = frozenset(("getattr", "setattr", "delattr", "hasattr"))
_UNICODE = frozenset(
    [
        "lower",
        "upper",
        "casefold",
        "capitalize",
        "title",
        "swapcase",
        "isalpha",
        "isalnum",
        "isnumeric",
        "isdecimal",
        "isdigit",
        "islower",
        "isupper",
        "istitle",
        "isidentifier",
        "isprintable",
        "isspace",
    ]
)
_CACHES = frozenset(("lru_cache", "cache", "cached_property", "singledispatch"))
_BROAD = frozenset(("Exception", "BaseException", "TxRefused"))
_HOOKS = frozenset(("__del__", "__getattr__", "__getattribute__", "__setattr__", "__delattr__", "__init_subclass__"))
_DUNDER_ALLOWED = frozenset(("__init__", "__post_init__", "__struct_fields__"))
_UNICODE_CLASS = re.compile(r"\\[wWdDsSbB]")
_REPR_FORMAT = re.compile(r"%[-#0 +]*[0-9*]*(?:\.[0-9*]+)?[ra]")


def check(_: Code, module: Module) -> Iterator[Finding]:
    yield from check_host(_, module)
    ascii_only = _ascii_guarded(module)
    for node in ast.walk(module.tree):
        yield from _literals(module, node)
        if node not in ascii_only:
            yield from _attributes(module, node)
        yield from _forms(module, node)
        yield from _formatting(module, node)


def check_host(_: Code, module: Module) -> Iterator[Finding]:
    """The part that holds for modules off the chain too: nothing reaches the host."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _HOST:
            yield module.finding(node, "HN204", node.id)
        elif isinstance(node, ast.Name) and node.id == "__import__":
            yield module.finding(node, "HN112", node.id)


def _ascii_guarded(module: Module) -> set[ast.AST]:
    """Attributes such as `x.isdigit` that stand behind `x.isascii() and`."""
    guarded: set[ast.AST] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            safe: set[str] = set()
            for value in node.values:
                for part in ast.walk(value):
                    if isinstance(part, ast.Attribute) and part.attr in _UNICODE and ast.unparse(part.value) in safe:
                        guarded.add(part)
                if (
                    isinstance(value, ast.Call)
                    and isinstance(value.func, ast.Attribute)
                    and value.func.attr == "isascii"
                ):
                    safe.add(ast.unparse(value.func.value))
    return guarded


def _literals(module: Module, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
        yield module.finding(node, "HN201", str(node.value))
    elif isinstance(node, ast.Name) and node.id in ("float", "complex"):
        yield module.finding(node, "HN201", node.id)
    elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        yield module.finding(node, "HN202", ast.unparse(node)[:80])
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.UnaryOp):
        yield module.finding(node, "HN201", ast.unparse(node)[:80])
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _VARYING:
        yield module.finding(node, "HN203", node.id)


def _attributes(module: Module, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Attribute):
        name = node.attr
        if name.startswith("__") and name.endswith("__") and name not in _DUNDER_ALLOWED:
            yield module.finding(node, "HN206", name)
        elif name in _UNICODE and not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, bytes)):
            yield module.finding(node, "HN209", f".{name}")
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _DYNAMIC:
        constant = len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
        if not constant:
            yield module.finding(node, "HN205", ast.unparse(node)[:80])
    elif isinstance(node, ast.FunctionDef) and node.name in _HOOKS:
        yield module.finding(node, "HN218", node.name)


def _forms(module: Module, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.ExceptHandler):
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        for kind in kinds:
            name = "except" if kind is None else ast.unparse(kind)
            if kind is None or name.rpartition(".")[2] in _BROAD:
                yield module.finding(node, "HN210", name)
    elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
        yield module.finding(node, "HN215", type(node).__name__)
    elif isinstance(node, ast.Assert):
        yield module.finding(node, "HN216", ast.unparse(node.test)[:80])
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        for decorator in node.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            if name in _CACHES:
                yield module.finding(decorator, "HN211", name)
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if is_mutable(default):
                yield module.finding(default or node, "HN217", ast.unparse(default)[:40] if default else "")


def _formatting(module: Module, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.FormattedValue) and node.conversion in (ord("r"), ord("a")):
        yield module.finding(node, "HN207", f"{ast.unparse(node.value)[:40]}!{chr(node.conversion)}")
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("format", "format_map"):
            yield module.finding(node, "HN207", f".{node.func.attr}")
        yield from _pattern(module, node, node.func)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
        text = node.left.value
        if isinstance(text, str) and _REPR_FORMAT.search(text):
            yield module.finding(node, "HN207", text[:40])


def _pattern(module: Module, node: ast.Call, function: ast.Attribute) -> Iterator[Finding]:
    """A call of `re` whose pattern has a class that follows Unicode, without re.ASCII."""
    if not (isinstance(function.value, ast.Name) and module.imported.get(function.value.id) == ("re", "")):
        return
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and _UNICODE_CLASS.search(first.value):
        flags = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        if not any("ASCII" in ast.unparse(flag) or ast.unparse(flag) == "re.A" for flag in flags):
            yield module.finding(node, "HN209", first.value[:60])
