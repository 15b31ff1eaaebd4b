"""Public names of a source file with their signatures and docstrings, read from its text: nothing is imported, so the result
does not depend on the Python version.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Name:
    """One public name: `kind` is class, function, property or value; `members` are a class's own."""

    kind: str
    name: str
    signature: str
    text: str
    members: tuple[Name, ...] = ()


def module_text(path: Path) -> str:
    """Docstring of a module."""
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""


def names_of(path: Path) -> list[Name]:
    """Public classes, functions and described values of a module, in the order of the file."""
    return list(_names(ast.parse(path.read_text("utf-8")).body, ""))


def exported(package: Path) -> list[str]:
    """`__all__` of a package's `__init__.py`."""
    for node in ast.parse((package / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def _names(body: list[ast.stmt], owner: str) -> Iterator[Name]:
    for place, node in enumerate(body):
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                bases = ", ".join(map(ast.unparse, node.bases))
                text = ast.get_docstring(node) or ""
                yield Name("class", name, f"({bases})" if bases else "", text, tuple(_names(node.body, name)))
            case ast.FunctionDef(name=name) if not name.startswith("_") or (name == "__init__" and owner):
                yield _function(node, owner)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                yield Name("value", name, _short(value), _described(body, place))
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                shown = _short(node.annotation) + (f" = {_short(node.value)}" if node.value is not None else "")
                yield Name("value", name, shown, _described(body, place))


def _function(node: ast.FunctionDef, owner: str) -> Name:
    arguments = ast.unparse(node.args)
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    if owner and "staticmethod" not in marks:
        arguments = arguments.partition(", ")[2] if "," in arguments else ""
        arguments = arguments.removeprefix("/, ").removesuffix("/").rstrip(", ") if arguments == "/" else arguments
    answer = f" -> {ast.unparse(node.returns)}" if node.returns is not None and node.name != "__init__" else ""
    text = ast.get_docstring(node) or ""
    if "property" in marks:
        return Name("property", node.name, answer.removeprefix(" -> "), text)
    return Name("function", node.name, f"({arguments}){answer}", text)


def _described(body: list[ast.stmt], place: int) -> str:
    """The text that stands behind a value."""
    after = body[place + 1] if place + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return inspect.cleandoc(after.value.value)
    return ""


def _short(value: ast.expr) -> str:
    text = ast.unparse(value)
    return text if len(text) <= 100 else text[:97] + "..."
