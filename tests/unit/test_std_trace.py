"""The trace graph against a naive twin: each rule refuses what it is for, and after any sequence the graph is whole.

The twin keeps dictionaries and names, for each attempt, every rule it breaks; it finds held lots by walking the whole
graph each time. The library must accept exactly what breaks none and refuse by one of those named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.plugin_api import Context, QueryRefused
from hnnode.plugin_api.std import walks
from hnnode.plugin_api.std.holds import FREEZE, LIFTED, RECALL, SPREAD, HoldRules, Holds
from hnnode.plugin_api.std.trace import Lot, Trace, TraceRules, TransformRules
from tests.kit.std_piece import PieceChain, rules_of

GENERATIONS = 6


class Box(Lot, array_like=True):
    """An application's own field behind those of the library."""

    colour: str = "red"


TRACE_RULES: TraceRules = rules_of(TraceRules)
HOLD_RULES = HoldRules("piece.hold_unknown", "piece.hold_done", "piece.hold_lifted", "piece.hold_final")
TRANSFORM_RULES: TransformRules = rules_of(TransformRules)
TRACE = Trace(b"t", Box, TRACE_RULES, TRANSFORM_RULES, GENERATIONS)
HOLDS = Holds(b"z", TRACE, HOLD_RULES, edges_max=3)


def create(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    lot = Box(holder=tx.sender, quantity=numbers[0], layer=numbers[1])
    TRACE.create(tx, names[0], lot)
    TRACE.put(tx, names[0], lot)


def carve(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    source = TRACE.load(tx, names[0])
    chain = TRACE.top(tx, names[0], source)
    TRACE.require_holder(tx, chain[-1][1])
    TRACE.require_free(tx, chain)
    new = Box(holder=chain[-1][1].holder, quantity=numbers[0], layer=numbers[1])
    TRACE.carve(tx, names[0], source, names[1], new)
    if numbers[2]:
        TRACE.born_inside(tx, new, names[0], source)
    TRACE.put(tx, names[0], source)
    TRACE.put(tx, names[1], new)


def transform(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    """numbers: count of inputs, loss, quantities of the outputs."""
    inputs = [(name, TRACE.load(tx, name)) for name in names[: numbers[0]]]
    made = names[numbers[0] :]
    outputs = [(name, Box(tx.sender, amount)) for name, amount in zip(made, numbers[2:], strict=True)]
    TRACE.transform(tx, inputs, outputs, numbers[1])
    for name, lot in (*inputs, *outputs):
        TRACE.put(tx, name, lot)


def consume(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    lot = TRACE.load(tx, names[0])
    chain = TRACE.top(tx, names[0], lot)
    TRACE.require_holder(tx, chain[-1][1])
    TRACE.require_free(tx, chain)
    TRACE.consume(tx, lot, numbers[0])
    TRACE.put(tx, names[0], lot)


def finish(tx: Context, names: list[bytes], _: list[int]) -> None:
    lot = TRACE.load(tx, names[0])
    TRACE.finish(tx, lot)
    TRACE.put(tx, names[0], lot)


def put_in(tx: Context, names: list[bytes], _: list[int]) -> None:
    lot, container = TRACE.load(tx, names[0]), TRACE.load(tx, names[1])
    TRACE.require_free(tx, ((names[0], lot), (names[1], container)))
    TRACE.put_in(tx, lot, names[1], container)
    TRACE.put(tx, names[0], lot)
    TRACE.put(tx, names[1], container)


def take_out(tx: Context, names: list[bytes], _: list[int]) -> None:
    lot = TRACE.load(tx, names[0])
    chain = TRACE.top(tx, names[0], lot)
    tx.require(TRACE_RULES.inside, len(chain) > 1)
    TRACE.require_holder(tx, chain[-1][1])
    TRACE.require_free(tx, chain)
    TRACE.take_out(lot, chain[1][1], chain[-1][1].holder)
    TRACE.put(tx, names[0], lot)
    TRACE.put(tx, *chain[1])


def offer(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    lot = TRACE.load(tx, names[0])
    TRACE.offer(tx, ((names[0], lot),), bytes.fromhex(names[1].decode()), tx.block_time_ms + numbers[0])
    TRACE.put(tx, names[0], lot)


def confirm(tx: Context, names: list[bytes], _: list[int]) -> None:
    lot = TRACE.load(tx, names[0])
    TRACE.confirm(tx, names[0], lot)
    TRACE.put(tx, names[0], lot)


def withdraw(tx: Context, names: list[bytes], _: list[int]) -> None:
    lot = TRACE.load(tx, names[0])
    TRACE.withdraw(tx, lot)
    TRACE.put(tx, names[0], lot)


def hold(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    HOLDS.begin(tx, numbers[0], names[0], 0, b"order")


def lift(tx: Context, names: list[bytes], _: list[int]) -> None:
    HOLDS.lift(tx, bytes.fromhex(names[0].decode()), b"lifted")


def advance(tx: Context, names: list[bytes], _: list[int]) -> None:
    HOLDS.advance(tx, bytes.fromhex(names[0].decode()))


STEPS: Any = {
    step.__name__: step
    for step in (
        create,
        carve,
        transform,
        consume,
        finish,
        put_in,
        take_out,
        offer,
        confirm,
        withdraw,
        hold,
        lift,
        advance,
    )
}


def make_chain() -> PieceChain:
    return PieceChain(STEPS, TRACE_RULES, TRANSFORM_RULES, HOLD_RULES)


@dataclass
class Twin:
    holder: str
    quantity: int
    layer: int = 0
    inside: str = ""
    ended: bool = False
    receiver: str = ""
    ends_ms: int = 0
    generation: int = 0
    parents: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.piece = make_chain()
        self.lots: dict[str, Twin] = {}
        self.marks: dict[str, set[str]] = {}  # hold → lots the walk has reached, as the chain tells
        self.holds: dict[str, tuple[int, str, bool]] = {}  # hold → kind, source, lifting
        self.count = 0
        for name, quantity, layer in (("pallet", 0, 5), ("case", 60, 4), ("crate", 50, 3), ("sack", 40, 0)):
            for person in ("ann", "bob"):  # a head start, so that most steps are about lots that are there
                assert self.piece.do(person, "create", [f"{name}-{person}"], [quantity, layer]).ok
                self.lots[f"{name}-{person}"] = Twin(person, quantity, layer)
        for source, inside in (("case-ann", 1), ("case-ann", 0), ("case-ann", 1), ("lot001", 0), ("lot001", 0)):
            name, amount = self.fresh(), 7 if source == "case-ann" else 3
            assert self.piece.do("ann", "carve", [source, name], [amount, 0, inside]).ok
            self.lots[source].quantity -= amount
            self.born(name, Twin("ann", amount, 0, source if inside else "", parents=[source]))

    def fresh(self) -> str:
        self.count += 1
        return f"lot{self.count:03}"

    def chain_of(self, name: str) -> list[str]:
        chain = [name]
        while self.lots[chain[-1]].inside:
            chain.append(self.lots[chain[-1]].inside)
        return chain

    def held(self, name: str) -> bool:
        return any(name in reached for reached in self.marks.values())

    def unfree(self, chain: list[str]) -> set[str]:
        broken = set()
        for name in chain:
            lot = self.lots[name]
            broken |= {"ended"} if lot.ended else set()
            broken |= {"offered"} if lot.receiver else set()
            broken |= {"held"} if any(self.held(each) for each in (name, *lot.parents)) else set()
        return broken

    def attempt(self, broken: set[str], person: str, step: str, names: list[str], numbers: list[int]) -> bool:
        rule_id = self.piece.refusal(person, step, names, numbers)
        assert rule_id in broken if rule_id else not broken, (step, names, numbers, rule_id, broken)
        return not rule_id

    def born(self, name: str, twin: Twin) -> None:
        self.lots[name] = twin
        twin.generation = max((self.lots[each].generation + 1 for each in twin.parents), default=0)
        for parent in twin.parents:
            self.lots[parent].children.append(name)

    def pick(self, data: Any) -> str:
        live = sorted(name for name, lot in self.lots.items() if not lot.ended)
        names = live if live and data.draw(st.integers(0, 9)) < 9 else sorted(self.lots)
        return str(data.draw(st.sampled_from(names)))

    def person(self, data: Any, likely: str) -> str:
        return likely if data.draw(st.integers(0, 7)) < 7 else str(data.draw(st.sampled_from(["ann", "bob", "cat"])))

    @rule(person=st.sampled_from(["ann", "bob"]), quantity=st.integers(0, 20), layer=st.integers(0, 4), data=st.data())
    def create(self, person: str, quantity: int, layer: int, data: Any) -> None:
        name = self.pick(data) if data.draw(st.integers(0, 9)) == 9 else self.fresh()
        broken = {"exists"} if name in self.lots else set()
        if self.attempt(broken, person, "create", [name], [quantity, layer]):
            self.born(name, Twin(person, quantity, layer))

    @rule(quantity=st.integers(0, 12), layer=st.integers(0, 3), inside=st.sampled_from([1, 1, 0]), data=st.data())
    def carve(self, quantity: int, layer: int, inside: int, data: Any) -> None:
        source, name = self.pick(data), self.fresh()
        chain = self.chain_of(source)
        lot = self.lots[source]
        top = self.lots[chain[-1]]
        person = self.person(data, top.holder)
        broken = self.unfree(chain)
        broken |= {"not_holder"} if top.holder != person else set()
        broken |= {"exceeds"} if not 0 < quantity <= lot.quantity else set()
        broken |= {"deep"} if lot.generation >= GENERATIONS else set()
        broken |= {"layer"} if inside and layer >= lot.layer else set()
        if self.attempt(broken, person, "carve", [source, name], [quantity, layer, inside]):
            lot.quantity -= quantity
            self.born(name, Twin(top.holder, quantity, layer, source if inside else "", parents=[source]))

    @rule(
        data=st.data(), loss=st.sampled_from([0, 1, 3, -1]), off=st.sampled_from([0, 0, 0, 1]), parts=st.integers(1, 3)
    )
    def transform(self, data: Any, loss: int, off: int, parts: int) -> None:
        inputs = [self.pick(data) for _ in range(data.draw(st.integers(1, 3)))]
        outputs = [self.fresh() for _ in range(parts)]
        total = sum(self.lots[name].quantity for name in inputs) - loss + off
        amounts = [total // parts] * (parts - 1) + [total - total // parts * (parts - 1)]
        person = self.person(data, self.lots[inputs[0]].holder)
        broken: set[str] = {"twice"} if len(set(inputs)) < len(inputs) else set()
        for name in inputs:
            lot = self.lots[name]
            broken |= self.unfree([name])
            broken |= {"not_holder"} if lot.holder != person else set()
            broken |= {"inside"} if lot.inside else set()
            broken |= {"filled"} if any(other.inside == name for other in self.lots.values()) else set()
            broken |= {"deep"} if lot.generation >= GENERATIONS else set()
        if loss < 0 or min(amounts) <= 0 or sum(amounts) + loss != sum(self.lots[n].quantity for n in inputs):
            broken.add("unbalanced")
        if self.attempt(broken, person, "transform", inputs + outputs, [len(inputs), loss, *amounts]):
            for name in inputs:
                self.lots[name].quantity, self.lots[name].ended = 0, True
            for name, amount in zip(outputs, amounts, strict=True):
                self.born(name, Twin(person, amount, parents=list(inputs)))

    @rule(data=st.data(), quantity=st.integers(0, 8))
    def consume(self, data: Any, quantity: int) -> None:
        name = self.pick(data)
        chain = self.chain_of(name)
        lot = self.lots[name]
        person = self.person(data, self.lots[chain[-1]].holder)
        broken = self.unfree(chain)
        broken |= {"not_holder"} if self.lots[chain[-1]].holder != person else set()
        broken |= {"exceeds"} if not 0 < quantity <= lot.quantity else set()
        if self.attempt(broken, person, "consume", [name], [quantity]):
            lot.quantity -= quantity
            lot.ended = not lot.quantity and not any(other.inside == name for other in self.lots.values())

    @rule(data=st.data())
    def finish(self, data: Any) -> None:
        if data.draw(st.integers(0, 3)) == 3:
            name = self.pick(data)
            lot = self.lots[name]
            if self.attempt({"ended"} if lot.ended else set(), "cat", "finish", [name], []):
                lot.quantity, lot.ended, lot.receiver = 0, True, ""

    @rule(data=st.data())
    def put_in(self, data: Any) -> None:
        name = self.pick(data)
        boxes = sorted(each for each, lot in self.lots.items() if lot.layer > self.lots[name].layer)
        container = str(data.draw(st.sampled_from(boxes))) if boxes else self.pick(data)
        if name == container:
            return
        lot, box = self.lots[name], self.lots[container]
        person = self.person(data, lot.holder)
        broken = self.unfree([name, container])
        broken |= {"not_holder"} if {lot.holder, box.holder} != {person} else set()
        broken |= {"inside"} if lot.inside or box.inside else set()
        broken |= {"layer"} if lot.layer >= box.layer else set()
        if self.attempt(broken, person, "put_in", [name, container], []):
            lot.inside = container

    @rule(data=st.data())
    def take_out(self, data: Any) -> None:
        packed = sorted(name for name, lot in self.lots.items() if lot.inside)
        name = str(data.draw(st.sampled_from(packed))) if packed else self.pick(data)
        chain = self.chain_of(name)
        holder = self.lots[chain[-1]].holder
        person = self.person(data, holder)
        broken = self.unfree(chain) | ({"not_holder"} if holder != person else set())
        broken |= {"inside"} if len(chain) == 1 else set()
        if self.attempt(broken, person, "take_out", [name], []):
            self.lots[name].inside, self.lots[name].holder = "", holder

    @rule(data=st.data(), receiver=st.sampled_from(["ann", "bob", "cat"]))
    def offer(self, data: Any, receiver: str) -> None:
        name = self.pick(data)
        lot = self.lots[name]
        person = self.person(data, lot.holder)
        broken = self.unfree([name])
        broken |= {"not_holder"} if lot.holder != person else set()
        broken |= {"inside"} if lot.inside else set()
        broken |= {"own_account"} if receiver == person else set()
        to = self.piece.people[receiver].hex()
        if self.attempt(broken, person, "offer", [name, to], [5_000]):
            lot.receiver, lot.ends_ms = receiver, self.piece.chain.time_ms + 5_000

    @rule(data=st.data(), withdraw=st.booleans())
    def answer(self, data: Any, withdraw: bool) -> None:
        offered = sorted(name for name, lot in self.lots.items() if lot.receiver)
        name = str(data.draw(st.sampled_from(offered))) if offered else self.pick(data)
        lot = self.lots[name]
        person = self.person(data, lot.holder if withdraw else lot.receiver or lot.holder)
        over = self.piece.chain.time_ms + self.piece.chain.block_ms > lot.ends_ms
        broken: set[str] = set()
        if withdraw:
            broken |= {"not_holder"} if lot.holder != person else set()
            broken |= {"not_receiver"} if not lot.receiver else set() if over else {"offer_live"}
        else:
            broken |= {"not_receiver"} if lot.receiver != person else {"offer_over"} if over else set()
            broken |= {"held"} if any(self.held(each) for each in (name, *lot.parents)) else set()
        if self.attempt(broken, person, "withdraw" if withdraw else "confirm", [name], []):
            lot.holder, lot.receiver = lot.holder if withdraw else person, ""

    @rule(ms=st.sampled_from([1_000, 6_000]))
    def wait(self, ms: int) -> None:
        self.piece.chain.advance(ms)

    def reached(self, hold_id: str) -> set[str]:
        """Lots that carry the mark of a hold, as the state tells."""
        view = self.piece.chain.view()
        return {name for name in self.lots if view.get(HOLDS.mark_key(name.encode(), bytes.fromhex(hold_id))) == b""}

    @rule(data=st.data(), kind=st.sampled_from([FREEZE, FREEZE, RECALL]))
    def hold(self, data: Any, kind: int) -> None:
        if len(self.holds) < 4:
            parents = sorted(each for each, lot in self.lots.items() if lot.children)
            name = str(data.draw(st.sampled_from(parents))) if data.draw(st.booleans()) else self.pick(data)
            outcome = self.piece.do("cat", "hold", [name], [kind])
            assert outcome.ok
            hold_id = outcome.tx_id[:16].hex()
            self.holds[hold_id] = (kind, name, False)
            self.marks[hold_id] = self.reached(hold_id)

    @rule(data=st.data(), step=st.sampled_from(["lift", "advance", "advance"]))
    def walk(self, data: Any, step: str) -> None:
        if not self.holds:
            return
        hold_id = str(data.draw(st.sampled_from(sorted(self.holds))))
        kind, name, lifting = self.holds[hold_id]
        found = HOLDS.get(self.piece.chain.view(), bytes.fromhex(hold_id))
        assert found is not None
        broken: set[str] = set()
        if step == "lift":
            broken = {"hold_final"} if kind == RECALL else {"hold_lifted"} if lifting else set()
        elif not found.stack:
            broken = {"hold_done"}
        if self.attempt(broken, "bob", step, [hold_id], []):
            self.holds[hold_id] = (kind, name, lifting or step == "lift")
            self.marks[hold_id] = self.reached(hold_id)

    def below(self, name: str) -> set[str]:
        return {name}.union(*(self.below(child) for child in self.lots[name].children))

    def above(self, name: str) -> set[str]:
        return {name}.union(*(self.above(parent) for parent in self.lots[name].parents))

    @invariant()
    def the_graph_is_the_twins(self) -> None:
        view = self.piece.chain.view()
        rows = view.scan(b"t", 200)
        lots = {key[1:]: TRACE.decode(value) for key, value in rows}
        assert list(walks.audit(lots, GENERATIONS)) == []
        assert set(lots) == {name.encode() for name in self.lots}
        names = {account: name for name, account in self.piece.people.items()}
        for name, twin in self.lots.items():
            lot = lots[name.encode()]
            seen = (lot.quantity, lot.inside.decode(), lot.ended, names.get(lot.receiver, ""), lot.generation)
            assert seen == (twin.quantity, twin.inside, twin.ended, twin.receiver, twin.generation), name
            assert names[lot.holder] == twin.holder or twin.inside, name
            assert lot.holds == sum(name in reached for reached in self.marks.values()), name
            assert lot.colour == "red"

    @invariant()
    def finished_holds_have_reached_everything_below(self) -> None:
        view = self.piece.chain.view()
        for hold_id, (_, source, _) in self.holds.items():
            found = HOLDS.get(view, bytes.fromhex(hold_id))
            assert found is not None
            assert found.reached == len(self.marks[hold_id])
            assert len(found.stack) <= GENERATIONS + 2
            assert self.marks[hold_id] <= self.below(source)
            if found.phase == SPREAD:
                assert self.marks[hold_id] == self.below(source)
            if found.phase == LIFTED:
                assert self.marks[hold_id] == set()

    @invariant()
    def walks_find_what_is_linked(self) -> None:
        view = self.piece.chain.view()
        for name in sorted(self.lots)[:4]:
            ahead = list(walks.forward(TRACE, view, name.encode()))
            assert {lot_id.decode() for lot_id, _, _ in ahead} == self.below(name)
            assert len(ahead) == len(self.below(name))
            assert [steps for _, steps, _ in ahead] == sorted(steps for _, steps, _ in ahead)
            behind = list(walks.back(TRACE, view, name.encode()))
            assert {lot_id.decode() for lot_id, _, _ in behind} == self.above(name)
            pages, after = [], 0
            while after is not None:
                items, after = walks.page(walks.forward(TRACE, view, name.encode()), after, 2)
                pages += items
            assert pages == ahead


def test_the_graph_agrees_with_a_naive_twin() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_fan_of_a_thousand_is_walked_in_bounded_steps() -> None:
    piece = make_chain()
    assert piece.do("ann", "create", ["lot"], [2_000, 0]).ok
    for n in range(100):
        assert piece.do("ann", "carve", ["lot", f"part{n}"], [1, 0, 0]).ok
    outcome = piece.do("cat", "hold", ["lot"], [FREEZE])
    hold_id, turns = outcome.tx_id[:16].hex(), 0
    assert piece.refusal("ann", "carve", ["part7", "piece7"], [1, 0, 0]) == "held"  # not reached, its parent is
    while not piece.refusal("bob", "advance", [hold_id]):
        turns += 1
        assert len(piece.chain.view().scan(HOLDS.waiting_prefix, 9)) <= 1
    assert turns == -(-101 // 3) - 1
    assert piece.refusal("bob", "advance", [hold_id]) == "hold_done"
    assert piece.refusal("bob", "lift", ["00" * 16]) == "hold_unknown"


def test_a_walk_over_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "STEPS_MAX", 5)
    piece = make_chain()
    piece.do("ann", "create", ["lot"], [9, 0])
    for n in range(4):
        piece.do("ann", "carve", ["lot", f"part{n}"], [1, 0, 0])
    assert len(list(walks.forward(TRACE, piece.chain.view(), b"lot"))) == 5
    piece.do("ann", "carve", ["lot", "part5"], [1, 0, 0])
    with pytest.raises(QueryRefused, match="QUERY_TOO_BROAD"):
        list(walks.forward(TRACE, piece.chain.view(), b"lot"))
    with pytest.raises(QueryRefused, match="NOT_FOUND"):
        list(walks.back(TRACE, piece.chain.view(), b"nothing"))
