"""`std.ledger` and `std.shares` against twins made of dictionaries and Python's own fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.plugin_api.std.ledger import AMOUNT_MAX, PARTS_MAX, Ledger, LedgerRules
from hnnode.plugin_api.std.shares import DENOMINATOR_MAX, HOLDERS_MAX, hand_over, whole
from tests.kit.std_probe import Probe

RULES = LedgerRules(
    *(f"probe.{name}" for name in ("exists", "unknown", "amount", "short", "unbalanced", "locked", "lock"))
)
ASSETS = (b"X", b"Y", b"Z", b"XY")
HOLDERS = (b"a", b"b", b"ab")
AMOUNTS = st.one_of(st.integers(-2, 60), st.just(AMOUNT_MAX))
asset, holder = st.sampled_from(ASSETS), st.sampled_from(HOLDERS)


class Machine(RuleBasedStateMachine):
    """The twin: (asset, holder) → amount, and asset → (lock, who locked)."""

    @initialize()
    def start(self) -> None:
        self.probe = Probe()
        self.people = [self.probe.account("one"), self.probe.account("two")]
        self.ledger = Ledger(b"l", RULES)
        self.known: set[bytes] = set()
        self.held: dict[tuple[bytes, bytes], int] = {}
        self.locks: dict[bytes, tuple[bytes, bytes]] = {}
        self.issued = 0

    def attempt(self, broken: set[str], run: Any, sender: int = 0) -> bool:
        rule = self.probe.do(self.people[sender], run)
        assert (rule in broken) if broken else rule == "", (rule, broken)
        return not rule

    def free(self, name: bytes) -> set[str]:
        broken = set() if name in self.known else {"unknown"}
        return broken | ({"locked"} if name in self.locks else set())

    def change(self, name: bytes, who: bytes, by: int) -> None:
        self.held[name, who] = self.held.get((name, who), 0) + by

    def total(self, name: bytes) -> int:
        return sum(amount for (each, _), amount in self.held.items() if each == name)

    @rule(name=asset, who=holder, amount=AMOUNTS)
    def issue(self, name: bytes, who: bytes, amount: int) -> None:
        broken = self.free(name) - {"unknown"}
        broken |= set() if 0 < amount <= AMOUNT_MAX - self.total(name) else {"amount"}
        if self.attempt(broken, lambda tx: self.ledger.issue(tx, name, who, amount)):
            self.known.add(name)
            self.change(name, who, amount)
            self.issued += amount

    @rule(name=asset, who=holder, amount=AMOUNTS)
    def retire(self, name: bytes, who: bytes, amount: int) -> None:
        broken = self.free(name) | (set() if amount > 0 else {"amount"})
        broken |= {"short"} if amount > self.held.get((name, who), 0) else set()
        if self.attempt(broken, lambda tx: self.ledger.retire(tx, name, who, amount)):
            self.change(name, who, -amount)
            self.issued -= amount

    @rule(name=asset, giver=holder, taker=holder, amount=AMOUNTS)
    def move(self, name: bytes, giver: bytes, taker: bytes, amount: int) -> None:
        broken = self.free(name) | (set() if amount > 0 else {"amount"})
        broken |= {"short"} if amount > self.held.get((name, giver), 0) else set()
        if self.attempt(broken, lambda tx: self.ledger.move(tx, name, giver, taker, amount)):
            self.change(name, giver, -amount)
            self.change(name, taker, amount)

    @rule(
        name=asset, who=holder, into=st.lists(asset, max_size=3, unique=True), cut=st.integers(1, 5), off=st.booleans()
    )
    def split(self, name: bytes, who: bytes, into: list[bytes], cut: int, off: bool) -> None:
        amount = self.held.get((name, who), 0)
        sizes = [min(cut, amount)] * (len(into) - 1)
        parts = list(zip(into, [*sizes, amount - sum(sizes) + off], strict=False))
        broken = self.free(name)
        broken |= set() if parts and all(size > 0 for _, size in parts) else {"amount"}
        broken |= {"unbalanced"} if sum(size for _, size in parts) != amount else set()
        broken |= {"exists"} if set(into) & self.known else set()
        if self.attempt(broken, lambda tx: self.ledger.split(tx, name, who, parts)):
            self.change(name, who, -amount)
            for made, size in parts:
                self.known.add(made)
                self.change(made, who, size)

    @rule(names=st.lists(asset, max_size=3), who=holder, into=asset)
    def merge(self, names: list[bytes], who: bytes, into: bytes) -> None:
        broken = set().union(*(self.free(name) for name in names)) if names else {"amount"}
        amounts = [self.held.get((name, who), 0) for name in names]
        broken |= {"short"} if 0 in amounts or len(set(names)) < len(names) else set()
        broken |= {"exists"} if into in self.known else set()
        broken |= {"amount"} if sum(amounts) > AMOUNT_MAX else set()
        if self.attempt(broken, lambda tx: self.ledger.merge(tx, names, who, into)):
            for name, amount in zip(names, amounts, strict=True):
                self.change(name, who, -amount)
            self.known.add(into)
            self.change(into, who, sum(amounts))

    @rule(name=asset, lock=st.sampled_from([b"", b"L1", b"L2"]), sender=st.integers(0, 1))
    def lock(self, name: bytes, lock: bytes, sender: int) -> None:
        broken = self.free(name) | (set() if lock else {"lock"})
        if self.attempt(broken, lambda tx: self.ledger.lock(tx, name, lock), sender):
            self.locks[name] = (lock, self.people[sender])

    @rule(
        name=asset,
        lock=st.sampled_from([b"", b"L1", b"L2"]),
        sender=st.integers(0, 1),
        moves=st.lists(st.tuples(holder, holder, st.integers(0, 30)), max_size=2),
    )
    def settle(self, name: bytes, lock: bytes, sender: int, moves: list[tuple[bytes, bytes, int]]) -> None:
        broken = set() if name in self.known else {"unknown"}
        broken |= set() if lock and self.locks.get(name) == (lock, self.people[sender]) else {"lock"}
        broken |= {"amount"} if any(amount <= 0 for _, _, amount in moves) else set()
        held = dict(self.held)
        for giver, taker, amount in moves:
            held[name, giver] = held.get((name, giver), 0) - amount
            broken |= {"short"} if held[name, giver] < 0 else set()
            held[name, taker] = held.get((name, taker), 0) + amount
        if self.attempt(broken, lambda tx: self.ledger.settle(tx, name, lock, moves), sender):
            self.held = held
            del self.locks[name]

    @invariant()
    def conserved(self) -> None:
        if not hasattr(self, "probe"):
            return
        view = self.probe.view()
        everything = 0
        for name in ASSETS:
            found = self.ledger.asset(view, name)
            assert (found is not None) == (name in self.known)
            amounts = {who: self.ledger.amount(view, name, who) for who in HOLDERS}
            assert amounts == {who: self.held.get((name, who), 0) for who in HOLDERS}
            assert min(amounts.values()) >= 0
            if found is not None:
                assert found.total == sum(amounts.values())
                assert (found.lock, found.lock_by) == self.locks.get(name, (b"", b""))
            everything += sum(amounts.values())
        assert everything == self.issued


def test_positions_agree_with_a_naive_twin() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_parts_and_moves_of_one_call_are_bounded() -> None:
    probe, ledger = Probe(), Ledger(b"l", RULES)
    one = probe.account("one")
    assert probe.do(one, lambda tx: ledger.issue(tx, b"X", b"a", 100)) == ""
    parts = [(b"P%d" % n, 1) for n in range(PARTS_MAX + 1)]
    assert probe.do(one, lambda tx: ledger.split(tx, b"X", b"a", parts)) == "amount"
    assert probe.do(one, lambda tx: ledger.merge(tx, [b"X"] * (PARTS_MAX + 1), b"a", b"M")) == "amount"
    assert probe.do(one, lambda tx: ledger.lock(tx, b"X", b"L")) == ""
    moves = [(b"a", b"b", 1)] * (PARTS_MAX + 1)
    assert probe.do(one, lambda tx: ledger.settle(tx, b"X", b"L", moves)) == "amount"


PARTS = st.lists(st.tuples(st.sampled_from((b"a", b"b", b"c")), st.integers(-1, 6), st.integers(0, 6)), max_size=5)


def exact(parts: Any) -> dict[bytes, Fraction] | None:
    """The twin's sum by holder; None when a part is none."""
    held: dict[bytes, Fraction] = {}
    for who, top, bottom in parts:
        if not 0 < top <= bottom:
            return None
        held[who] = held.get(who, Fraction(0)) + Fraction(top, bottom)
    return held


@given(PARTS)
def test_shares_add_up_to_exactly_one_or_are_refused(parts: Any) -> None:
    held = exact(parts)
    want = None
    if held and sum(held.values()) == 1:
        want = [(who, part.numerator, part.denominator) for who, part in sorted(held.items())]
    assert whole(parts) == want


@settings(max_examples=300)
@given(st.data())
def test_a_hand_over_conserves_the_sum_and_leaves_others_alone(data: Any) -> None:
    weights = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    shares = whole([(bytes((97 + n,)), weight, sum(weights)) for n, weight in enumerate(weights)])
    assert shares is not None
    givers = data.draw(st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), max_size=3))
    held = {who: Fraction(top, bottom) for who, top, bottom in shares}
    given_away = sum((held.get(who, Fraction(0)) for who in set(givers)), Fraction(0))
    cuts = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    off = data.draw(st.sampled_from([0, 0, 0, 1, -1]))
    takers = []
    for n, cut in enumerate(cuts):
        part = given_away * Fraction(cut, sum(cuts)) + (Fraction(off, 100) if n == 0 else 0)
        takers.append((bytes((99 + n,)), part.numerator, part.denominator))
    made = hand_over(shares, givers, takers)
    legal = set(givers) <= set(held) and len(set(givers)) == len(givers) and givers and off == 0
    assert (made is not None) == bool(legal)
    if made is not None:
        after = {who: Fraction(top, bottom) for who, top, bottom in made}
        assert sum(after.values()) == 1
        assert [who for who, *_ in made] == sorted(after)
        for who in set(held) - set(givers):
            taken = sum((Fraction(top, bottom) for each, top, bottom in takers if each == who), Fraction(0))
            assert after[who] == held[who] + taken


def test_shares_are_bounded() -> None:
    many = [(bytes((n,)), 1, HOLDERS_MAX + 1) for n in range(HOLDERS_MAX + 1)]
    assert whole(many) is None
    assert whole([*many[:-2], (b"z", 2, HOLDERS_MAX + 1)]) is not None
    assert whole([(b"a", 1, DENOMINATOR_MAX + 1), (b"b", DENOMINATOR_MAX, DENOMINATOR_MAX + 1)]) is None
    assert whole([(b"a", 1, DENOMINATOR_MAX), (b"a", 1, 3), (b"b", 1, 2)]) is None
