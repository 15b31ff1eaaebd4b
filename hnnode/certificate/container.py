"""The file of a certificate (formats §16): what it is about, and the two proof bundles that say so."""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.errors import Rejected

MAGIC = b"HNCERT01"
CERTIFICATE_BYTES_MAX = 1024 * 1024
"""Far above what 64 state proofs and one transaction take."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`facts`: bundle of state proofs under one header; `origin`: bundle of the transaction that preserved the hash."""

    digest: bytes
    owner: bytes
    case: bytes | None
    facts: bytes
    origin: bytes

    def encode(self) -> bytes:
        case = b"\0" + bytes(32) if self.case is None else b"\1" + self.case
        parts = (len(part).to_bytes(4, "big") + part for part in (self.facts, self.origin))
        return MAGIC + self.digest + self.owner + case + b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Raises Rejected 5101 for anything that `encode` does not write."""
        if len(data) > CERTIFICATE_BYTES_MAX:
            raise _malformed(f"longer than {CERTIFICATE_BYTES_MAX} bytes")
        if not data.startswith(MAGIC):
            raise _malformed("does not begin as a certificate of evidence does")
        at = len(MAGIC)
        digest, owner, flag, case = (
            data[at : at + 32],
            data[at + 32 : at + 52],
            data[at + 52 : at + 53],
            data[at + 53 : at + 85],
        )
        parts = []
        at += 85
        for _ in range(2):
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if at + 4 > len(data) or end > len(data):
                raise _malformed(f"ends after {len(data)} bytes")
            parts.append(data[at + 4 : end])
            at = end
        if at != len(data):
            raise _malformed(f"{len(data) - at} bytes too many")
        if flag not in (b"\0", b"\1") or (flag == b"\0" and any(case)):
            raise _malformed("flag of the case")
        return cls(digest, owner, case if flag == b"\1" else None, *parts)


def _malformed(what: str) -> Rejected:
    return Rejected("PROOF_MALFORMED", f"certificate: {what}")
