"""Values that application `evidence` keeps in state, taken apart (formats §15).

Keys are `kind ‖ hash ‖ owner …` or `kind ‖ case …`. Nothing here trusts its input: what does not decode is a `RowError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

APPLICATION = "evidence"
ALGORITHMS = {1: "sm3", 2: "sha256"}
RECORD, BATCH, COSIGN = b"r", b"b", b"c"
CIRCUMSTANCES, POLICY, CORRECTION, CERTIFICATE = b"m", b"p", b"x", b"t"
CASE, PROGRESS, ITEM, LINK = b"k", b"g", b"i", b"l"
T = TypeVar("T")


class RowError(ValueError):
    """A value that application `evidence` never writes."""


class _Fields:
    """Fields from the front of a value."""

    def __init__(self, value: bytes, what: str, *versions: int) -> None:
        self._value = value
        self._at = 0
        self._what = what
        self.version = self.byte()
        if self.version not in versions:
            raise RowError(f"{what}: version {self.version}")

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._value):
            raise RowError(f"{self._what}: ends after {len(self._value)} bytes")
        field = self._value[self._at : end]
        self._at = end
        return field

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self, size: int = 8) -> int:
        return int.from_bytes(self.take(size), "big")

    def flag(self) -> bool:
        value = self.byte()
        if value > 1:
            raise RowError(f"{self._what}: flag {value}")
        return value == 1

    def short(self) -> bytes:
        return self.take(self.byte())

    def text(self) -> str:
        try:
            return self.short().decode("utf-8")
        except UnicodeDecodeError as e:
            raise RowError(f"{self._what}: text is no UTF-8") from e

    def maybe(self) -> bytes:
        """A hash, or nothing."""
        present, value = self.flag(), self.take(32)
        if not present and any(value):
            raise RowError(f"{self._what}: a value that is not there")
        return value if present else b""

    def stamp(self) -> Stamp:
        return Stamp(self.number(), self.number(), self.take(32))

    def many(self, item: Callable[[], T]) -> tuple[T, ...]:
        return tuple(item() for _ in range(self.byte()))

    def accounts(self) -> tuple[bytes, ...]:
        return self.many(lambda: self.take(20))

    def texts(self) -> tuple[str, ...]:
        return self.many(self.text)

    def end(self) -> None:
        if self._at != len(self._value):
            raise RowError(f"{self._what}: {len(self._value) - self._at} bytes too many")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which transaction did something, and when."""

    height: int
    time_ms: int
    tx_id: bytes


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """A preserved hash or batch root. `size` is the number of leaves for a batch; `previous` is empty when there is
    none.
    """

    height: int
    time_ms: int
    tx_id: bytes
    algorithm: str
    size: int
    name: str
    previous: bytes

    @classmethod
    def decode(cls, value: bytes) -> EvidenceRecord:
        fields = _Fields(value, "record", 1)
        stamp, number, size, name = fields.stamp(), fields.byte(), fields.number(), fields.text()
        previous = fields.maybe()
        fields.end()
        if number not in ALGORITHMS:
            raise RowError(f"record: algorithm {number}")
        return cls(stamp.height, stamp.time_ms, stamp.tx_id, ALGORITHMS[number], size, name, previous)


@dataclass(frozen=True, slots=True)
class CosignRecord:
    """One co-signature under a preserved hash; `role` is empty when it was given in none."""

    height: int
    time_ms: int
    tx_id: bytes
    role: str

    @classmethod
    def decode(cls, value: bytes) -> CosignRecord:
        fields = _Fields(value, "co-signature", 1, 2)
        stamp = fields.stamp()
        role = fields.text() if fields.version == 2 else ""
        fields.end()
        return cls(stamp.height, stamp.time_ms, stamp.tx_id, role)


@dataclass(frozen=True, slots=True)
class CircumstancesRecord:
    """How a file was collected. Texts may be empty; `environment` and `owner_ref` are empty bytes when not stated."""

    stamp: Stamp
    mime: str
    collector: str
    environment: bytes
    owner_ref: bytes
    token_time_ms: int | None
    token_hash: bytes
    token_issuer: str

    @classmethod
    def decode(cls, value: bytes) -> CircumstancesRecord:
        fields = _Fields(value, "circumstances", 1)
        stamp, mime, collector = fields.stamp(), fields.text(), fields.text()
        environment, owner_ref = fields.maybe(), fields.short()
        token = (fields.number(), fields.take(32), fields.text()) if fields.flag() else (None, b"", "")
        fields.end()
        return cls(stamp, mime, collector, environment, owner_ref, *token)


@dataclass(frozen=True, slots=True)
class Policy:
    """At least `needed` co-signatures, by `accounts` or in `roles`; by anybody when both are empty."""

    needed: int
    accounts: tuple[bytes, ...]
    roles: tuple[str, ...]

    def fits(self, signer: bytes, role: str) -> bool:
        if not self.accounts and not self.roles:
            return True
        return signer in self.accounts or (role != "" and role in self.roles)


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """The policy of one record."""

    stamp: Stamp
    policy: Policy

    @classmethod
    def decode(cls, value: bytes) -> PolicyRecord:
        fields = _Fields(value, "policy", 1)
        record = cls(fields.stamp(), _policy(fields))
        fields.end()
        return record


@dataclass(frozen=True, slots=True)
class CorrectionRecord:
    """`by`: hash of the owner's record that corrects this one; `reason`: hash of a document, or empty."""

    stamp: Stamp
    by: bytes
    reason: bytes

    @classmethod
    def decode(cls, value: bytes) -> CorrectionRecord:
        fields = _Fields(value, "correction", 1)
        record = cls(fields.stamp(), fields.take(32), fields.maybe())
        fields.end()
        return record


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A certificate that somebody issued."""

    stamp: Stamp
    issuer: bytes

    @classmethod
    def decode(cls, value: bytes) -> CertificateRecord:
        fields = _Fields(value, "certificate", 1)
        record = cls(fields.stamp(), fields.take(20))
        fields.end()
        return record


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """What a case was opened with."""

    stamp: Stamp
    opener: bytes
    court: bytes
    name: str
    parties: tuple[bytes, ...]
    phases: tuple[str, ...]
    policy: Policy | None

    @classmethod
    def decode(cls, value: bytes) -> CaseRecord:
        fields = _Fields(value, "case", 1)
        stamp, opener, court, name = fields.stamp(), fields.take(20), fields.take(20), fields.text()
        parties, phases = fields.accounts(), fields.texts()
        policy = _policy(fields) if fields.flag() else None
        fields.end()
        return cls(stamp, opener, court, name, parties, phases, policy)


@dataclass(frozen=True, slots=True)
class ProgressRecord:
    """How far a case has come; `archived` None: it is open."""

    phase: int
    item_count: int
    match_count: int
    mismatch_count: int
    archived: Stamp | None

    @classmethod
    def decode(cls, value: bytes) -> ProgressRecord:
        fields = _Fields(value, "progress of a case", 1)
        phase, items = fields.byte(), fields.number(4)
        matches, mismatches = fields.number(4), fields.number(4)
        archived = fields.stamp() if fields.flag() else None
        fields.end()
        return cls(phase, items, matches, mismatches, archived)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a court found: the hash it computed, and the hash of its report or nothing."""

    stamp: Stamp
    computed: bytes
    report: bytes


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """A record submitted to a case, with the co-signers it rests on."""

    stamp: Stamp
    phase: int
    signers: tuple[bytes, ...]
    finding: Finding | None

    @classmethod
    def decode(cls, value: bytes) -> ItemRecord:
        fields = _Fields(value, "submission to a case", 1)
        stamp, phase, signers = fields.stamp(), fields.byte(), fields.accounts()
        finding = Finding(fields.stamp(), fields.take(32), fields.maybe()) if fields.flag() else None
        fields.end()
        return cls(stamp, phase, signers, finding)


def _policy(fields: _Fields) -> Policy:
    return Policy(fields.byte(), fields.accounts(), fields.texts())


def stage_of(item: ItemRecord, digest: bytes, archived: bool) -> str:
    """Where a submitted record stands: `submitted`, `match`, `mismatch`; with `archived` the case is closed."""
    if archived:
        return "archived"
    if item.finding is None:
        return "submitted"
    return "match" if item.finding.computed == digest else "mismatch"
