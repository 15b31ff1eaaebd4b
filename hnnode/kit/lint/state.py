"""State outside the chain's state: module-level things that functions change, and attributes of the plugin object."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code, FunctionNode, Module, is_mutable, local_names, root_name

_MUTATORS = frozenset(
    [
        "append",
        "add",
        "update",
        "setdefault",
        "pop",
        "popitem",
        "clear",
        "extend",
        "insert",
        "remove",
        "discard",
        "appendleft",
        "popleft",
        "sort",
        "reverse",
        "__setitem__",
        "__delitem__",
    ]
)
_MAKING = frozenset(("__init__", "__post_init__", "__new__"))


def check(code: Code, module: Module) -> Iterator[Finding]:
    lasting = _lasting_classes(code, module)
    for qualified, function in module.functions():
        bound = local_names(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                yield module.finding(node, "HN212", f"global {', '.join(node.names)}")
            elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
                for target in _targets(node):
                    if _is_module_place(module, target, bound):
                        yield module.finding(node, "HN212", ast.unparse(target)[:80])
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _MUTATORS
                and _is_mutable_name(code, module, node.func.value, bound)
            ):
                yield module.finding(node, "HN212", ast.unparse(node)[:80])
        owner, _, name = qualified.rpartition(".")
        if owner in lasting and name not in _MAKING:
            yield from _own_attributes(module, function)
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and (node.name in lasting or not node.bases):
            for item in node.body:
                value = item.value if isinstance(item, ast.Assign | ast.AnnAssign) else None
                if is_mutable(value) and _is_empty(value):
                    yield module.finding(item, "HN212", f"{node.name}: {ast.unparse(item)[:60]}")


def _targets(node: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete) -> Iterator[ast.expr]:
    """Subscripts and attributes that are stored to or deleted."""
    roots = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
    for root in roots:
        for part in ast.walk(root):
            if isinstance(part, ast.Subscript | ast.Attribute) and not isinstance(part.ctx, ast.Load):
                yield part


def _is_module_place(module: Module, target: ast.expr, bound: set[str]) -> bool:
    name = root_name(target)
    return bool(name) and name not in bound and (name in module.assigned or name in module.imported)


def _is_mutable_name(code: Code, module: Module, node: ast.expr, bound: set[str]) -> bool:
    """Whether a method changes a dict, list or set that a module holds."""
    name = root_name(node)
    if not name or name in bound:
        return False
    if isinstance(node, ast.Name):
        found = code.resolve(module, name)
        return found is not None and is_mutable(found[0].assigned[found[1]])
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):  # module.NAME.append(…)
        origin = module.imported.get(name)
        other = None if origin is None else code.modules.get(".".join(filter(None, origin)))
        return other is not None and is_mutable(other.assigned.get(node.attr))
    return isinstance(node, ast.Subscript) and _is_mutable_name(code, module, node.value, bound)


def _lasting_classes(code: Code, module: Module) -> set[str]:
    """Classes of this module whose objects live as long as the process: plugin objects and module-level instances."""
    lasting = {
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        and any(
            ast.unparse(decorator).rpartition(".")[2].startswith("hookimpl")
            for item in node.body
            if isinstance(item, ast.FunctionDef)
            for decorator in item.decorator_list
        )
    }
    defined = {node.name for node in module.tree.body if isinstance(node, ast.ClassDef)}
    for other in code.modules.values():
        for value in other.assigned.values():
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
                name = value.func.id
                if name in defined and (other is module or other.imported.get(name, ("", ""))[0] == module.name):
                    lasting.add(name)
    return lasting


def _own_attributes(module: Module, function: FunctionNode) -> Iterator[Finding]:
    """Changes of `self` outside the constructor."""
    first = next((argument.arg for argument in (*function.args.posonlyargs, *function.args.args)), "")
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            for target in _targets(node):
                if root_name(target) == first:
                    yield module.finding(node, "HN212", ast.unparse(target)[:80])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
            holder = node.func.value
            if isinstance(holder, ast.Attribute | ast.Subscript) and root_name(holder) == first:
                yield module.finding(node, "HN212", ast.unparse(node)[:80])


def _is_empty(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List | ast.Set):
        return not value.elts
    return isinstance(value, ast.Call) and not value.args
