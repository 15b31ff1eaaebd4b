"""The naive twin of the trace: plain dictionaries, and what is blocked found by walking the whole graph each time. For each
attempt it names every rule that is broken; the chain must accept exactly what breaks none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GTIN = "6924561884074"
LIVE = ("declared", "arrived", "tested", "disinfected", "coded", "released", "in_stock", "in_transit")
AFTER_RELEASE = ("released", "in_stock", "in_transit", "sold", "split", "merged", "disposed", "processed")


@dataclass
class TwinBatch:
    status: str
    holder: bytes
    declared: int
    start: int = 0
    grams: int = 0
    sold: int = 0
    lost: int = 0
    gone: int = 0
    moved: int = 0
    city: str = ""
    receiver: bytes = b""
    expires_ms: int = 0
    gtin: str = GTIN
    overdue: bool = False
    hands: list[bytes] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)


class Twin:
    def __init__(self) -> None:
        self.batches: dict[str, TwinBatch] = {}
        self.codes: set[str] = set()
        self.holds: dict[str, tuple[str, str]] = {}

    def ancestors(self, name: str) -> set[str]:
        return {name}.union(*(self.ancestors(parent) for parent in self.batches[name].parents))

    def blocked(self, name: str) -> bool:
        return any(source in self.ancestors(name) for _, source in self.holds.values())

    def block_rules(self, name: str) -> set[str]:
        rules = {"held"} if self.blocked(name) else set()
        return rules | {"parent_held" for parent in self.batches[name].parents if self.blocked(parent)}

    def stock_rules(self, name: str, sender: bytes) -> set[str]:
        batch = self.batches[name]
        rules = set()
        if batch.holder != sender:
            rules.add("not_holder")
        if batch.status not in AFTER_RELEASE:
            rules.add("not_released")
        if batch.status != "in_stock":
            rules.add("wrong_status")
        return rules | self.block_rules(name)

    def lapse(self, now_ms: int) -> list[str]:
        """Hand-overs that are late by now and were not known to be: at the end of a block they are."""
        late = [
            name
            for name, batch in self.batches.items()
            if batch.status == "in_transit" and not batch.overdue and batch.expires_ms < now_ms
        ]
        for name in late:
            self.batches[name].overdue = True
        return late
