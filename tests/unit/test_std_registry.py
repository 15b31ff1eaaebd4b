"""`std.registry` against a naive twin that keeps every version in a list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.plugin_api import ModelError
from hnnode.plugin_api.std.registry import CORRECTED, CREATED, MOVED, Registry, RegistryRules, StatusTable
from tests.kit.std_probe import Probe

TABLE = StatusTable(
    {"draft": ("live", "gone"), "live": ("live", "held", "gone"), "held": ("live",), "gone": ()}, ("draft", "live")
)
RULES = RegistryRules("probe.exists", "probe.unknown", "probe.moved", "probe.full")
ENTITIES = (b"A", b"B", b"A" + bytes(8), b"AB")
CAUSE = b"\x07" * 32


def registry() -> Registry:
    return Registry(b"t", TABLE, RULES)


class Machine(RuleBasedStateMachine):
    """The twin: entity → list of (height, time, kind, status, content), appended to and never changed."""

    @initialize()
    def start(self) -> None:
        self.probe = Probe()
        self.sender = self.probe.account("registrar")
        self.registry = registry()
        self.twin: dict[bytes, list[tuple[int, int, int, int, bytes]]] = {}
        self.seen: dict[tuple[bytes, int], int | None] = {}

    def attempt(self, broken: set[str], run: Any) -> bool:
        rule = self.probe.do(self.sender, run)
        assert (rule in broken) if broken else rule == "", (rule, broken)
        return not rule

    def note(self, entity: bytes, kind: int, status: int, content: bytes) -> None:
        chain = self.probe.chain
        self.twin.setdefault(entity, []).append((chain.state.height, chain.time_ms, kind, status, content))

    @rule(entity=st.sampled_from(ENTITIES), status=st.integers(0, 3), content=st.binary(max_size=4))
    def create(self, entity: bytes, status: int, content: bytes) -> None:
        broken = ({"exists"} if entity in self.twin else set()) | ({"moved"} if status > 1 else set())
        if self.attempt(broken, lambda tx: self.registry.create(tx, entity, status, content, CAUSE)):
            self.note(entity, CREATED, status, content)

    @rule(entity=st.sampled_from(ENTITIES), status=st.integers(0, 3), content=st.binary(max_size=4))
    def transition(self, entity: bytes, status: int, content: bytes) -> None:
        broken = set()
        if entity not in self.twin:
            broken = {"unknown"}
        else:
            before = self.twin[entity][-1][3]
            allowed = {(0, 1), (0, 3), (1, 1), (1, 2), (1, 3), (2, 1)}
            broken = set() if (before, status) in allowed else {"moved"}

        def run(tx: Any) -> None:
            self.registry.transition(tx, entity, self.registry.require(tx, entity), status, content, CAUSE)

        if self.attempt(broken, run):
            self.note(entity, MOVED, status, content)

    @rule(entity=st.sampled_from(ENTITIES), content=st.binary(max_size=4), wrong=st.integers(0, 4))
    def correct(self, entity: bytes, content: bytes, wrong: int) -> None:
        versions = self.twin.get(entity, [])
        broken = {"unknown"} if not versions or wrong > len(versions) else set()

        def run(tx: Any) -> None:
            before = self.registry.require(tx, entity)
            self.registry.correct(tx, entity, before, content, CAUSE, wrong)

        if self.attempt(broken, run):
            self.note(entity, CORRECTED, versions[-1][3], content)

    @rule(entity=st.sampled_from(ENTITIES))
    def twice_in_one_block(self, entity: bytes) -> None:
        """A transaction may change an entity twice; both versions have one height."""
        if entity not in self.twin or self.twin[entity][-1][3] != 1:
            return

        def run(tx: Any) -> None:
            for content in (b"1", b"2"):
                self.registry.transition(tx, entity, self.registry.require(tx, entity), 1, content, CAUSE)

        assert self.probe.do(self.sender, run) == ""
        self.note(entity, MOVED, 1, b"1")
        self.note(entity, MOVED, 1, b"2")

    @rule(ms=st.integers(0, 10_000))
    def wait(self, ms: int) -> None:
        self.probe.chain.advance(ms)

    @invariant()
    def same_as_twin(self) -> None:
        if not hasattr(self, "probe"):
            return
        view, height = self.probe.view(), self.probe.chain.state.height
        for entity in ENTITIES:
            versions = self.twin.get(entity, [])
            current = self.registry.current(view, entity)
            assert (current is None) == (not versions)
            if current is None:
                continue
            assert current.number == len(versions)
            found = self.registry.history(view, entity, 100)
            plain = [(v.height, v.time_ms, v.kind, v.status, v.content) for v in found]
            assert plain == versions[::-1]
            assert [v.number for v in self.registry.history(view, entity, 2, 3)] == [
                number for number in (2, 1) if number <= len(versions)
            ]
            for at in range(height + 2):
                want = max((n for n, row in enumerate(versions, 1) if row[0] <= at), default=None)
                got = self.registry.as_of(view, entity, at)
                assert (got.number if got else None) == want
                if at <= height:  # a past height's answer never changes
                    assert self.seen.setdefault((entity, at), want) == want
            for at_ms in {row[1] + off for row in versions for off in (-1, 0, 1)}:
                want = max((n for n, row in enumerate(versions, 1) if row[1] <= at_ms), default=None)
                timed = self.registry.as_of_time(view, entity, at_ms)
                assert (timed.number if timed else None) == want


def test_versions_agree_with_a_naive_twin() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_as_of_reads_as_many_versions_as_the_number_has_digits() -> None:
    probe, kept = Probe(), registry()
    sender = probe.account("registrar")
    assert probe.do(sender, lambda tx: kept.create(tx, b"A", 1, b"", CAUSE)) == ""
    for _ in range(99):
        assert probe.do(sender, lambda tx: kept.transition(tx, b"A", kept.require(tx, b"A"), 1, b"", CAUSE)) == ""
    reads = probe.chain.state.reads
    found = kept.as_of(probe.view(), b"A", 37)
    assert found is not None
    assert found.number == 37
    assert probe.chain.state.reads - reads <= 8


def test_a_status_table_names_only_what_is_in_it() -> None:
    assert dict(TABLE.rows())["live"] == ("live", "held", "gone")
    assert TABLE.names[TABLE.place("held")] == "held"
    for moves, starts in (({"a": ("b",)}, ("a",)), ({"a": ()}, ("b",)), ({"a": ()}, ()), ({}, ())):
        with pytest.raises(ModelError):
            StatusTable(moves, starts)
    with pytest.raises(ModelError):
        TABLE.place("absent")
