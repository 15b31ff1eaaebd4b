"""Consent: who may see what of whom, for what, until when and how often; and a log of every use.

    grant → record_use, record_use, … until it expires, is used up or revoked;  emergency → review

The grantee's use is a transaction: it is checked against the grant and logged, and whoever keeps the data releases it
only when that transaction is final. So nothing is released that the log does not show.

    prefix ‖ "g" ‖ grant id                            Grant
    prefix ‖ "u" ‖ subject ‖ height8 ‖ tx12 ‖ place1   Use
    prefix ‖ "e" ‖ grantee                             Emergencies: what waits for review

A subject is known by a reference of `subject_bytes` bytes (an HMAC of the identity number, see the privacy rules), a
grantee by its account. Fields are bits of a mask, a purpose is a number; the application names both.

Invariants:
1. A use needs a grant for this grantee and purpose that covers its fields, has begun, has not expired at the time of
   the block, is not revoked, and has a use left.
2. uses ≤ uses_max, and each use of a grant is one row of the log.
3. A revocation holds from the next transaction on, in the same block too; a revoked grant stays so.
4. An emergency needs no grant, but a review within `review_blocks`; a grantee with an overdue review, or with
   `open_max` of them open, gets no further emergency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from hnnode.plugin_api.context import Context, QueryView, Reader
from hnnode.plugin_api.model import ModelError
from hnnode.plugin_api.records import Records

USES_MAX = 1_000_000
FIELDS_MAX = 2**32 - 1
OPEN_MAX = 64
"""Most emergencies of a grantee that may wait for review."""
_TAIL_BYTES = 8 + 12 + 1


class Grant(msgspec.Struct, array_like=True):
    """`by`: the account that granted it and may revoke it. `revoked_ms`: block time of the revocation, 0 while live."""

    subject: bytes
    grantee: bytes
    fields: int
    purpose: int
    not_before_ms: int
    expires_at_ms: int
    uses_max: int
    by: bytes
    uses: int = 0
    revoked_ms: int = 0


class Use(msgspec.Struct, array_like=True):
    """One use. `grant` is empty for an emergency, whose review is `verdict` (0 while it waits)."""

    grant: bytes
    grantee: bytes
    fields: int
    purpose: int
    entity: bytes
    at_ms: int
    document: bytes = b""
    review_by: int = 0
    verdict: int = 0
    reviewer: bytes = b""
    review_document: bytes = b""


class Emergencies(msgspec.Struct, array_like=True):
    """`open`: (last height for the review, log key without prefix), by height."""

    open: list[tuple[int, bytes]] = []


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """Rule ids of the application. `exists`, `unknown`: of a grant id; `period`: it ends before it begins or is over
    already; `not_granter`: another account granted it; `revoked`, `expired`, `early`, `used_up`; `not_grantee`: it is
    another's; `purpose`, `fields`: it does not cover them; `overdue`: a review is; `open_full`: too many wait for one;
    `use_unknown`: no such emergency; `reviewed`: already.
    """

    exists: str
    unknown: str
    period: str
    not_granter: str
    revoked: str
    early: str
    expired: str
    used_up: str
    not_grantee: str
    purpose: str
    fields: str
    overdue: str
    open_full: str
    use_unknown: str
    reviewed: str


class Consent:
    """Grants and uses of one application under `prefix`."""

    __slots__ = ("_emergencies", "_grants", "_open_max", "_rules", "_uses", "subject_bytes")

    def __init__(self, prefix: bytes, subject_bytes: int, rules: ConsentRules, open_max: int = 32) -> None:
        if not 16 <= subject_bytes <= 64 or not 1 <= open_max <= OPEN_MAX:
            raise ModelError(f"consent: got {subject_bytes} bytes, {open_max} open, want 16 to 64, 1 to {OPEN_MAX}")
        self.subject_bytes = subject_bytes
        self._rules = rules
        self._open_max = open_max
        self._grants: Records[Grant] = Records(prefix + b"g", Grant)
        self._uses: Records[Use] = Records(prefix + b"u", Use)
        self._emergencies: Records[Emergencies] = Records(prefix + b"e", Emergencies)

    def grant_key(self, grant_id: bytes) -> bytes:
        """State key of a grant, for key functions."""
        return self._grants.prefix + grant_id

    def get(self, reader: Reader, grant_id: bytes) -> Grant | None:
        return self._grants.get(reader, grant_id)

    def load(self, tx: Context, grant_id: bytes) -> Grant:
        """The grant, or refusal by `unknown`."""
        found = self._grants.get(tx, grant_id)
        if found is None:
            tx.fail(self._rules.unknown)
        return found

    def grant(self, tx: Context, grant_id: bytes, grant: Grant) -> None:
        """A new grant of the sender. Whether the sender speaks for the subject is the application's to check."""
        rules = self._rules
        if self._grants.get(tx, grant_id) is not None:
            tx.fail(rules.exists)
        if not max(grant.not_before_ms, tx.block_time_ms) < grant.expires_at_ms:
            tx.fail(rules.period)
        if not 1 <= grant.uses_max <= USES_MAX:
            tx.fail(rules.used_up)
        if not 1 <= grant.fields <= FIELDS_MAX:
            tx.fail(rules.fields)
        grant.by, grant.uses, grant.revoked_ms = tx.sender, 0, 0
        self._grants.put(tx, grant_id, grant)

    def revoke(self, tx: Context, grant_id: bytes) -> Grant:
        """End a grant of the sender, from the next transaction on."""
        found = self.load(tx, grant_id)
        if found.by != tx.sender:
            tx.fail(self._rules.not_granter)
        if found.revoked_ms:
            tx.fail(self._rules.revoked)
        found.revoked_ms = tx.block_time_ms
        self._grants.put(tx, grant_id, found)
        return found

    def check(self, tx: Context, grant_id: bytes, fields: int, purpose: int) -> Grant:
        """The grant, if the sender may use it for these fields and this purpose now; refusal otherwise."""
        rules = self._rules
        found = self.load(tx, grant_id)
        now_ms = tx.block_time_ms
        if found.grantee != tx.sender:
            tx.fail(rules.not_grantee)
        if found.revoked_ms:
            tx.fail(rules.revoked)
        if now_ms < found.not_before_ms:
            tx.fail(rules.early)
        if now_ms >= found.expires_at_ms:
            tx.fail(rules.expired)
        if found.uses >= found.uses_max:
            tx.fail(rules.used_up)
        if found.purpose != purpose:
            tx.fail(rules.purpose)
        if not fields or fields & ~found.fields:
            tx.fail(rules.fields)
        return found

    def record_use(
        self, tx: Context, grant_id: bytes, fields: int, purpose: int, entity: bytes, place: int = 0
    ) -> tuple[bytes, Grant]:
        """Check, count and log one use of a grant by the sender; (log key, grant). `place` tells several uses of one
        transaction apart.
        """
        found = self.check(tx, grant_id, fields, purpose)
        found.uses += 1
        self._grants.put(tx, grant_id, found)
        key = self._log_key(tx, found.subject, place)
        self._uses.put(tx, key, Use(grant_id, tx.sender, fields, purpose, entity, tx.block_time_ms))
        return key, found

    def emergency(
        self, tx: Context, subject: bytes, fields: int, purpose: int, entity: bytes, document: bytes, review_blocks: int
    ) -> tuple[bytes, Use]:
        """Log a use without a grant, to be reviewed; (log key, use)."""
        waiting = self._emergencies.get(tx, tx.sender) or Emergencies()
        if waiting.open and waiting.open[0][0] < tx.height:
            tx.fail(self._rules.overdue)
        if len(waiting.open) >= self._open_max:
            tx.fail(self._rules.open_full)
        if not 1 <= fields <= FIELDS_MAX:
            tx.fail(self._rules.fields)
        key = self._log_key(tx, subject, 0)
        use = Use(b"", tx.sender, fields, purpose, entity, tx.block_time_ms, document, tx.height + review_blocks)
        self._uses.put(tx, key, use)
        waiting.open.append((use.review_by, key))
        waiting.open.sort()
        self._emergencies.put(tx, tx.sender, waiting)
        return key, use

    def review(self, tx: Context, key: bytes, verdict: int, document: bytes) -> Use:
        """Close an emergency with a verdict other than 0; late ones too. Who may review is the application's to check."""
        use = self._uses.get(tx, key)
        if use is None or use.grant:
            tx.fail(self._rules.use_unknown)
        if use.verdict:
            tx.fail(self._rules.reviewed)
        use.verdict, use.reviewer, use.review_document = verdict, tx.sender, document
        self._uses.put(tx, key, use)
        waiting = self._emergencies.get(tx, use.grantee) or Emergencies()
        waiting.open = [each for each in waiting.open if each[1] != key]
        self._emergencies.put(tx, use.grantee, waiting)
        return use

    def waiting(self, reader: Reader, grantee: bytes) -> list[tuple[int, bytes]]:
        """Open emergencies of a grantee: (last height for the review, log key), the most urgent first."""
        found = self._emergencies.get(reader, grantee)
        return [] if found is None else found.open

    def use(self, reader: Reader, key: bytes) -> Use | None:
        """A row of the log by its key."""
        return self._uses.get(reader, key)

    def uses(self, view: QueryView, subject: bytes, limit: int, after: bytes = b"") -> Iterator[tuple[bytes, Use]]:
        """(log key, use) of a subject, oldest first; `after` is the last key of the page before."""
        prefix = self._uses.prefix
        for key, value in view.scan(prefix + subject, limit, prefix + after if after else None):
            yield key[len(prefix) :], self._uses.decode(value)

    def subject_of(self, key: bytes) -> bytes:
        """Whose row of the log a key is; empty for a key of another shape."""
        return key[: self.subject_bytes] if len(key) == self.subject_bytes + _TAIL_BYTES else b""

    def height_of(self, key: bytes) -> int:
        """Block of a row of the log."""
        return int.from_bytes(key[self.subject_bytes : self.subject_bytes + 8], "big")

    def _log_key(self, tx: Context, subject: bytes, place: int) -> bytes:
        if len(subject) != self.subject_bytes:
            tx.fail(self._rules.unknown)
        return b"%b%b%b%c" % (subject, tx.height.to_bytes(8, "big"), tx.tx_id[:12], place)
