"""Who signs: one protocol for key files, keys in memory, and devices that never give the key away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from hnnode_native import SecretKey, account_of

from hnnode.crypto.keys import generate_key, read_key_file
from hnnode.errors import invariant
from hnnode.primitives.tx import TxBody


@runtime_checkable
class Signer(Protocol):
    """Signs as one account. A signature is SM2 with SM3, id `1234567812345678`, 64 bytes `r || s`."""

    @property
    def public_key(self) -> bytes:
        """65 bytes `04 || x || y`."""

    @property
    def account(self) -> bytes:
        """20 bytes."""

    def sign(self, message: bytes) -> bytes: ...
    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]: ...


class MemorySigner:
    """A key held by this process."""

    def __init__(self, key: SecretKey) -> None:
        self._key = key
        self._public_key = key.public_key()
        self._account = account_of(self._public_key)

    @classmethod
    def generate(cls) -> MemorySigner:
        """A new key, forgotten with the process."""
        return cls(generate_key())

    @property
    def public_key(self) -> bytes:
        return self._public_key

    @property
    def account(self) -> bytes:
        return self._account

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]:
        return self._key.sign_batch(messages)


class FileSigner(MemorySigner):
    """A key file (see `hnnode.crypto.keys`), read once. Raises ConfigError 2004 or 2005."""

    def __init__(self, path: str | Path, passphrase: str | None = None) -> None:
        self.path = Path(path)
        super().__init__(read_key_file(self.path, passphrase))


@dataclass(frozen=True, slots=True)
class SignedTx:
    """`data` is what a node takes: body and signature."""

    tx_id: bytes
    data: bytes
    valid_until_height: int


def sign_bodies(signer: Signer, bodies: Sequence[TxBody]) -> list[SignedTx]:
    """Sign all bodies in one call of the signer."""
    signatures = signer.sign_many([body.tx_id for body in bodies])
    invariant(len(signatures) == len(bodies), f"signer: got {len(signatures)} signatures, want {len(bodies)}")
    return [
        SignedTx(body.tx_id, body.encoding + signature, body.valid_until_height)
        for body, signature in zip(bodies, signatures, strict=True)
    ]
