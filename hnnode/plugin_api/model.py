"""What a payload, record or event type may hold: integers, text, bytes, booleans, enumerations and lists or structs
of them.

A payload model refuses unknown fields and bounds its integers, so decoding never recurses deeper than the model and
no big integer reaches a handler. Floats, dates, free-form values and mappings are refused at registration: they are
where two hosts could differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import msgspec
from msgspec import inspect

from hnnode.plugin_api.limits import MODEL_DEPTH_MAX

END = r"(?![\s\S])"
"""End of text in a pattern, in JSON Schema's dialect and in Python's; `$` would let a trailing newline through."""

Use = Literal["payload", "record", "event", "declared"]
"""`event`: data that are encoded. `declared`: the model that an event's data must fit."""


class ModelError(TypeError):
    """A type that may not be used with the chain; raised at registration or at a type's first use."""


_known: ContextVar[bool] = ContextVar("hn_models_known", default=False)


_refused: ContextVar[list[ModelError] | None] = ContextVar("hn_models_refused", default=None)


@contextmanager
def models_of_first() -> Iterator[None]:
    """While the copy of code is made whose models are checked for all that follow. Code that catches what is wrong with a model
    could tell this copy from the others, and register something else in it.

    Raises: ModelError: a model was refused, whatever became of that.
    """
    refused: list[ModelError] = []
    token = _refused.set(refused)
    try:
        yield
    finally:
        _refused.reset(token)
    if refused:
        raise refused[0]


@contextmanager
def known_models() -> Iterator[None]:
    """While another copy of code is made whose models were checked: looking at each again takes most of its time."""
    token = _known.set(True)
    try:
        yield
    finally:
        _known.reset(token)


def check_model(model: type[msgspec.Struct], use: Use) -> None:
    """Refuse a type that could decode differently on two hosts or without bound.

    Raises: ModelError, naming the field.
    """
    if not (isinstance(model, type) and issubclass(model, msgspec.Struct)):
        raise ModelError(f"{model!r}: want a msgspec.Struct type")
    if _known.get():
        return
    try:
        try:
            info = inspect.type_info(model)
        except (TypeError, ValueError, NameError) as e:
            raise ModelError(f"{model.__name__}: {e}") from e
        _check(info, use, model.__name__, (), 0)
    except ModelError as e:
        if (refused := _refused.get()) is not None:
            refused.append(e)
        raise


def _check(info: inspect.Type, use: Use, where: str, parents: tuple[Any, ...], depth: int) -> None:
    if depth > MODEL_DEPTH_MAX:
        raise ModelError(f"{where}: nested deeper than {MODEL_DEPTH_MAX}")
    match info:
        case inspect.Metadata():
            _check(info.type, use, where, parents, depth)
        case inspect.StructType():
            if info.cls in parents:
                raise ModelError(f"{where}: recursive type {info.cls.__name__}")
            if use in ("payload", "declared") and not info.forbid_unknown_fields:
                raise ModelError(f"{where}: {info.cls.__name__} must set forbid_unknown_fields=True")
            for item in info.fields:
                _check(item.type, use, f"{where}.{item.name}", (*parents, info.cls), depth + 1)
        case inspect.IntType():
            low = info.ge if info.ge is not None else info.gt
            high = info.le if info.le is not None else info.lt
            if use == "payload" and (low is None or high is None or low < -(2**63) or high > 2**64):
                raise ModelError(f"{where}: an integer needs a lower and an upper bound within 64 bits")
        case inspect.StrType():
            if use == "record" and info.pattern is not None:
                raise ModelError(f"{where}: a pattern belongs to payloads, where its work is bounded")
            if info.pattern is not None and not (info.pattern.startswith("^") and info.pattern.endswith(END)):
                raise ModelError(f"{where}: a pattern starts with ^ and ends with model.END, got {info.pattern}")
        case inspect.BoolType() | inspect.NoneType() | inspect.EnumType() | inspect.LiteralType():
            pass
        case inspect.BytesType():
            if use != "record":
                raise ModelError(f"{where}: bytes travel as hexadecimal text in JSON")
        case inspect.ListType() | inspect.VarTupleType():
            if use == "payload" and info.max_length is None:
                raise ModelError(f"{where}: a list needs max_length")
            _check(info.item_type, use, f"{where}[]", parents, depth + 1)
        case inspect.TupleType():
            for item_type in info.item_types:
                _check(item_type, use, f"{where}[]", parents, depth + 1)
        case inspect.UnionType():
            for member in info.types:
                _check(member, use, where, parents, depth)
        case _:
            raise ModelError(f"{where}: {type(info).__name__.removesuffix('Type').lower()} values are not allowed")


def json_schema(model: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema of a model, for documentation and forms."""
    return msgspec.json.schema(model)


def bare_schema(node: Any) -> Any:
    """A schema without titles and descriptions, for hashing: how a docstring is indented differs between Python
    versions.
    """
    if isinstance(node, list):
        return [bare_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            out[key] = {name: bare_schema(item) for name, item in value.items()}
        elif key in ("default", "enum", "const", "required"):
            out[key] = value
        elif key not in ("title", "description"):
            out[key] = bare_schema(value)
    return out
