"""A plugin's modules as syntax trees, and what they know of each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from hnnode.kit.findings import Finding
from hnnode.plugin_api.manifest import Manifest

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_MUTABLE_MAKERS = frozenset(("dict", "list", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter"))


@dataclass
class Module:
    """`name`: dotted, from the package on. `path`: for people, relative to the project."""

    name: str
    path: str
    tree: ast.Module
    off_chain: bool
    assigned: dict[str, ast.expr | None] = field(default_factory=dict)
    """Names bound at module level; the value where one is written."""
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name → (module, name in it) for `from m import n`, (module, "") for `import m`."""
    has_hooks: bool = False

    def finding(self, node: ast.AST, rule: str, detail: str = "") -> Finding:
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1
        return Finding(self.path, line, column, rule, detail)

    def functions(self) -> Iterator[tuple[str, FunctionNode]]:
        """(qualified name, function), methods as `Class.method`."""
        waiting: list[tuple[str, ast.AST]] = [("", self.tree)]
        while waiting:
            prefix, node = waiting.pop()
            for child in ast.iter_child_nodes(node):
                if isinstance(child, FunctionNode):
                    yield prefix + child.name, child
                    waiting.append((f"{prefix}{child.name}.", child))
                elif isinstance(child, ast.ClassDef):
                    waiting.append((f"{prefix}{child.name}.", child))
                else:
                    waiting.append((prefix, child))


@dataclass
class Code:
    """All modules of a package by dotted name."""

    package: str
    modules: dict[str, Module]
    broken: list[Finding]
    """Files that are no Python."""
    metered: bool = True

    @classmethod
    def parse(cls, manifest: Manifest, files: dict[str, bytes]) -> Code:
        """files: by path from the package folder."""
        code = cls(manifest.package, {}, [], manifest.code.metered)
        for relative, content in sorted(files.items()):
            if not relative.endswith(".py"):
                continue
            path = f"{manifest.package}/{relative}"
            stem = relative.removesuffix(".py").replace("/", ".")
            name = f"{manifest.package}.{stem}".removesuffix(".__init__")
            off_chain = any(fnmatchcase(stem, pattern) for pattern in manifest.code.off_chain)
            try:
                tree = ast.parse(content, path)
            except (SyntaxError, ValueError, RecursionError) as e:
                line = e.lineno or 0 if isinstance(e, SyntaxError) else 0
                code.broken.append(Finding(path, line, 1, "HN106", str(e)))
                continue
            module = Module(name, path, tree, off_chain)
            _bind(module, code.package)
            code.modules[name] = module
        return code

    def resolve(self, module: Module, name: str) -> tuple[Module, str] | None:
        """Where a module-level name of this package is bound; None for anything else."""
        if name in module.assigned:
            return module, name
        origin = module.imported.get(name)
        if origin is None or not origin[1]:
            return None
        found = self.modules.get(origin[0])
        return (found, origin[1]) if found is not None and origin[1] in found.assigned else None


def _bind(module: Module, package: str) -> None:
    for node in module.tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        module.assigned[name.id] = node.value if isinstance(target, ast.Name) else None
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            module.assigned[node.target.id] = node.value
    for part in ast.walk(module.tree):
        if isinstance(part, ast.ImportFrom):
            origin = _absolute(module, part, package)
            for alias in part.names:
                module.imported[alias.asname or alias.name] = (origin, alias.name)
                module.has_hooks = module.has_hooks or alias.name == "hookimpl"
        elif isinstance(part, ast.Import):
            for alias in part.names:
                module.imported[alias.asname or alias.name.partition(".")[0]] = (alias.name, "")


def _absolute(module: Module, node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level] or [package]
    return ".".join([*base, *([node.module] if node.module else [])])


def is_mutable(value: ast.expr | None) -> bool:
    """Whether an expression makes a dict, a list or another thing that can be changed."""
    if isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp):
        return True
    if isinstance(value, ast.Call):
        name = value.func.id if isinstance(value.func, ast.Name) else getattr(value.func, "attr", "")
        return name in _MUTABLE_MAKERS
    return False


def local_names(function: FunctionNode) -> set[str]:
    """Parameters and names that the function binds itself."""
    spec = function.args
    every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *(a for a in (spec.vararg, spec.kwarg) if a is not None)]
    bound = {argument.arg for argument in every}
    shared: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            shared.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return bound - shared


def root_name(node: ast.expr) -> str:
    """`CACHE` of `CACHE["a"].b`; empty when it does not start with a name."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
