"""Privacy at the edge: domain keys in files, commitments with fresh salts, and a look at a payload before it is signed.

The formats are those of `hnnode.plugin_api.privacy`; what needs a secret or a random number is here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hnnode.crypto import Signer
from hnnode.crypto.keys import create_secret_file, read_secret_file
from hnnode.errors import ConfigError
from hnnode.plugin_api.privacy import (
    Disclosure,
    DomainKeys,
    Opening,
    decode_disclosure,
    decode_opening,
    link_message,
    open_record,
    personal_fields,
)
from hnnode.plugin_api.privacy.commitment import SALT_BYTES, Value
from hnnode.plugin_api.privacy.reference import EPOCH_MAX, KEY_BYTES

__all__ = [
    "Disclosure",
    "DomainKeys",
    "Opening",
    "commit",
    "create_domain_keys",
    "decode_disclosure",
    "decode_opening",
    "link",
    "personal_fields",
    "read_domain_keys",
    "rotate_domain_keys",
]


class _KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file of one domain: epoch → key in hexadecimal."""

    domain: str
    epochs: dict[Annotated[str, Meta(pattern="^[0-9]{1,5}$")], str]


def commit(record: Mapping[str, Value], schema: str, row_id: str) -> Opening:
    """The opening of a record, each field with a salt from the system's random source; its `root` goes on the chain.

    Raises: hnnode.plugin_api.privacy.CommitmentError.
    """
    return open_record(schema, row_id, record, {name: secrets.token_bytes(SALT_BYTES) for name in record})


def create_domain_keys(path: Path, domain: str) -> DomainKeys:
    """Make a domain's first key, in a new file of mode 600. Raises ConfigError (2004)."""
    try:
        keys = DomainKeys(domain, {1: secrets.token_bytes(KEY_BYTES)})
    except ValueError as e:
        raise ConfigError("KEY_FILE_INVALID", str(e)) from e
    create_secret_file(path, _encode(keys))
    return keys


def read_domain_keys(path: Path) -> DomainKeys:
    """Raises ConfigError: 2005 when others can read the file, 2004 when it is no file of domain keys."""
    text = read_secret_file(path)
    try:
        file = msgspec.json.decode(text, type=_KeyFile)
        return DomainKeys(file.domain, {int(epoch): bytes.fromhex(key) for epoch, key in file.epochs.items()})
    except ValueError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: not a file of domain keys") from e


def rotate_domain_keys(path: Path) -> DomainKeys:
    """Add a key of the next epoch; the old ones stay, for references that exist. Replaces the file in one step."""
    old = read_domain_keys(path)
    if old.epoch == EPOCH_MAX:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: epoch {EPOCH_MAX} is the last one")
    keys = DomainKeys(old.domain, {**old.keys, old.epoch + 1: secrets.token_bytes(KEY_BYTES)})
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    create_secret_file(fresh, _encode(keys))
    os.replace(fresh, path)
    return keys


def link(keys: DomainKeys, kind: str, number: str, old_epoch: int, signer: Signer) -> dict[str, Any]:
    """The record that ties a person's reference of an old epoch to the newest: both, and the domain's signature."""
    old, new = keys.reference(kind, number, old_epoch), keys.reference(kind, number)
    signature = signer.sign(link_message(old, new))
    return {"old": old.hex(), "new": new.hex(), "account": signer.account.hex(), "signature": signature.hex()}


def _encode(keys: DomainKeys) -> str:
    epochs = {str(epoch): key.hex() for epoch, key in sorted(keys.keys.items())}
    return msgspec.json.encode(_KeyFile(keys.domain, epochs)).decode() + "\n"
