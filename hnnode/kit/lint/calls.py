"""Functions that call themselves, directly or through others of the package, and reads of undeclared applications."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code, FunctionNode, Module

Place = tuple[str, str]
"""(module, qualified function)."""


def check(code: Code, module: Module) -> Iterator[Finding]:
    graph = _graph(code)
    for qualified, function in module.functions():
        place = (module.name, qualified)
        if place in _reached(graph, place):
            yield module.finding(function, "HN213", qualified)


def _graph(code: Code) -> dict[Place, set[Place]]:
    graph: dict[Place, set[Place]] = {}
    every = {(module.name, name) for module in code.modules.values() for name, _ in module.functions()}
    for module in code.modules.values():
        for qualified, function in module.functions():
            graph[module.name, qualified] = {
                target for target in _calls(code, module, qualified, function) if target in every
            }
    return graph


def _calls(code: Code, module: Module, qualified: str, function: FunctionNode) -> Iterator[Place]:
    owner = qualified.rpartition(".")[0]
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        target = node.func
        if isinstance(target, ast.Name):
            yield module.name, f"{qualified}.{target.id}"
            yield module.name, target.id
            if owner:
                yield module.name, f"{owner}.{target.id}" if not owner[0].isupper() else target.id
            origin = module.imported.get(target.id)
            if origin is not None and origin[0] in code.modules:
                yield origin
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            base = target.value.id
            if base in ("self", "cls") and owner:
                yield module.name, f"{owner}.{target.attr}"
            origin = module.imported.get(base)
            if origin is not None:
                yield ".".join(filter(None, origin)), target.attr


def _reached(graph: dict[Place, set[Place]], start: Place) -> set[Place]:
    """What is called from `start`, at any distance."""
    found: set[Place] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting.extend(graph.get(place, ()))
    return found
