"""Privacy lint: every field of every payload has a class, and the class fits what the field can hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hnnode.execution.table import Application
from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code
from hnnode.kit.schemas import fields_of
from hnnode.plugin_api.manifest import MANIFEST_NAME, Manifest
from hnnode.plugin_api.model import json_schema

_PERSONAL = re.compile(
    r"(?:^|_)(?:phone|mobile|tel|telephone|email|mail|address|addr|birth|birthday|birthdate|passport|id_?card|id_number"
    r"|identity_number|citizen|surname|real_name|full_name|person_name|patient_name|owner_name|plate|bank_card"
    r"|shenfenzheng|shouji|xingming)(?:$|_)",
    re.ASCII,
)
_SAMPLES = ("11010519491231002X", "110105194912310021", "13800138000", "A-13800138000")
"""A published sample of an identity number, and a number reserved for tests."""
_GUARDS = frozenset(("looks_personal", "find_personal", "personal_fields"))
PERSONAL_RULE = "personal_data"
"""The rule that `Registry.privacy` refuses by."""


def check_privacy(manifest: Manifest, table: Application, code: Code) -> Iterator[Finding]:
    """Findings of the manifest's `[privacy]` against the payloads that the application registered."""
    place = f"{manifest.package}/{MANIFEST_NAME}"
    guarded = has_guard(code)
    known: set[str] = set()
    for action in table.actions.values():
        for path, schema in fields_of(json_schema(action.model)):
            field = path.rpartition(".")[2]
            names = (f"{action.name}.{path}", f"{action.name}.{field}", path, field)
            known.update(names, path.split("."))
            found = next((manifest.privacy[name] for name in names if name in manifest.privacy), None)
            where = f"{action.name}.{path}"
            if found is None:
                yield Finding(place, 0, 0, "HN401", where)
            elif found == "clear":
                yield from _check_clear(place, where, field, schema, guarded)
            elif found == "committed" and not _is_hash(schema):
                yield Finding(place, 0, 0, "HN405", where)
    for name in sorted(set(manifest.privacy) - known):
        if manifest.privacy[name] != "encrypted":  # what stays off chain may be named, too
            yield Finding(place, 0, 0, "HN402", name)


def _check_clear(place: str, where: str, field: str, schema: Mapping[str, Any], guarded: bool) -> Iterator[Finding]:
    texts = [schema, *schema.get("anyOf", ()), schema.get("items", {})]
    if _PERSONAL.search(field) and not any("enum" in text for text in texts):
        yield Finding(place, 0, 0, "HN404", where)
    for text in texts:
        if text.get("type") != "string" or "enum" in text:
            continue
        pattern = text.get("pattern")
        if pattern is None:
            yield Finding(place, 0, 0, "HN403", where)
        elif not guarded and any(re.search(pattern, sample) for sample in _SAMPLES):
            yield Finding(place, 0, 0, "HN406", f"{where}: {pattern[:60]}")


def _is_hash(schema: Mapping[str, Any]) -> bool:
    """Whether every text it takes is hexadecimal of 32 bytes, or it is a number or a list of such."""
    texts = [
        part for part in (schema, *schema.get("anyOf", ()), schema.get("items", {})) if part.get("type") == "string"
    ]
    return bool(texts) and all(
        re.search(text.get("pattern", ""), "ab" * 32) is not None
        and re.search(text.get("pattern", ""), "Zhang San 13800138000") is None
        for text in texts
    )


def has_guard(code: Code) -> bool:
    """Whether the code looks for personal identifiers anywhere."""
    for module in code.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "privacy":
                return True
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if name in _GUARDS:
                return True
    return False
