"""Salted commitments to the fields of a record, with one field disclosed at a time.

    leaf = "hn/field/v1" || text16 schema || text16 row_id || text16 field || salt (16) || JSON of {"value": …}
    root = block tree over the leaves, ascending by field name (formats §4)

The root goes on the chain; the opening (values and salts) stays with its owner. A disclosure shows one field with its salt
and path: whoever has the root can check it without a node, and learns nothing of the other fields but how many there are.

1. Salts are random and of each field its own: a value of few possibilities cannot be tried out. Whoever makes a commitment
   brings them (`hnnode.client.privacy` does); nothing here draws anything.
2. Schema, row and field stand in the leaf: a field cannot be shown as another record's.
3. A destroyed opening opens for nobody: that is how data is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from hnnode.plugin_api.codec import canonical_json
from hnnode.plugin_api.hashes import block_proof, block_root, verify_inclusion

SALT_BYTES = 16
FIELDS_MAX = 256
NAME_BYTES_MAX = 256
VALUE_BYTES_MAX = 64 * 1024
PROOF_BYTES_MAX = 1024
VERSION = 1
_TAG = b"hn/field/v1"

Value = int | str | bool | None | list[int | str | bool | None]
Hex = Annotated[str, Meta(pattern="^(?:[0-9a-f]{2})*$", max_length=2 * PROOF_BYTES_MAX)]


class CommitmentError(ValueError):
    """A record, an opening or a disclosure cannot be used; the text says why and shows no value."""


class OpenField(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One field of an opening."""

    name: str
    value: Value
    salt: Hex


class Disclosure(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One field of a record, and what shows that it stands under the root."""

    schema: str
    row_id: str
    field: str
    value: Value
    salt: Hex
    proof: Hex
    version: int = VERSION

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    def holds(self, root: bytes) -> bool:
        """Whether this field of this row was committed to under the root."""
        try:
            leaf = field_leaf(self.schema, self.row_id, self.field, self.value, bytes.fromhex(self.salt))
        except CommitmentError:
            return False
        return self.version == VERSION and verify_inclusion(bytes.fromhex(self.proof), leaf, root)


class Opening(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """All fields of one record with their salts, ascending by name; kept by its owner, off the chain."""

    schema: str
    row_id: str
    fields: Annotated[tuple[OpenField, ...], Meta(min_length=1, max_length=FIELDS_MAX)]
    version: int = VERSION

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @property
    def root(self) -> bytes:
        """What goes on the chain, 32 bytes."""
        return block_root(self._leaves())

    def disclose(self, field: str) -> Disclosure:
        """One field for somebody who has the root. Raises CommitmentError for an unknown field."""
        for index, one in enumerate(self.fields):
            if one.name == field:
                proof = block_proof(self._leaves(), index).hex()
                return Disclosure(
                    schema=self.schema, row_id=self.row_id, field=field, value=one.value, salt=one.salt, proof=proof
                )
        raise CommitmentError("field: the record has none of this name")

    def _leaves(self) -> list[bytes]:
        return [
            field_leaf(self.schema, self.row_id, one.name, one.value, bytes.fromhex(one.salt)) for one in self.fields
        ]


D = TypeVar("D", Opening, Disclosure)


def open_record(schema: str, row_id: str, record: Mapping[str, Value], salts: Mapping[str, bytes]) -> Opening:
    """The opening of a record, from a random salt of 16 bytes for each field.

    Raises: CommitmentError: no field or too many, a salt too few or used twice, a value that is not of integers, text,
        booleans, null and lists of them.
    """
    if not 1 <= len(record) <= FIELDS_MAX:
        raise CommitmentError(f"record: got {len(record)} fields, want 1 to {FIELDS_MAX}")
    if salts.keys() != record.keys() or len(set(salts.values())) != len(salts):
        raise CommitmentError("salts: want one of its own for each field")
    fields = tuple(OpenField(name=name, value=record[name], salt=salts[name].hex()) for name in sorted(record))
    opening = Opening(schema=schema, row_id=row_id, fields=fields)
    opening._leaves()  # a value that cannot be committed to is refused here, not when it is asked for
    return opening


def decode_opening(data: bytes) -> Opening:
    """Raises CommitmentError for anything that is not an opening with its fields in order."""
    opening = _decode(data, Opening)
    names = [one.name for one in opening.fields]
    if names != sorted(set(names)):
        raise CommitmentError("opening: fields are not ascending by name")
    opening._leaves()
    return opening


def decode_disclosure(data: bytes) -> Disclosure:
    """Raises CommitmentError for anything that is not a disclosure."""
    return _decode(data, Disclosure)


def field_leaf(schema: str, row_id: str, field: str, value: Value, salt: bytes) -> bytes:
    """Leaf of one field. Raises CommitmentError."""
    if len(salt) != SALT_BYTES:
        raise CommitmentError(f"salt: got {len(salt)} bytes, want {SALT_BYTES}")
    try:
        encoded = canonical_json({"value": value})
    except (TypeError, ValueError, OverflowError) as e:
        raise CommitmentError("value: want integers, text, booleans, null or a list of them") from e
    if len(encoded) > VALUE_BYTES_MAX:
        raise CommitmentError(f"value: got {len(encoded)} bytes, want ≤ {VALUE_BYTES_MAX}")
    return b"".join((_TAG, _text16(schema), _text16(row_id), _text16(field), salt, encoded))


def _text16(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as e:
        raise CommitmentError("name: not valid text") from e
    if not 1 <= len(data) <= NAME_BYTES_MAX:
        raise CommitmentError(f"name: got {len(data)} bytes, want 1 to {NAME_BYTES_MAX}")
    return len(data).to_bytes(2, "big") + data


def _decode(data: bytes, kind: type[D]) -> D:
    try:
        decoded = msgspec.json.decode(data, type=kind)
    except ValueError as e:
        raise CommitmentError(f"{kind.__name__.lower()}: not a document of this kind") from e
    if decoded.version != VERSION:
        raise CommitmentError(f"version: got {decoded.version}, want {VERSION}")
    return decoded
