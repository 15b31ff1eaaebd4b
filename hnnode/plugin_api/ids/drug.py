"""药品本位码 (国食药监办〔2009〕315号) and 药品追溯码.

本位码   86 | 9 | enterprise 5 | product 5 | check 1     the check digit of GS1
追溯码   药品标识码 7 | serial 13                         no public check digit
"""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.plugin_api.ids.ascii import is_digits
from hnnode.plugin_api.ids.fault import Fault, IdentifierError
from hnnode.plugin_api.ids.gs1 import gs1_fault

DRUG_CODE_LENGTH = 14
TRACE_CODE_LENGTH = 20
TRACE_PRODUCT_LENGTH = 7


@dataclass(frozen=True, slots=True)
class DrugCode:
    """Parts of a 药品本位码."""

    code: str
    enterprise: str
    product: str


@dataclass(frozen=True, slots=True)
class DrugTraceCode:
    """Parts of a 药品追溯码: `product` is the registered 药品标识码, `serial` names the pack."""

    code: str
    product: str
    serial: str


def _drug_fault(text: str) -> Fault | None:
    fault = gs1_fault(text, (DRUG_CODE_LENGTH,))
    return Fault.FIELD if fault in (None, Fault.CHECK) and not text.startswith("869") else fault


def is_drug_code(text: str) -> bool:
    """药品本位码 with a valid check digit."""
    return _drug_fault(text) is None


def parse_drug_code(text: str) -> DrugCode:
    """Raises IdentifierError."""
    if (fault := _drug_fault(text)) is not None:
        raise IdentifierError("药品本位码", "drug code", fault)
    return DrugCode(text, text[3:8], text[8:13])


def _trace_fault(text: str) -> Fault | None:
    if len(text) != TRACE_CODE_LENGTH:
        return Fault.LENGTH
    return None if is_digits(text) else Fault.CHARACTER


def is_drug_trace_code(text: str) -> bool:
    """药品追溯码 by its shape; whether its first seven digits are registered is for a registry to say."""
    return _trace_fault(text) is None


def parse_drug_trace_code(text: str) -> DrugTraceCode:
    """Raises IdentifierError."""
    if (fault := _trace_fault(text)) is not None:
        raise IdentifierError("药品追溯码", "drug trace code", fault)
    return DrugTraceCode(text, text[:TRACE_PRODUCT_LENGTH], text[TRACE_PRODUCT_LENGTH:])
