"""JSON Schemas of payloads, walked and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DEPTH_MAX = 16
Schema = Mapping[str, Any]


def resolved(schema: Schema, root: Schema) -> Schema:
    """What a `$ref` within `root` stands for."""
    reference = schema.get("$ref", "")
    if not reference.startswith("#/$defs/"):
        return schema
    found: Schema = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return found


def fields_of(root: Schema) -> list[tuple[str, Schema]]:
    """(path, schema) of every leaf field, `outputs.batch` for one of a list of structs, in order."""
    return list(_fields(root, root, "", 0))


def _fields(schema: Schema, root: Schema, path: str, depth: int) -> Iterator[tuple[str, Schema]]:
    schema = resolved(schema, root)
    if depth > DEPTH_MAX:
        return
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from _fields(inner, root, f"{path}.{name}" if path else name, depth + 1)
        return
    nested = [
        resolved(part, root) for part in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else []))
    ]
    structs = [part for part in nested if "properties" in part]
    for part in structs:
        yield from _fields(part, root, path, depth + 1)
    if path and not structs:
        yield path, schema


def narrowed(old: Schema, new: Schema) -> list[str]:
    """Why some payload that fitted `old` may not fit `new`: a reason a place, empty when every one still does."""
    return list(_narrowed(old, old, new, new, "", 0))


def _narrowed(old: Schema, old_root: Schema, new: Schema, new_root: Schema, path: str, depth: int) -> Iterator[str]:
    old, new = resolved(old, old_root), resolved(new, new_root)
    if depth > DEPTH_MAX or (old == new and "$ref" not in str(old)):
        return
    where = path or "payload"
    before, after = old.get("properties"), new.get("properties")
    if before is not None and after is not None:
        for name in sorted(before.keys() - after.keys()):
            yield f"{where}: {name} is gone"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{where}: {name} is required now"
        for name in sorted(before.keys() & after.keys()):
            yield from _narrowed(before[name], old_root, after[name], new_root, f"{path}.{name}".lstrip("."), depth + 1)
        return
    if old.get("type") != new.get("type") and "anyOf" not in new:
        yield f"{where}: type {old.get('type')} became {new.get('type')}"
        return
    for name, tighter in (("minimum", _higher), ("minLength", _higher), ("minItems", _higher)):
        if tighter(old.get(name), new.get(name)):
            yield f"{where}: {name} rose to {new.get(name)}"
    for name in ("maximum", "maxLength", "maxItems"):
        if _lower(old.get(name), new.get(name)):
            yield f"{where}: {name} fell to {new.get(name)}"
    if old.get("pattern") != new.get("pattern") and new.get("pattern") is not None:
        yield f"{where}: the pattern changed"
    if lost := sorted(set(map(str, old.get("enum", ()))) - set(map(str, new.get("enum", old.get("enum", ()))))):
        yield f"{where}: {', '.join(lost)} no longer allowed"
    if "items" in old and "items" in new:
        yield from _narrowed(old["items"], old_root, new["items"], new_root, f"{where}[]", depth + 1)


def _higher(old: Any, new: Any) -> bool:
    return new is not None and (old is None or new > old)


def _lower(old: Any, new: Any) -> bool:
    return new is not None and (old is None or new < old)
