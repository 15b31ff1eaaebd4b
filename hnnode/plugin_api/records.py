"""Typed records in state: a key prefix and a msgspec Struct.

Declare the Struct with `array_like=True`: the value is then a msgpack array in field order, small and without field
names; a field added at the end with a default reads old values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from hnnode.plugin_api.context import Context, QueryView, Reader
from hnnode.plugin_api.model import check_model

T = TypeVar("T", bound=msgspec.Struct)


class Records(Generic[T]):
    """Records of one kind, at `prefix || key`. Each `get` decodes afresh, so a record may be changed and put back."""

    __slots__ = ("_decode", "_encode", "prefix")

    def __init__(self, prefix: bytes, model: type[T]) -> None:
        check_model(model, "record")
        self.prefix = prefix
        self._decode = msgspec.msgpack.Decoder(model).decode
        self._encode = msgspec.msgpack.Encoder(order="deterministic").encode

    def key(self, key: bytes) -> bytes:
        return self.prefix + key

    def get(self, reader: Reader, key: bytes) -> T | None:
        value = reader.get(self.prefix + key)
        return None if value is None else self._decode(value)

    def get_many(self, view: QueryView, keys: Sequence[bytes]) -> list[T | None]:
        """Records in the order of `keys`, read together, for queries; see `QueryView.get_many`."""
        decode, prefix = self._decode, self.prefix
        values = view.get_many([prefix + key for key in keys])
        return [None if value is None else decode(value) for value in values]

    def decode(self, value: bytes) -> T:
        """A value that a scan returned. Raises msgspec.DecodeError when it is not such a record."""
        return self._decode(value)

    def encode(self, record: T) -> bytes:
        """The value that `put` would write: for migrations, and for what holds a record inside another value."""
        return self._encode(record)

    def put(self, tx: Context, key: bytes, record: T) -> None:
        tx.put(self.prefix + key, self._encode(record))

    def delete(self, tx: Context, key: bytes) -> None:
        tx.delete(self.prefix + key)
