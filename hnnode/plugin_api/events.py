"""Events as an application declares them: a name, the model of their data, titles.

A block emits thousands of them, so most are checked by the kinds of their fields alone, in the compiled core; the decoder
of the model decides about the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from hnnode.plugin_api.model import json_schema

EventCheck = tuple[Callable[[bytes], Any], dict[str, int] | None, int]
"""(decoder of the encoded data, kinds by field, count of the fields it needs), as the core takes it. None for the kinds: the
decoder looks at every event.
"""

_INTEGER, _TEXT, _BOOLEAN, _NULL, _LIST, _NEEDED = 1, 2, 4, 8, 16, 1 << 15
_ITEMS = 5


@dataclass(frozen=True, slots=True)
class EventSpec:
    """`name` is `<application>.<event>`, as it stands on the chain."""

    name: str
    model: type[msgspec.Struct]
    title_zh: str
    title_en: str

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the data."""
        return json_schema(self.model)


def event_checks(
    events: Mapping[str, EventSpec], like: Mapping[str, EventCheck] | None = None
) -> dict[str, EventCheck]:
    """What the core needs to know, by name.

    Args:
        like: the same of another copy of the code; its models are not looked at again, and none of its code runs.
    """
    if like is None:
        return {name: _check(spec.model) for name, spec in events.items()}
    return {name: (msgspec.json.Decoder(spec.model).decode, *like[name][1:]) for name, spec in events.items()}


def _check(model: type[msgspec.Struct]) -> EventCheck:
    decode = msgspec.json.Decoder(model).decode
    info = inspect.type_info(model)
    assert isinstance(info, inspect.StructType)  # the registry took it
    fields: dict[str, int] = {}
    for field in info.fields:
        kinds = _kinds(field.type)
        if kinds is None:
            return decode, None, 0
        fields[field.encode_name] = kinds | (_NEEDED if field.required else 0)
    if model.__struct_config__.tag is not None or model.__struct_config__.array_like or _has_hook(model):
        return decode, None, 0
    return decode, fields, sum(field.required for field in info.fields)


def _kinds(info: inspect.Type) -> int | None:
    """The kinds that a field may hold, as bits; None when more than the kind decides."""
    match info:
        case inspect.Metadata():
            return _kinds(info.type)
        case inspect.BoolType():
            return _BOOLEAN
        case inspect.NoneType():
            return _NULL
        case inspect.IntType(gt=None, ge=None, lt=None, le=None, multiple_of=None):
            return _INTEGER
        case inspect.StrType(min_length=None, max_length=None, pattern=None):
            return _TEXT
        case inspect.ListType(min_length=None, max_length=None):
            items = _kinds(info.item_type)
            return None if items is None or items >= _LIST else _LIST | items << _ITEMS
        case inspect.UnionType():
            known = [_kinds(member) for member in info.types]
            return None if None in known else sum({kind for kind in known if kind is not None})
    return None


def _has_hook(model: type[msgspec.Struct]) -> bool:
    return hasattr(model, "__post_init__")
