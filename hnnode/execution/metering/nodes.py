"""Parts of a syntax tree that `rewrite` puts in: calls of the counted twins."""

from __future__ import annotations

import ast
from typing import Any, TypeVar, cast

from hnnode.execution.metering.operations import Shape
from hnnode.execution.metering.sizes import CROWD, SPREAD

PREFIX = "_hn_"
_COMPARE = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
N = TypeVar("N", bound=ast.AST)


def named(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(named(PREFIX + name), list(args), [])


def assign(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def at(new: N, old: ast.AST) -> N:
    return ast.copy_location(new, old)


def listed(made: Any) -> list[ast.stmt]:
    return made if isinstance(made, list) else [made]


def is_text(node: ast.expr) -> bool:
    """A key whose hash is another one in each process."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def hashed(node: ast.expr) -> ast.expr:
    """What is hashed, counted; a constant and a text are no work."""
    return node if isinstance(node, (ast.Constant, ast.JoinedStr)) else at(call("key", node), node)


def crowded(node: N, keys: list[ast.expr]) -> ast.expr:
    """A display of a dictionary or set: many keys that are not texts are counted before it is made."""
    count = sum(not isinstance(each, ast.Constant) or type(each.value) not in (str, bytes) for each in keys)
    if count <= CROWD or len(keys) <= CROWD:
        return cast(ast.expr, node)
    ticks = len(keys) ** 2 >> (SPREAD + 1)
    return at(call("second", call("charge", ast.Constant(ticks)), cast(ast.expr, node)), node)


def typed(annotation: ast.expr) -> ast.expr:
    """An annotation of a class, which libraries evaluate: checked when they do. They know `ClassVar` by its text."""
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    if getattr(outer, "id", getattr(outer, "attr", None)) != "ClassVar":
        return at(call("typed", _Parts().visit(annotation)), annotation)
    if isinstance(annotation, ast.Subscript):
        annotation.slice = at(call("typed", _Parts().visit(annotation.slice)), annotation.slice)
    return annotation


class _Parts(ast.NodeTransformer):
    """What is put in brackets in an annotation, checked like in code."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return at(call("item", node.value, node.slice), node)


def shape_of(target: ast.Tuple | ast.List) -> Shape:
    """How a value is unpacked; behind a star, indices count from the end."""
    star = next((i for i, each in enumerate(target.elts) if isinstance(each, ast.Starred)), None)
    nested = []
    for index, each in enumerate(target.elts):
        if isinstance(each, (ast.Tuple, ast.List)):
            nested.append((index - len(target.elts) if star is not None and index > star else index, shape_of(each)))
    return star is not None, tuple(nested)


def shape_node(shape: Shape) -> ast.expr:
    nested: list[ast.expr] = [
        ast.Tuple([ast.Constant(index), shape_node(inner)], ast.Load()) for index, inner in shape[1]
    ]
    return ast.Tuple([ast.Constant(shape[0]), ast.Tuple(nested, ast.Load())], ast.Load())


def gone_over(values: ast.expr, target: ast.expr) -> ast.expr:
    if isinstance(target, (ast.Tuple, ast.List)):
        return at(call("unpacked", values, shape_node(shape_of(target))), values)
    return at(call("each", values), values)


def stored(target: ast.Subscript, part: ast.Slice, value: ast.expr) -> ast.stmt:
    bounds = [each or ast.Constant(None) for each in (part.lower, part.upper, part.step)]
    return ast.Expr(call("store", target.value, *bounds, value))


def is_plain(left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool:
    """A comparison that is no work."""
    if isinstance(op, (ast.In, ast.NotIn)):
        return isinstance(right, ast.Constant)
    return type(op) not in _COMPARE or isinstance(left, ast.Constant) or isinstance(right, ast.Constant)


def compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
    if is_plain(left, op, right):
        return ast.Compare(left, [op], [right])
    if isinstance(op, (ast.In, ast.NotIn)):
        return call("contains" if isinstance(op, ast.In) else "lacks", left, right)
    return call("compare", ast.Constant(_COMPARE[type(op)]), left, right)


def annotations_of(node: ast.FunctionDef) -> list[tuple[Any, Any]]:
    """Annotations stay as they are: they are text, never run. Taken out here, put back by `restore`."""
    a = node.args
    holders: list[Any] = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x is not None)]
    taken = [(each, each.annotation) for each in holders]
    for each, _ in taken:
        each.annotation = None
    taken.append((node, node.returns))
    node.returns = None
    return taken


def restore(node: ast.FunctionDef, taken: list[tuple[Any, Any]]) -> None:
    for each, annotation in taken:
        if each is node:
            node.returns = annotation
        else:
            each.annotation = annotation
