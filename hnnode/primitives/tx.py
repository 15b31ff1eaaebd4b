"""Transaction bodies and their ids (formats §2)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hnnode_native import LIMITS, NativeError, encode_tx_body, tagged_hash

from hnnode.errors import Rejected
from hnnode.primitives.native_error import rejection

TX_BYTES_MAX = LIMITS["tx_bytes_max"]
PAYLOAD_BYTES_MAX = LIMITS["payload_bytes_max"]
HEIGHT_MAX = 2**64 - 1
_NONCE_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class TxBody:
    """The signed part of a transaction; `encoding` is what `tx_id` hashes. The signature's message is `tx_id`."""

    chain_id: bytes
    sender: bytes
    nonce: int
    valid_until_height: int
    application: str
    action: str
    payload: bytes
    encoding: bytes
    tx_id: bytes


def random_nonce() -> int:
    """Any 64-bit number will do: it only makes the id unique."""
    return int.from_bytes(os.urandom(8), "big")


def build_body(
    *,
    chain_id: bytes,
    sender: bytes,
    valid_until_height: int,
    application: str,
    action: str,
    payload: bytes,
    nonce: int | None = None,
) -> TxBody:
    """Encode a body; a random nonce when none is given. Raises Rejected (1002, 1003, 1009) for refused values."""
    number = random_nonce() if nonce is None else nonce
    for what, value, limit in (("nonce", number, _NONCE_MAX), ("valid_until_height", valid_until_height, HEIGHT_MAX)):
        if not 0 <= value <= limit:
            raise Rejected("PARAMETER_INVALID", f"{what}: got {value}, want 0 to {limit}")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Rejected("TX_TOO_LARGE", f"payload: got {len(payload)} bytes, want at most {PAYLOAD_BYTES_MAX}")
    try:
        encoding = encode_tx_body(chain_id, sender, number, valid_until_height, application, action, payload)
    except NativeError as e:
        raise rejection(e, "TX_MALFORMED") from e
    return TxBody(
        chain_id=chain_id,
        sender=sender,
        nonce=number,
        valid_until_height=valid_until_height,
        application=application,
        action=action,
        payload=payload,
        encoding=encoding,
        tx_id=tagged_hash("hn/tx/v1", encoding),
    )
