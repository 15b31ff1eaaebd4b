"""Plain personal numbers are kept out of clear fields.

An application states how each field of its payloads is handled (`Registry.privacy`): `clear` on the chain, `committed` as a
hash or root, or `encrypted` off the chain with a reference here. Every clear text is then looked through before its handler
runs, and a payload that holds a citizen identity number, a mobile number or a bank card is refused under the rule
`<application>.personal_data`. Texts that are hexadecimal by their pattern (hashes, accounts) are left out: they hold such
digits by chance.

Cost: 0.3–0.6 µs a payload: its texts are joined and looked through at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import inspect

from hnnode.plugin_api.ids import find_personal, looks_personal
from hnnode.plugin_api.model import END, ModelError

RULE = "personal_data"
RULE_TEXTS = (
    "明文字段疑似包含身份证号、手机号或银行卡号",
    "a clear field looks like an identity, mobile or card number",
)

_HEX = re.compile(r"\^\[0-9a-f\]\{([0-9]+)\}" + re.escape(END))
HASH_DIGITS = 32
"""So many hexadecimal digits in a row are no number of a person for a door (`hnnode_native.PersonalScan`)."""

Texts = Callable[[Any], str]
"""All guarded texts of a payload, joined by line feeds."""


class Handling(StrEnum):
    """How a field is handled."""

    CLEAR = "clear"
    COMMITTED = "committed"
    ENCRYPTED = "encrypted"


def action_handling(action: str, model: type[msgspec.Struct], table: Mapping[str, Handling]) -> dict[str, Handling]:
    """How each field of an action's payload is handled, those of structs inside it too: `action.field` goes before
    `field`. Empty for an empty table.

    Raises: ModelError: a field is not in the table.
    """
    if not table:
        return {}
    found = {}
    for name in sorted({name for name, _ in _walk(inspect.type_info(model))}):
        how = table.get(f"{action}.{name}") or table.get(name)
        if how is None:
            raise ModelError(f"privacy: {action}.{name} is not in the table")
        found[name] = how
    return found


def guarded_texts(
    model: type[msgspec.Struct], handling: Mapping[str, Handling], unguarded: Collection[str] = ()
) -> Texts | None:
    """How to get at the texts of a payload that are to be looked through; None when there are none."""
    clear = {name for name, how in handling.items() if how is Handling.CLEAR} - set(unguarded)
    return _texts(inspect.type_info(model), clear) if clear else None


def exempt_fields(
    model: type[msgspec.Struct], handling: Mapping[str, Handling], unguarded: Collection[str] = ()
) -> list[str]:
    """Fields that a door does not look through for numbers of people, ascending: those that the guard leaves out for what they are
    declared as. With no declaration everything is looked through but short hexadecimal; long hexadecimal holds no number anywhere.
    """
    guarded, left_out = set(), set()
    for name, info in _walk(inspect.type_info(model)):
        for pattern in _patterns(info):
            is_declared = not handling or (handling.get(name) is Handling.CLEAR and name not in unguarded)
            found = _HEX.fullmatch(pattern)
            if found is None and is_declared:
                guarded.add(name)
            elif found is None or int(found[1]) < HASH_DIGITS:
                left_out.add(name)
    return sorted(left_out - guarded)


def personal_fields(payload: Any, where: str = "") -> list[tuple[str, str]]:
    """(place, kind of number) of each text of a JSON value that holds a personal number; for gateways and clients, before
    anything is signed."""
    if isinstance(payload, str):
        kind = find_personal(payload)
        return [] if kind is None else [(where or "/", str(kind))]
    if isinstance(payload, Mapping):
        return [hit for name, value in payload.items() for hit in personal_fields(value, f"{where}/{name}")]
    if isinstance(payload, list | tuple):
        return [hit for index, value in enumerate(payload) for hit in personal_fields(value, f"{where}/{index}")]
    return []


def guard_handler(handler: Callable[[Any, Any], None], texts: Texts, rule: str) -> Callable[[Any, Any], None]:
    """The handler, behind the guard."""

    def guarded(tx: Any, payload: Any) -> None:
        if looks_personal(texts(payload)):
            tx.fail(rule)
        handler(tx, payload)

    return guarded


def guard_batch(
    batch: Callable[[Any, Iterator[Any]], None], texts: Texts, rule: str
) -> Callable[[Any, Iterator[Any]], None]:
    """The batch handler, behind the guard: the transaction whose payload comes next is refused in its place."""

    def checked(tx: Any, payloads: Iterator[Any]) -> Iterator[Any]:
        for payload in payloads:
            if looks_personal(texts(payload)):
                tx.fail(rule)
            yield payload

    def guarded(tx: Any, payloads: Iterator[Any]) -> None:
        batch(tx, checked(tx, payloads))

    return guarded


def _walk(info: inspect.Type) -> Iterator[tuple[str, inspect.Type]]:
    match info:
        case inspect.StructType():
            for item in info.fields:
                yield item.name, item.type
                yield from _walk(item.type)
        case inspect.ListType() | inspect.VarTupleType():
            yield from _walk(info.item_type)
        case inspect.UnionType():
            for member in info.types:
                yield from _walk(member)
        case inspect.Metadata():
            yield from _walk(info.type)


def _patterns(info: inspect.Type) -> Iterator[str]:
    """Patterns of the texts that a field holds itself, "" for any text."""
    match info:
        case inspect.Metadata():
            yield from _patterns(info.type)
        case inspect.StrType():
            yield info.pattern or ""
        case inspect.ListType() | inspect.VarTupleType():
            yield from _patterns(info.item_type)
        case inspect.UnionType():
            for member in info.types:
                yield from _patterns(member)


def _texts(info: inspect.Type, clear: Collection[str]) -> Texts | None:
    """Texts of a value of this type; of a struct those of its clear fields."""
    match info:
        case inspect.Metadata():
            return _texts(info.type, clear)
        case inspect.StrType():
            return None if info.pattern is not None and _HEX.fullmatch(info.pattern) else str
        case inspect.ListType() | inspect.VarTupleType():
            return _of_list(_texts(info.item_type, clear))
        case inspect.UnionType():
            return _of_union([(_python_type(one), made) for one in info.types if (made := _texts(one, clear))])
        case inspect.StructType():
            return _of_struct(info, clear)
    return None


def _of_struct(info: inspect.StructType, clear: Collection[str]) -> Texts | None:
    plain: list[str] = []
    others: list[tuple[str, Texts]] = []
    for item in info.fields:
        made = _texts(item.type, clear) if item.name in clear else None
        if made is str:
            plain.append(item.name)
        elif made is not None:
            others.append((item.name, made))
    if not plain and not others:
        return None
    if not others:
        get: Callable[[Any], Any] = attrgetter(*plain)
        return get if len(plain) == 1 else lambda payload: "\n".join(get(payload))

    def texts(payload: Any) -> str:
        parts = [getattr(payload, name) for name in plain]
        return "\n".join((*parts, *(made(getattr(payload, name)) for name, made in others)))

    return texts


def _of_list(item: Texts | None) -> Texts | None:
    return None if item is None else lambda values: "\n".join(map(item, values))


def _of_union(members: list[tuple[type, Texts]]) -> Texts | None:
    if not members:
        return None

    def texts(value: Any) -> str:
        return next((made(value) for kind, made in members if isinstance(value, kind)), "")

    return texts


def _python_type(info: inspect.Type) -> type:
    while isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.StructType):
        return info.cls
    return list if isinstance(info, inspect.ListType) else tuple if isinstance(info, inspect.VarTupleType) else str
