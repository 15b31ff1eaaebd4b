"""What a module may import: the plugin API, msgspec, and the parts of the standard library that only compute."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code, Module

ALLOWED = frozenset(
    (
        "__future__",
        "abc",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "itertools",
        "msgspec",
        "operator",
        "string",
        "typing",
    )
)
"""Roots that handlers may import, beside the own package and `hnnode.plugin_api`; counted code gets of them what
`hnnode.execution.metering` gives out.
"""
ALLOWED_UNCOUNTED = ALLOWED | {"re", "types"}
ALLOWED_OFF_CHAIN = ALLOWED_UNCOUNTED | frozenset(
    [
        "base64",
        "binascii",
        "bisect",
        "csv",
        "datetime",
        "decimal",
        "fractions",
        "hashlib",
        "heapq",
        "json",
        "math",
        "random",
        "statistics",
        "struct",
        "textwrap",
        "unicodedata",
        "xml",
    ]
)
"""What modules that no handler reaches may import as well: readers of documents, load generators."""
PROGRAM = "__main__"
ALLOWED_PROGRAM = ALLOWED_OFF_CHAIN | {"argparse", "pathlib", "sys"}
"""What `python -m hn_name` may import: people run it, no node loads it."""
API = "hnnode.plugin_api"
_HOST_SIDE = frozenset((f"{API}.testing", f"{API}.manifest"))


def check(code: Code, module: Module) -> Iterator[Finding]:
    on_chain = ALLOWED if code.metered else ALLOWED_UNCOUNTED
    allowed = ALLOWED_OFF_CHAIN if module.off_chain else on_chain
    if module.off_chain and module.name == f"{code.package}.{PROGRAM}":
        allowed = ALLOWED_PROGRAM
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _judge(code, module, node, alias.name, allowed)
        elif isinstance(node, ast.ImportFrom):
            names = {module.imported.get(alias.asname or alias.name, ("", ""))[0] for alias in node.names}
            for origin in sorted(names):
                if origin == code.package:  # `from hn_x import handlers` names modules
                    for alias in node.names:
                        yield from _judge(code, module, node, f"{origin}.{alias.name}", allowed)
                elif origin == "hnnode":
                    for alias in node.names:
                        yield from _judge(code, module, node, f"hnnode.{alias.name}", allowed)
                else:
                    yield from _judge(code, module, node, origin, allowed)


def _judge(code: Code, module: Module, node: ast.AST, name: str, allowed: frozenset[str]) -> Iterator[Finding]:
    root = name.partition(".")[0]
    if root == code.package:
        target = code.modules.get(name)
        if target is not None and target.off_chain and not (module.off_chain or module.has_hooks):
            yield module.finding(node, "HN113", name)
    elif root in ("hnnode", "hnnode_native"):
        inside = name == API or name.startswith(f"{API}.")
        if not inside or name in _HOST_SIDE:
            yield module.finding(node, "HN111", name)
    elif root in ("importlib", "imp", "pkgutil", "runpy"):
        yield module.finding(node, "HN112", name)
    elif root not in allowed:
        yield module.finding(node, "HN110", name)
