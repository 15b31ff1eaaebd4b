"""Decoders of payloads: msgspec's, with the text patterns of a model checked together.

msgspec calls Python's `re` once a field that has a pattern; for a model of six such fields that is most of the time a
decode takes. Here the required text fields of a model whose patterns are plain are decoded without them, joined with
line feeds, and matched by one expression. What is accepted and refused is the same:

1. A plain pattern is a sequence of literals and of character classes, with counts; none can match a line feed.
2. The joined expression holds one line feed between two fields and nothing else that matches one, so a text with a
   line feed of its own has too many of them, and otherwise each field stands against its own pattern.

A decoded payload is an instance of a subclass of its model that has nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, inspect

from hnnode.plugin_api.model import END

Decode = Callable[[bytes], Any]
MakeDecode = Callable[[type[msgspec.Struct]], Decode]

_ATOM = r"(?:[A-Za-z0-9_ -]|\[[^\[\]\\^]+\])(?:\{[0-9]+(?:,[0-9]*)?\}|[*+?])?"
_PLAIN = re.compile(rf"\^(?:{_ATOM})*", re.ASCII)
_BETWEEN = "\n"


def payload_decoder(model: type[msgspec.Struct]) -> Decode:
    """A strict decoder of JSON: it raises ValueError for everything that is not the model.

    Cost: 0.6–2.5 µs for the payloads of coldchain.
    """
    return decoder_maker(model)(model)


def decoder_maker(model: type[msgspec.Struct]) -> MakeDecode:
    """How to make the decoder of this model, and of the same one in other copies of its code, which are not looked at."""
    info = inspect.type_info(model)
    if not isinstance(info, inspect.StructType) or not _is_ordinary(model, info):
        return as_it_is
    patterns = {field.name: pattern for field in info.fields if (pattern := _plain_pattern(field)) is not None}
    if len(patterns) < 2:  # nothing to join
        return as_it_is
    lengths = {field.name: field.type for field in info.fields if field.name in patterns}
    fields = [(name, _without_pattern(lengths[name])) for name in patterns]
    matches = re.compile(_BETWEEN.join(patterns.values())).fullmatch
    texts = attrgetter(*patterns)

    def make(kind: type[msgspec.Struct]) -> Decode:
        lean = msgspec.defstruct(kind.__name__, fields, bases=(kind,), module=kind.__module__, kw_only=True)
        decode = msgspec.json.Decoder(lean).decode

        def decode_and_match(raw: bytes) -> Any:
            payload = decode(raw)
            if matches(_BETWEEN.join(texts(payload))) is None:
                raise ValueError(f"{kind.__name__}: a text does not match its pattern")
            return payload

        return decode_and_match

    return make


def as_it_is(model: type[msgspec.Struct]) -> Decode:
    return msgspec.json.Decoder(model).decode


def _is_ordinary(model: type[msgspec.Struct], info: inspect.StructType) -> bool:
    """Whether a subclass decodes as the model does."""
    renamed = any(field.name != field.encode_name for field in info.fields)
    return not (renamed or info.array_like or info.tag is not None or hasattr(model, "__post_init__"))


def _plain_pattern(field: inspect.Field) -> str | None:
    """The pattern of a required text without its marks of start and end, when it is plain."""
    kind = field.type
    if not field.required or not isinstance(kind, inspect.StrType) or kind.pattern is None:
        return None
    body = kind.pattern.removesuffix(END)
    if body == kind.pattern or not _PLAIN.fullmatch(body):
        return None
    body = body[1:]
    classes = re.findall(r"\[[^\]]+\]", body)
    return None if any(re.match(one, _BETWEEN) for one in classes) else body


def _without_pattern(kind: inspect.Type) -> Any:
    assert isinstance(kind, inspect.StrType)
    if kind.min_length is None and kind.max_length is None:
        return str
    return Annotated[str, Meta(min_length=kind.min_length, max_length=kind.max_length)]
