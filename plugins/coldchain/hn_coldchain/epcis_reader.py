"""Reading EPCIS JSON: values with their JSON pointers, exact numbers, times, identifiers of lots. No float anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hnnode.plugin_api.ids import gtin_check_digit, is_gtin

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
NESTING_MAX = 64
EXPONENT_MAX = 18

_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,4}))?", re.ASCII)
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_OFFSET = re.compile(r"[+-][0-9]{2}:[0-9]{2}", re.ASCII)
_LGTIN = re.compile(r"urn:epc:class:lgtin:([0-9]{6,12})\.([0-9]{1,7})\.([^.:/]+)", re.ASCII)
_LINK = re.compile(r"https?://[A-Za-z0-9.-]+/01/([0-9]{8,14})/10/([^/?#]+)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EpcisError(ValueError):
    """A document that cannot be imported: (JSON pointer, what is wrong), one for each faulty event at most."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{pointer or '/'}: {text}" for pointer, text in problems))


class Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the document and where it stands."""

    value: Any
    pointer: str

    def fail(self, text: str) -> EpcisError:
        return EpcisError([(self.pointer, text)])

    def maybe(self, name: str) -> Node | None:
        """A member that may be absent. Raises EpcisError when this is not an object."""
        if not isinstance(self.value, dict):
            raise self.fail(f"got {_kind(self.value)}, want an object")
        if name not in self.value:
            return None
        return Node(self.value[name], f"{self.pointer}/{name.replace('~', '~0').replace('/', '~1')}")

    def need(self, name: str) -> Node:
        found = self.maybe(name)
        if found is None:
            raise self.fail(f"{name} is missing")
        return found

    def items(self) -> list[Node]:
        if not isinstance(self.value, list):
            raise self.fail(f"got {_kind(self.value)}, want a list")
        return [Node(value, f"{self.pointer}/{place}") for place, value in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str) or isinstance(self.value, Number):
            raise self.fail(f"got {_kind(self.value)}, want text")
        return self.value

    def scaled(self, decimals: int) -> int:
        """The number times 10^decimals, exactly. Raises EpcisError when it is finer than that."""
        if not isinstance(self.value, Number):
            raise self.fail(f"got {_kind(self.value)}, want a number")
        scaled = scale(self.value, decimals)
        if scaled is None:
            raise self.fail(f"got {self.value[:40]}, want at most {decimals} decimals and a sane size")
        return scaled

    def time_ms(self) -> int:
        """Unix milliseconds of a date and time with its offset; finer parts of a second are cut off."""
        text = self.text()
        match = _TIME.fullmatch(text)
        if match is None:
            raise self.fail(
                f"got {text[:40]!r}, want a date and time with an offset, such as 2026-03-01T08:00:00+08:00"
            )
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        offset = match[8]
        sign = -1 if offset.startswith("-") else 1
        away = timedelta() if offset == "Z" else sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(away))
        except ValueError as e:
            raise self.fail(f"got {text!r}: {e}") from e
        whole = (moment - _EPOCH) // timedelta(milliseconds=1)
        if whole < 0:
            raise self.fail(f"got {text!r}, want a time after 1970")
        return whole + int((match[7] or "0")[:3].ljust(3, "0"))

    def offset(self) -> str:
        text = self.text()
        if _OFFSET.fullmatch(text) is None:
            raise self.fail(f"got {text[:40]!r}, want an offset such as +08:00")
        return text


def _kind(value: object) -> str:
    if isinstance(value, Number):
        return "a number"
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def scale(number: str, decimals: int) -> int | None:
    """A JSON number times 10^decimals as an integer, or None when that is not whole or the exponent is absurd."""
    match = _NUMBER.fullmatch(number)
    if match is None or len(number) > 40:
        return None
    sign, whole, fraction, exponent = match[1], match[2], (match[3] or "").rstrip("0"), int(match[4] or "0")
    power = exponent - len(fraction) + decimals
    if abs(exponent) > EXPONENT_MAX:
        return None
    digits = int(whole + fraction)
    if power < 0:
        digits, rest = divmod(digits, 10**-power)
        if rest:
            return None
        power = 0
    value: int = digits * 10**power
    return -value if sign else value


def read_document(document: bytes) -> Node:
    """Parse JSON, keeping numbers as written. Raises EpcisError: not UTF-8, not JSON, a name twice, too large or too
    deep.
    """
    if len(document) > DOCUMENT_BYTES_MAX:
        raise EpcisError([("", f"got {len(document)} bytes, want at most {DOCUMENT_BYTES_MAX}")])
    try:
        text = document.decode("utf-8")
        value = json.loads(
            text, parse_float=Number, parse_int=Number, parse_constant=_refuse, object_pairs_hook=_unique
        )
    except UnicodeDecodeError as e:
        raise EpcisError([("", f"not UTF-8 at byte {e.start}")]) from e
    except json.JSONDecodeError as e:
        raise EpcisError([("", f"not JSON at line {e.lineno}, column {e.colno}: {e.msg}")]) from e
    except RecursionError as e:
        raise EpcisError([("", f"nested deeper than {NESTING_MAX}")]) from e
    if any(depth > NESTING_MAX for depth in _depths(value)):
        raise EpcisError([("", f"nested deeper than {NESTING_MAX}")])
    return Node(value, "")


def _refuse(constant: str) -> Any:
    raise EpcisError([("", f"{constant} is not JSON")])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise EpcisError([("", f"an object has the member {twice[:40]!r} twice")])
    return made


def _depths(value: Any) -> Iterator[int]:
    waiting = [(value, 1)]
    while waiting:
        at, depth = waiting.pop()
        yield depth
        inner = at.values() if isinstance(at, dict) else at if isinstance(at, list) else ()
        waiting.extend((item, depth + 1) for item in inner)


def word(text: str, kind: str) -> str:
    """A vocabulary word without its prefix: bare, as URN, or as web address (`kind`: BizStep, Disp, SDT)."""
    urn = {"BizStep": "bizstep", "Disp": "disp", "SDT": "sdt"}[kind]
    for prefix in (f"urn:epcglobal:cbv:{urn}:", f"https://ref.gs1.org/cbv/{kind}-", f"cbv:{kind}-"):
        if text.startswith(prefix):
            return text.removeprefix(prefix)
    return text


def lot(node: Node) -> tuple[str, str]:
    """(GTIN-14, lot) of a class-level identifier: LGTIN URN or GS1 Digital Link with 01 and 10."""
    text = node.text()
    if match := _LGTIN.fullmatch(text):
        company, item, name = match.groups()
        if len(company) + len(item) == 13:
            body = item[0] + company + item[1:]
            return body + gtin_check_digit(body), name
    if match := _LINK.fullmatch(text):
        gtin = match[1].rjust(14, "0")
        if is_gtin(gtin):
            return gtin, match[2]
    raise node.fail(
        f"got {text[:80]!r}, want urn:epc:class:lgtin:… or a Digital Link with /01/ and /10/ and a valid GTIN"
    )
