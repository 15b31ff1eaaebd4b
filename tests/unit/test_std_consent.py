"""Consent against a naive twin that keeps a list of what happened and decides each attempt by reading all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.plugin_api import Context
from hnnode.plugin_api.std.consent import Consent, ConsentRules, Grant
from tests.kit.std_piece import PieceChain, rules_of

RULES: ConsentRules = rules_of(ConsentRules)
CONSENT = Consent(b"c", 16, RULES, open_max=3)
SUBJECTS = ("subject-number-1", "subject-number-2")
REVIEW_BLOCKS = 6


def grant(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    """names: grant, subject, grantee; numbers: fields, purpose, not before, expires, uses."""
    fields, purpose, begin_ms, end_ms, uses = numbers
    CONSENT.grant(
        tx, names[0], Grant(names[1], bytes.fromhex(names[2].decode()), fields, purpose, begin_ms, end_ms, uses, b"")
    )


def revoke(tx: Context, names: list[bytes], _: list[int]) -> None:
    CONSENT.revoke(tx, names[0])


def use(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    for place in range(numbers[2]):
        CONSENT.record_use(tx, names[0], numbers[0], numbers[1], b"report", place)


def emergency(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    CONSENT.emergency(tx, names[0], numbers[0], 9, b"report", b"why", REVIEW_BLOCKS)


def review(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    CONSENT.review(tx, bytes.fromhex(names[0].decode()), numbers[0], b"finding")


STEPS: Any = {step.__name__: step for step in (grant, revoke, use, emergency, review)}


@dataclass
class Given:
    subject: str
    grantee: str
    fields: int
    purpose: int
    begin_ms: int
    end_ms: int
    uses_max: int
    by: str


class Machine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.piece = PieceChain(STEPS, RULES)
        self.grants: dict[str, Given] = {}
        self.history: list[tuple[str, ...]] = []
        """("revoke", grant) | ("use", grant, subject, fields) | ("emergency", subject, person, log key, height)
        | ("review", log key)
        """
        for n, person in enumerate(("ann", "ann", "bob")):
            self.grant(person, n, SUBJECTS[0], "cat", 3, 1, 0, 60, 4)

    def attempt(self, broken: set[str], person: str, step: str, names: list[str], numbers: list[int]) -> bool:
        rule_id = self.piece.refusal(person, step, names, numbers)
        assert rule_id in broken if rule_id else not broken, (step, names, numbers, rule_id, broken)
        return not rule_id

    def count(self, *kind: str) -> int:
        return sum(each[: len(kind)] == kind for each in self.history)

    @rule(
        person=st.sampled_from(["ann", "bob"]),
        number=st.integers(0, 5),
        subject=st.sampled_from(SUBJECTS),
        grantee=st.sampled_from(["cat", "bob"]),
        fields=st.integers(0, 7),
        purpose=st.integers(1, 2),
        begin_s=st.integers(-5, 5),
        end_s=st.integers(-5, 40),
        uses=st.integers(0, 4),
    )
    def grant(
        self,
        person: str,
        number: int,
        subject: str,
        grantee: str,
        fields: int,
        purpose: int,
        begin_s: int,
        end_s: int,
        uses: int,
    ) -> None:
        name, chain = f"grant{number}", self.piece.chain
        begin_ms, end_ms = chain.time_ms + begin_s * 1_000, chain.time_ms + end_s * 1_000
        broken = {"exists"} if name in self.grants else set()
        broken |= {"period"} if end_ms <= max(begin_ms, chain.time_ms + chain.block_ms) else set()
        broken |= {"used_up"} if not uses else set()
        broken |= {"fields"} if not fields else set()
        names = [name, subject, self.piece.people[grantee].hex()]
        if self.attempt(broken, person, "grant", names, [fields, purpose, begin_ms, end_ms, uses]):
            self.grants[name] = Given(subject, grantee, fields, purpose, begin_ms, end_ms, uses, person)

    @rule(person=st.sampled_from(["ann", "bob"]), number=st.integers(0, 6))
    def revoke(self, person: str, number: int) -> None:
        name = f"grant{number}"
        given = self.grants.get(name)
        broken = {"unknown"} if given is None else set()
        broken |= {"not_granter"} if given and given.by != person else set()
        broken |= {"revoked"} if self.count("revoke", name) else set()
        if self.attempt(broken, person, "revoke", [name], []):
            self.history.append(("revoke", name))

    @rule(
        person=st.sampled_from(["cat", "cat", "bob"]),
        number=st.integers(0, 6),
        fields=st.sampled_from([1, 2, 3, 0, 4]),
        purpose=st.sampled_from([1, 1, 2]),
        times=st.integers(1, 3),
    )
    def use(self, person: str, number: int, fields: int, purpose: int, times: int) -> None:
        name, chain = f"grant{number}", self.piece.chain
        given, now_ms = self.grants.get(name), chain.time_ms + chain.block_ms
        if given is None:
            broken = {"unknown"}
        else:
            broken = {"not_grantee"} if given.grantee != person else set()
            broken |= {"revoked"} if self.count("revoke", name) else set()
            broken |= {"early"} if now_ms < given.begin_ms else set()
            broken |= {"expired"} if now_ms >= given.end_ms else set()
            broken |= {"used_up"} if self.count("use", name) + times > given.uses_max else set()
            broken |= {"purpose"} if given.purpose != purpose else set()
            broken |= {"fields"} if not fields or fields | given.fields != given.fields else set()
        if self.attempt(broken, person, "use", [name], [fields, purpose, times]):
            assert given is not None
            self.history += [("use", name, given.subject, str(fields))] * times

    @rule(number=st.integers(0, 3))
    def use_and_revoke_in_one_block(self, number: int) -> None:
        """A revocation holds for the very next transaction."""
        name, chain = f"grant{number}", self.piece.chain
        given = self.grants.get(name)
        if given is None or given.grantee != "cat" or self.count("revoke", name):
            return
        use = {"do": "use", "names": [name], "numbers": [given.fields, given.purpose, 1]}
        revoke = {"do": "revoke", "names": [name], "numbers": []}
        cat, by = self.piece.people["cat"], self.piece.people[given.by]
        first, second, third = chain.block([(cat, "run", use), (by, "run", revoke), (cat, "run", use)])
        if first.ok:
            self.history.append(("use", name, given.subject, str(given.fields)))
        assert second.ok
        assert third.rule == "piece.revoked"
        self.history.append(("revoke", name))

    def open_of(self, person: str) -> list[tuple[str, ...]]:
        closed = {each[1] for each in self.history if each[0] == "review"}
        return [each for each in self.history if each[0] == "emergency" and each[2] == person and each[3] not in closed]

    @rule(person=st.sampled_from(["cat", "bob"]), subject=st.sampled_from(SUBJECTS), fields=st.sampled_from([1, 2, 0]))
    def emergency(self, person: str, subject: str, fields: int) -> None:
        waiting, height = self.open_of(person), self.piece.chain.state.height + 1
        broken = {"open_full"} if len(waiting) >= 3 else set()
        broken |= {"overdue"} if any(int(each[4]) + REVIEW_BLOCKS < height for each in waiting) else set()
        broken |= {"fields"} if not fields else set()
        if self.attempt(broken, person, "emergency", [subject], [fields]):
            rows = list(CONSENT.uses(self.piece.chain.view(), subject.encode(), 200))
            key = next(key for key, row in reversed(rows) if not row.grant)
            assert CONSENT.height_of(key) == height
            self.history.append(("emergency", subject, person, key.hex(), str(height)))

    @rule(data=st.data(), verdict=st.integers(1, 2))
    def review(self, data: Any, verdict: int) -> None:
        known = sorted(each[3] for each in self.history if each[0] == "emergency")
        key = str(data.draw(st.sampled_from([*known, *known, "00" * 37])))
        broken = {"use_unknown"} if key not in known else set()
        broken |= {"reviewed"} if ("review", key) in self.history else set()
        if self.attempt(broken, "ann", "review", [key], [verdict]):
            self.history.append(("review", key))

    @rule(ms=st.sampled_from([0, 3_000, 20_000]))
    def wait(self, ms: int) -> None:
        self.piece.chain.advance(ms)
        self.piece.chain.block([])

    @invariant()
    def grants_and_log_are_the_twins(self) -> None:
        view = self.piece.chain.view()
        for name, given in self.grants.items():
            found = CONSENT.get(view, name.encode())
            assert found is not None
            assert found.uses == self.count("use", name) <= found.uses_max == given.uses_max
            assert bool(found.revoked_ms) == bool(self.count("revoke", name))
        for subject in SUBJECTS:
            rows = list(CONSENT.uses(view, subject.encode(), 200))
            assert len(rows) == sum(each[0] in ("use", "emergency") and subject in each for each in self.history)
            pages, after = [], b""
            while part := list(CONSENT.uses(view, subject.encode(), 2, after)):
                pages += part
                after = part[-1][0]
            assert pages == rows
            for key, row in rows:
                assert CONSENT.subject_of(key) == subject.encode()
                assert CONSENT.use(view, key) == row
                if row.grant:
                    given = self.grants[row.grant.decode()]
                    assert given.begin_ms <= row.at_ms < given.end_ms
                    assert not row.fields & ~given.fields
        for person in ("bob", "cat"):
            waiting = CONSENT.waiting(view, self.piece.people[person])
            assert {key.hex() for _, key in waiting} == {each[3] for each in self.open_of(person)}
            assert waiting == sorted(waiting)


def test_consent_agrees_with_a_naive_twin() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_subject_of_another_length_is_refused() -> None:
    piece = PieceChain(STEPS, RULES)
    assert piece.refusal("cat", "emergency", ["short"], [1]) == "unknown"
    assert CONSENT.subject_of(b"short") == b""
