"""References to people: `u16 key epoch || HMAC-SM3(domain key, domain, kind, number)`, 34 bytes.

A plain hash of an identity number is no protection: all of them can be tried in hours. So the key stays with one domain (a
department, a hospital) in its gateway or SDK; the chain sees references alone, and two domains cannot join theirs. When the
key is changed, the epoch tells which one made a reference, and a link signed by the domain ties the old to the new.

Nothing here belongs into a handler: no handler has a key.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hnnode.plugin_api.hashes import hmac_sm3, sm3
from hnnode.plugin_api.ids import ascii_upper, half_width

KEY_BYTES = 32
EPOCH_MAX = 2**16 - 1
REFERENCE_BYTES = 34
NUMBER_CHARS_MAX = 256
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TAG = b"hn/subject-reference/v1"
_LINK_TAG = b"hn/subject-link/v1"


def normal_number(number: str) -> str:
    """The one writing of a number that is hashed: half width, upper case, no spaces, no hyphens."""
    return ascii_upper(half_width(number)).replace(" ", "").replace("-", "")


@dataclass(frozen=True, slots=True)
class DomainKeys:
    """Keys of one domain by epoch; the highest epoch makes new references. The representation shows no key."""

    domain: str
    keys: Mapping[int, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.domain):
            raise ValueError(f"domain {self.domain!r}: want a lower-case name of at most 32 characters")
        if not self.keys or any(not 1 <= epoch <= EPOCH_MAX for epoch in self.keys):
            raise ValueError(f"epochs: got {sorted(self.keys)}, want one or more from 1 to {EPOCH_MAX}")
        if any(len(key) != KEY_BYTES for key in self.keys.values()):
            raise ValueError(f"keys: want {KEY_BYTES} bytes each")

    @property
    def epoch(self) -> int:
        return max(self.keys)

    def reference(self, kind: str, number: str, epoch: int | None = None) -> bytes:
        """Reference to whoever has this number, 34 bytes.

        Args:
            kind: what the number is, such as `citizen` or `patient`; the same number of another kind gives another
                reference.
            epoch: of the key, default the newest. Raises ValueError for an unknown one.
        """
        if not _NAME.fullmatch(kind):
            raise ValueError(f"kind {kind!r}: want a lower-case name of at most 32 characters")
        text = normal_number(number)
        if not 1 <= len(text) <= NUMBER_CHARS_MAX:
            raise ValueError(f"number: got {len(text)} characters, want 1 to {NUMBER_CHARS_MAX}")
        chosen = self.epoch if epoch is None else epoch
        key = self.keys.get(chosen)
        if key is None:
            raise ValueError(f"epoch {chosen}: no such key")
        message = b"".join((_TAG, _named(self.domain), _named(kind), text.encode("utf-8")))
        return chosen.to_bytes(2, "big") + hmac_sm3(key, message)

    def matches(self, reference: bytes, kind: str, number: str) -> bool:
        """Whether the reference is to this number, under the key of the reference's epoch; constant in time."""
        epoch = int.from_bytes(reference[:2], "big")
        return epoch in self.keys and hmac.compare_digest(self.reference(kind, number, epoch), reference)


def reference_epoch(reference: bytes) -> int:
    """The key's epoch. Raises ValueError for what is no reference."""
    if len(reference) != REFERENCE_BYTES:
        raise ValueError(f"reference: got {len(reference)} bytes, want {REFERENCE_BYTES}")
    return int.from_bytes(reference[:2], "big")


def link_message(old: bytes, new: bytes) -> bytes:
    """What a domain signs to say that two references of different epochs are to one person, 32 bytes."""
    if reference_epoch(old) == reference_epoch(new):
        raise ValueError("link: want references of two epochs")
    return sm3(_LINK_TAG + old + new)


def _named(name: str) -> bytes:
    return bytes((len(name),)) + name.encode("ascii")
