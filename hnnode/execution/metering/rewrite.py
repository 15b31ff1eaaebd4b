"""Rewrites a module's syntax tree so that its work is counted, and refuses what cannot be.

    def f(a):                       def f(a):
        for x in a:                     _hn_cell = _hn_enter()
            total = total + x           try:
        return total           →            for x in _hn_each(a):
                                                _hn_cell[0] -= 1
                                                if _hn_cell[0] < 0: _hn_over()
                                                total = _hn_add(total, x)
                                            return total
                                        finally:
                                            _hn_cell[1] += 1

Invariants:
1. A loop's turn, a call and a comprehension's turn each take one tick, whatever the interpreter's version.
2. An operator on two operands that are not constants is a counted call; so is an operator that can make something large
   from small operands.
3. Generator expressions become lists.
4. An exception that is about the host or ends the transaction passes every `except`.
5. A private attribute is one of an object whose class the plugin defines.
6. A generator that rests holds no depth, and nothing of it runs when it is forgotten.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from hnnode.execution.metering.names import known, within
from hnnode.execution.metering.nodes import (
    PREFIX,
    annotations_of,
    assign,
    at,
    call,
    compared,
    crowded,
    gone_over,
    hashed,
    is_plain,
    is_text,
    listed,
    named,
    restore,
    shape_node,
    shape_of,
    stored,
    typed,
)
from hnnode.execution.metering.refusals import Refusals

CELL = "_hn_cell"
HELD = "_hn_held"
_BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mult",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.Mod: "mod",
    ast.BitOr: "bitor",
    ast.BitAnd: "bitand",
    ast.BitXor: "bitxor",
    ast.FloorDiv: "floordiv",
    ast.RShift: "rshift",
}
_SMALL_WITH_CONSTANT = (ast.Add, ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor, ast.FloorDiv, ast.RShift)


def rewrite(tree: ast.Module, where: str, methods: frozenset[str]) -> ast.Module:
    """The counted module.

    Args:
        where: the file, for refusals. methods: attributes whose use is counted.
    Raises: ConfigError: it holds something that cannot be counted.
    """
    Refusals(where, methods).visit(tree)
    made = _Rewriter(methods, known(tree)).visit(tree)
    assert isinstance(made, ast.Module)
    start = 0
    for index, node in enumerate(made.body):
        is_text = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            start = index + 1
    made.body.insert(start, assign(CELL, call("enter")))
    return ast.fix_missing_locations(made)


class _Rewriter(ast.NodeTransformer):
    def __init__(self, methods: frozenset[str], known: frozenset[str]) -> None:
        self._methods = methods
        self._known = known
        self._temporary = 0

    # -------------------------------------------------------------- loops and calls
    def _turn(self) -> list[ast.stmt]:
        left: Any = ast.Subscript(named(CELL), ast.Constant(0), ast.Store())
        test = ast.Compare(ast.Subscript(named(CELL), ast.Constant(0), ast.Load()), [ast.Lt()], [ast.Constant(0)])
        return [ast.AugAssign(left, ast.Sub(), ast.Constant(1)), ast.If(test, [ast.Expr(call("over"))], [])]

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = gone_over(node.iter, node.target)
        node.body = [*self._turn(), *node.body]
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        node.body = [*self._turn(), *node.body]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        annotations = annotations_of(node)
        self.generic_visit(node)
        restore(node, annotations)
        node.decorator_list = [self._made(each) for each in node.decorator_list]
        given: Any = ast.Subscript(named(CELL), ast.Constant(1), ast.Store())
        text = node.body[:1] if ast.get_docstring(node, clean=False) is not None else []
        body = node.body[len(text) :] or [ast.Pass()]
        enter: list[ast.stmt] = [assign(CELL, call("enter"))]
        held: ast.expr = ast.Constant(1)
        if any(isinstance(each, ast.Yield) for part in body for each in (part, *within(part))):
            enter.append(assign(HELD, ast.List([held], ast.Load())))
            held = ast.Subscript(named(HELD), ast.Constant(0), ast.Load())
        leave = ast.AugAssign(given, ast.Add(), held)
        node.body = [*text, *enter, ast.Try(body, [], [], [leave])]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """`__module__` says which copy of the code a class is of; libraries look its annotations up there."""
        self.generic_visit(node)
        start = 1 if ast.get_docstring(node, clean=False) is not None else 0
        node.body.insert(start, assign("__module__", named(f"{PREFIX}module")))
        node.decorator_list = [self._made(each) for each in node.decorator_list]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.generic_visit(node)
        inner = ast.Lambda(ast.arguments([], [], None, [], [], None, []), node.body)
        node.body = at(call("call", inner), node.body)
        return node

    def _comprehension(self, generators: Sequence[ast.comprehension]) -> None:
        for each in generators:
            each.iter = gone_over(each.iter, each.target)
            each.ifs.insert(0, call("tick"))

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        self.generic_visit(node)
        self._comprehension(node.generators)
        return node

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        """The members are made first, and counted together."""
        self.generic_visit(node)
        self._comprehension(node.generators)
        return at(call("members", ast.ListComp(node.elt, node.generators)), node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        self.generic_visit(node)
        self._comprehension(node.generators)
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return at(call("pairs", ast.ListComp(pair, node.generators)), node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        self.generic_visit(node)
        self._comprehension(node.generators)
        return at(ast.ListComp(node.elt, node.generators), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        node.func = self._made(node.func)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        if node.arg is None:
            node.value = at(call("mapping", node.value), node.value)
        return node

    def visit_Set(self, node: ast.Set) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(each, ast.Starred) for each in node.elts):
            return at(call("members", ast.List(node.elts, ast.Load())), node)
        keys = node.elts
        node.elts = [hashed(each) for each in keys]
        return crowded(node, keys)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        parts, keys = ast.Constant(node.keys.count(None)), [key for key in node.keys if key is not None]
        for index, key in enumerate(node.keys):
            if key is None:
                node.values[index] = at(call("mapping", node.values[index], parts), node)
            else:
                node.keys[index] = hashed(key)
        return crowded(node, keys)

    def _made(self, function: ast.expr) -> ast.expr:
        """What is called: it may be a built-in type, whose call has a counted twin."""
        if isinstance(function, ast.Name) and (function.id in self._known or function.id.startswith(PREFIX)):
            return function
        return at(call("made", function), function)

    def visit_Yield(self, node: ast.Yield) -> ast.AST:
        self.generic_visit(node)
        node.value = call("paused", named(CELL), named(HELD), node.value or ast.Constant(None))
        return at(call("resumed", named(CELL), named(HELD), node), node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        """`yield from` as a statement is a loop."""
        if not isinstance(node.value, ast.YieldFrom):
            self.generic_visit(node)
            return node
        self._temporary += 1
        name = f"{PREFIX}{self._temporary}"
        body: list[ast.stmt] = [ast.Expr(ast.Yield(named(name)))]
        return self.visit(at(ast.For(ast.Name(name, ast.Store()), node.value.value, body, []), node))

    # -------------------------------------------------------------- operators
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return at(self._binary(node.left, node.op, node.right), node)

    def _binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
        name = _BINARY.get(type(op))
        grows = isinstance(op, (ast.LShift, ast.Pow))  # also of two constants
        both = not grows and _is_small(left) and _is_small(right)
        either = _is_small(left) or _is_small(right)
        if name is None or both or (either and isinstance(op, _SMALL_WITH_CONSTANT)):
            return ast.BinOp(left, op, right)
        return call(name, left, right)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        if _is_small(node.value) and isinstance(node.op, (ast.Add, ast.Sub)):
            return node
        name = "iadd" if isinstance(node.op, ast.Add) else _BINARY.get(type(node.op))
        if name is None:
            return node
        before: list[ast.stmt] = []
        target = node.target
        if isinstance(target, ast.Name):
            value: ast.expr = named(target.id)
        elif isinstance(target, ast.Attribute):
            owner = self._keep(target.value, before)
            value = self._attribute(ast.Attribute(named(owner), target.attr, ast.Load()))
            target = ast.Attribute(named(owner), target.attr, ast.Store())
        else:
            owner, index = self._keep(target.value, before), self._keep(target.slice, before)
            value = ast.Subscript(named(owner), named(index), ast.Load())
            target = ast.Subscript(named(owner), named(index), ast.Store())
        made = ast.Assign([target], call(name, value, node.value))
        return [at(each, node) for each in (*before, made)]

    def _keep(self, value: ast.expr, before: list[ast.stmt]) -> str:
        self._temporary += 1
        name = f"{PREFIX}{self._temporary}"
        before.append(assign(name, value))
        return name

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        operands, tests = [node.left, *node.comparators], []
        if all(is_plain(*each) for each in zip(operands, node.ops, operands[1:], strict=False)):
            return node
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            again = right
            if right is not operands[-1] and not isinstance(right, (ast.Name, ast.Constant)):
                self._temporary += 1
                again = named(f"{PREFIX}{self._temporary}")
                right = ast.NamedExpr(ast.Name(again.id, ast.Store()), right)
            tests.append(at(compared(left, op, right), node))
            left = again
        return tests[0] if len(tests) == 1 else at(ast.BoolOp(ast.And(), tests), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
            parts = [part or ast.Constant(None) for part in (node.slice.lower, node.slice.upper, node.slice.step)]
            return at(call("slice", node.value, *parts), node)
        if isinstance(node.slice, ast.Slice) or is_text(node.slice):
            return node
        if isinstance(node.ctx, ast.Load):
            return at(call("item", node.value, node.slice), node)
        where = node.value
        if not isinstance(where, ast.Name):
            self._temporary += 1
            where = named(f"{PREFIX}{self._temporary}")
            node.value = at(ast.NamedExpr(ast.Name(where.id, ast.Store()), node.value), node)
        node.slice = at(call("key", node.slice, named(where.id)), node.slice)
        return node

    def visit_Delete(self, node: ast.Delete) -> Any:
        """A slice or an item that goes moves what is behind it: an empty slice is stored for a slice."""
        made: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
                target = self.visit(target)
                made.append(stored(target, target.slice, ast.Tuple([], ast.Load())))
            elif isinstance(target, ast.Subscript):
                made.append(ast.Expr(call("remove", self.visit(target.value), self.visit(target.slice))))
            else:
                made.append(ast.Delete([self.visit(target)]))
        return [at(each, node) for each in made]

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = at(call("items", node.value), node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        target = node.targets[0]  # the only one, where a value is unpacked or put in a slice: see `Refusals`
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
            return at(stored(target, target.slice, node.value), node)
        if isinstance(target, (ast.Tuple, ast.List)):
            shape = shape_of(target)
            plain = isinstance(node.value, (ast.Tuple, ast.List)) and shape == (False, ())
            if not plain:
                node.value = at(call("parts", node.value, shape_node(shape)), node.value)
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        copies, values = 0, []
        for each in ast.walk(ast.Module([*(ast.Expr(case.pattern) for case in node.cases)], [])):  # type: ignore[arg-type]
            if isinstance(each, (ast.MatchStar, ast.MatchMapping)):
                copies += (each.name if isinstance(each, ast.MatchStar) else each.rest) is not None
            if isinstance(each, (ast.MatchValue, ast.MatchMapping)):
                found = [each.value] if isinstance(each, ast.MatchValue) else each.keys
                values += [value for value in found if isinstance(value, ast.Attribute)]
        node.subject = self.visit(node.subject)
        if copies or values:
            node.subject = at(call("subject", node.subject, ast.Constant(copies), *values), node.subject)
        for case in node.cases:  # the patterns stay as they are
            case.guard = self.visit(case.guard) if case.guard is not None else None
            case.body = [made for each in case.body for made in listed(self.visit(each))]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        node.target = self.visit(node.target)
        node.annotation = typed(node.annotation)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr.startswith("_") and not node.attr.startswith("__"):
            node.value = at(call("own", node.value), node.value)
        if isinstance(node.ctx, ast.Load):
            return self._attribute(node)
        node.value = at(call("owner", node.value), node.value)
        return node

    def _attribute(self, node: ast.Attribute) -> ast.expr:
        if node.attr not in self._methods:
            return node
        return at(call("attribute", node.value, ast.Constant(node.attr)), node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        if node.format_spec is None:
            node.value = at(call("text", node.value), node.value)
            return node
        value = call("format", node.value, node.format_spec)
        return at(ast.FormattedValue(value, -1, None), node)

    # -------------------------------------------------------------- faults
    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        if node.exc is not None:
            node.exc = at(call("raised", node.exc), node.exc)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        if node.type is not None:
            node.type = at(call("kinds", node.type), node.type)
        node.body = [ast.Expr(call("caught")), *node.body]
        return node


def _is_small(node: ast.expr) -> bool:
    """An integer constant of ordinary size."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value < 1 << 64
