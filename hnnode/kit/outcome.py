"""What became of a transaction, and how a test says that it must not succeed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hnnode.errors import name_of

RULE_VIOLATION = "RULE_VIOLATION"
Event = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A receipt with what surrounds it. `reason`: the rule's id, else the error's name; empty on success.

    `writes`: digest of what it wrote, 32 bytes, from the receipt. `events`: (name, entity, data).
    """

    action: str
    sender: str
    tx_id: bytes
    height: int
    index: int
    code: int
    rule: str
    steps: int
    writes: bytes
    events: tuple[Event, ...]

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def reason(self) -> str:
        return "" if self.ok else self.rule or name_of(self.code)

    @property
    def label(self) -> str:
        return f"{self.action} by {self.sender} (height={self.height}, index={self.index})"


class Refused(AssertionError):
    """A transaction that had to succeed did not; `must_reject` expects it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.label}: refused: {outcome.reason}")
        self.outcome = outcome
