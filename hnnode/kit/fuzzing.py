"""Payloads made up by hypothesis: what a model takes, and what it just does not.

Every bound, pattern and enumeration of a `msgspec` model becomes a strategy; what a pattern cannot say, such as a check
character, is given by field with `identifier`. Near-valid payloads differ from valid ones in one place and are refused by
the model, so the chain must answer PAYLOAD_INVALID and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import inspect

from hnnode.kit.fuzzing_ids import IDENTIFIERS, bent_text, near_identifier
from hnnode.plugin_api.model import END

Payload = dict[str, Any]
ITEMS_MAX = 4
"""Items of a list, where its model allows more."""
TEXT_MAX = 64


class Fuzz:
    """Strategies for one application.

    Args:
        model_of: the payload model of an action. Raises KeyError.
    """

    def __init__(self, model_of: Callable[[str], type[msgspec.Struct]]) -> None:
        self._model_of = model_of

    def __call__(self, model: type[msgspec.Struct] | str, **fields: Any) -> SearchStrategy[Payload]:
        """Payloads that the model, or the model of this action, takes.

        Args:
            fields: strategies or fixed values of fields, in place of what the model says of them.
        """
        model = self._model_of(model) if isinstance(model, str) else model
        return payloads(model, fields).filter(lambda payload: not refused(model, payload))

    def near(self, model: type[msgspec.Struct] | str, **fields: Any) -> SearchStrategy[Payload]:
        """Payloads that differ from such in one place, and that the model refuses."""
        model = self._model_of(model) if isinstance(model, str) else model
        return payloads(model, fields).flatmap(_bent).filter(lambda payload: refused(model, payload))

    @staticmethod
    def identifier(scheme: str) -> SearchStrategy[str]:
        """Identifiers that `plugin_api.ids.is_<scheme>` takes: uscc, gtin, estate_unit, … Raises KeyError."""
        return IDENTIFIERS[scheme]

    @staticmethod
    def near_identifier(scheme: str) -> SearchStrategy[str]:
        """Such with a wrong check character, length or part, which `is_<scheme>` refuses. Raises KeyError."""
        return near_identifier(scheme)


def refused(model: type[msgspec.Struct], payload: Payload) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(payload), type=model)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return True
    return False


def payloads(model: type[msgspec.Struct], fields: Mapping[str, Any]) -> SearchStrategy[Payload]:
    """JSON objects by the model's own bounds; a check in its `__post_init__` may still refuse one."""
    info = inspect.type_info(model)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{model!r}: want a msgspec.Struct type")
    return _struct(info, fields)


def _struct(info: inspect.StructType, fields: Mapping[str, Any]) -> SearchStrategy[Payload]:
    unknown = fields.keys() - {field.name for field in info.fields}
    if unknown:
        raise TypeError(f"{info.cls.__name__}: has no field {', '.join(sorted(unknown))}")
    wanted: dict[str, SearchStrategy[Any]] = {}
    optional: dict[str, SearchStrategy[Any]] = {}
    for field in info.fields:
        strategy = _given(fields[field.name]) if field.name in fields else _strategy(field.type)
        (wanted if field.required or field.name in fields else optional)[field.encode_name] = strategy
    return st.fixed_dictionaries(wanted, optional=optional)


def _given(value: Any) -> SearchStrategy[Any]:
    return value if isinstance(value, SearchStrategy) else st.just(value)


def _strategy(info: inspect.Type) -> SearchStrategy[Any]:
    match info:
        case inspect.Metadata():
            return _strategy(info.type)
        case inspect.StructType():
            return _struct(info, {})
        case inspect.IntType():
            return _integers(info)
        case inspect.StrType():
            return _texts(info)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.EnumType():
            return st.sampled_from([member.value for member in info.cls])
        case inspect.LiteralType():
            return st.sampled_from(list(info.values))
        case inspect.ListType() | inspect.VarTupleType():
            low = info.min_length or 0
            high = low + ITEMS_MAX if info.max_length is None else min(info.max_length, low + ITEMS_MAX)
            return st.lists(_strategy(info.item_type), min_size=low, max_size=high)
        case inspect.TupleType():
            return st.tuples(*map(_strategy, info.item_types)).map(list)
        case inspect.UnionType():
            return st.one_of(*map(_strategy, info.types))
        case _:
            raise TypeError(f"{type(info).__name__}: not a type of payloads")


def _integers(info: inspect.IntType) -> SearchStrategy[int]:
    low = info.gt + 1 if info.gt is not None else info.ge
    high = info.lt - 1 if info.lt is not None else info.le
    step = info.multiple_of
    if step is None:
        return st.integers(low, high)
    lowest, highest = (None if low is None else -(-low // step)), (None if high is None else high // step)
    return st.integers(lowest, highest).map(lambda n: n * step)


def _texts(info: inspect.StrType) -> SearchStrategy[str]:
    low, high = info.min_length or 0, info.max_length
    if info.pattern is None:
        return st.text(min_size=low, max_size=low + TEXT_MAX if high is None else min(high, low + TEXT_MAX))
    shape = info.pattern.removeprefix("^").removesuffix(END)
    return st.from_regex(shape, fullmatch=True).filter(
        lambda text: low <= len(text) and (high is None or len(text) <= high)
    )


# ---------------------------------------------------------------- one thing wrong
def _bent(payload: Payload) -> SearchStrategy[Payload]:
    ways: list[SearchStrategy[Payload]] = [st.just({**payload, "hn_unknown": 1})]
    for name, value in payload.items():
        ways.append(st.just({other: kept for other, kept in payload.items() if other != name}))
        ways.append(_bent_value(value).map(partial(_with, payload, name)))
    return st.one_of(*ways)


def _with(payload: Payload, name: str, value: Any) -> Payload:
    return {**payload, name: value}


def _bent_value(value: Any) -> SearchStrategy[Any]:
    other: SearchStrategy[Any] = st.sampled_from([None, 1.5, {"a": 1}, [[]], "", -1, 2**63])
    if isinstance(value, bool):
        return st.one_of(other, st.sampled_from(["true", 2]))
    if isinstance(value, int):
        return st.one_of(other, st.sampled_from([value - 1, value + 1, -value - 1, 2**53 + value, str(value)]))
    if isinstance(value, str):
        return st.one_of(other, bent_text(value), st.integers(0, 9))
    if isinstance(value, dict):
        return st.one_of(other, _bent(value))
    if isinstance(value, list):
        return st.one_of(other, *([_bent_value(value[0]).map(lambda bent: [bent, *value[1:]])] if value else []))
    return other
