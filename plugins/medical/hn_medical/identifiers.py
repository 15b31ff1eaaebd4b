"""Checks of drug codes, in one place. They check the form; the registry of products decides whether a code exists."""

from __future__ import annotations

from hnnode.plugin_api import ids

TRACE_CODE_CHARS = 20
DRUG_CODE_CHARS = 7


def is_product_code(text: str) -> bool:
    """国家药品编码本位码 (国食药监办〔2009〕315号): 14 digits, 86 and 9 in front, check digit as in a GTIN."""
    return len(text) == 14 and text.startswith("869") and ids.is_gtin(text)


def is_trace_code(text: str) -> bool:
    """药品追溯码: 20 digits, the first 7 name the drug. There is no public check digit."""
    return len(text) == TRACE_CODE_CHARS and text.isascii() and text.isdigit()


def drug_code(trace_code: str) -> str:
    """药品标识码 of a trace code."""
    return trace_code[:DRUG_CODE_CHARS]
