"""Bytes as hexadecimal text: written in lower case, read in both."""

from __future__ import annotations

from binascii import Error, unhexlify

from hnnode.errors import Rejected

HASH_BYTES = 32
ACCOUNT_BYTES = 20


def decode_hex(text: str, what: str, size: int | None = None) -> bytes:
    """Bytes of `text`. Raises Rejected 1009 when it is not hexadecimal or not `size` bytes long."""
    want = f"{2 * size} hexadecimal digits" if size is not None else "an even number of hexadecimal digits"
    try:
        data = unhexlify(text)
    except (Error, ValueError) as e:
        raise Rejected("PARAMETER_INVALID", f"{what}: got {_shown(text)}, want {want}") from e
    if size is not None and len(data) != size:
        raise Rejected("PARAMETER_INVALID", f"{what}: got {len(text)} characters, want {want}")
    return data


def decode_hash(text: str, what: str) -> bytes:
    """32 bytes. Raises Rejected 1009."""
    return decode_hex(text, what, HASH_BYTES)


def decode_account(text: str, what: str) -> bytes:
    """20 bytes. Raises Rejected 1009."""
    return decode_hex(text, what, ACCOUNT_BYTES)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
