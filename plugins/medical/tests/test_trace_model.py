"""Random sequences of the drug trace against a deliberately naive twin that has every pack from the start.

The chain learns of a pack when it is first named, moves containers without looking inside and walks freezes in steps.
The twin keeps all packs as plain objects, one in the other, and looks everything up by walking. For each attempt it
names every rule it breaks: the chain must accept exactly what breaks none, and refuse by one of those named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hn_medical.trace_state import PACK_MOVES
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.primitives.due import DueReceipt

DOC = "ab" * 32
PRODUCT = "86904879000126"
DAY_MS = 86_400_000


@dataclass
class Thing:
    """A pack. `came_in`: what it was made inside of, for ever; `inside`: what it lies in now."""

    layer: int
    came_in: str = ""
    inside: str = ""
    holder: bytes = b""
    state: str = "commissioned"
    receiver: bytes = b""
    ended: bool = False
    alarms: int = 0
    settled: bool = False


@dataclass
class Trip:
    sender: bytes
    receiver: bytes
    packs: list[str]
    states: list[str]
    ends_ms: int
    returning: bool
    over: bool = False
    late: bool = False


class Machine(RuleBasedStateMachine):
    make_world: Any

    @initialize()
    def start(self) -> None:
        self.world = w = self.make_world()
        w.activated()
        self.tree = w.tree
        self.things: dict[str, Thing] = {}
        for name, chain in w.tree.chains.items():
            outer = chain[34:54]
            self.things[name] = Thing(int(chain[0]), outer, outer, w.maker)
        self.seen: set[str] = set()
        self.trips: dict[str, Trip] = {}
        self.holds: dict[str, tuple[str, bool]] = {}
        self.known: dict[str, str] = {}
        self.heard: list[str] = []
        self.block_ms = 0
        self.recalled = False
        self.count = 0
        self.people = [w.maker, w.shop, w.clinic, w.trader]
        self.expires_ms = w.batch()["expires_ms"]
        for n, receiver in ((1000, w.shop), (2200, w.clinic), (900, w.shop), (2101, w.trader)):
            self.ship_one(f"8385793{n:013}", w.maker, receiver)

    # ---------------------------------------------------------------- what the twin knows

    def now_ms(self) -> int:
        return int(self.world.chain.time_ms + self.world.chain.block_ms)

    def around(self, name: str) -> list[str]:
        """The pack and what it lies in, outermost last."""
        found = [name]
        while self.things[found[-1]].inside:
            found.append(self.things[found[-1]].inside)
        return found

    def origins(self, name: str) -> list[str]:
        found = [name]
        while found[-1] in self.things and self.things[found[-1]].came_in:
            found.append(self.things[found[-1]].came_in)
        return [*found, self.tree.root] if name in self.tree.chains else found

    def top(self, name: str) -> Thing:
        return self.things[self.around(name)[-1]]

    def held(self, name: str) -> bool:
        return any(not lifted and source in self.origins(name) for source, lifted in self.holds.values())

    def unfree(self, name: str) -> set[str]:
        broken = set()
        for each in self.around(name):
            thing = self.things[each]
            broken |= {"pack_ended"} if thing.ended else set()
            broken |= {"in_transit"} if thing.receiver else set()
            broken |= {"held"} if self.held(each) else set()
        return broken

    def unsaleable(self) -> set[str]:
        broken = {"recalled"} if self.recalled else set()
        return broken | ({"expired"} if self.now_ms() >= self.expires_ms else set())

    def attempt(self, broken: set[str], sender: bytes, action: str, **payload: Any) -> Any:
        outcome = self.world.do(sender, action, **payload)
        if outcome.ok:
            assert not broken, f"{action} {payload}: accepted, the twin says {broken}"
        else:
            assert outcome.rule.removeprefix("medical.") in broken, f"{action} {payload}: {outcome}, twin {broken}"
        self.hear(self.world.chain.due())
        return outcome

    def hear(self, done: list[DueReceipt]) -> None:
        """What blocks did without a transaction, up to now."""
        events = [event for one in done for event in one.receipt.events]
        assert all(name == "medical.overdue" for name, _, _ in events)
        assert not any(one.receipt.code for one in done)
        self.heard += [entity for _, entity, _ in events]
        self.block_ms = self.world.chain.time_ms

    def ref(self, name: str) -> dict[str, Any]:
        if name in self.tree.chains:
            return {"code": name, "proof": self.tree.proof(name)}
        return {"code": name}

    def name(self, *names: str) -> None:
        """The chain has seen these, and what they came in."""
        for each in names:
            self.seen |= set(self.origins(each)) & set(self.things)

    def take_out(self, name: str) -> Thing:
        thing, top = self.things[name], self.top(name)
        if thing is not top:
            thing.inside, thing.holder, thing.state = "", top.holder, top.state
        return thing

    def fresh(self) -> str:
        self.count += 1
        return f"{self.count:04}"

    # ---------------------------------------------------------------- choosing

    def pick(self, data: Any, *layers: int) -> str:
        names = sorted(name for name, thing in self.things.items() if not layers or thing.layer in layers)
        live = [name for name in names if not self.top(name).ended and not self.top(name).receiver]
        return str(data.draw(st.sampled_from(live if live and data.draw(st.integers(0, 7)) < 7 else names)))

    def person(self, data: Any, likely: bytes) -> bytes:
        return likely if data.draw(st.integers(0, 7)) < 7 else bytes(data.draw(st.sampled_from(self.people)))

    # ---------------------------------------------------------------- rules

    def ship_one(self, name: str, sender: bytes, receiver: bytes) -> None:
        self.send([name], sender, receiver, 60, False)
        self.receive_trip(f"TRIP-{self.count:04}", receiver)

    def send(self, names: list[str], sender: bytes, receiver: bytes, minutes: int, returning: bool) -> None:
        trip = f"TRIP-{self.fresh()}"
        allowed = ("received", "returned") if returning else ("commissioned", "received")
        broken: set[str] = {"pack_twice"} if len(set(names)) < len(names) else set()
        broken |= {"own_account"} if sender == receiver else set()
        broken |= set() if returning else self.unsaleable()
        for name in names:
            top = self.top(name)
            broken |= self.unfree(name)
            broken |= {"not_holder"} if top.holder != sender else set()
            broken |= {"wrong_state"} if top.state not in allowed else set()
        if len(names) == 2 and names[0] in self.around(names[1])[1:]:
            broken.add("in_transit")  # the container has gone before its content is taken out of it
        payload: dict[str, Any] = {"shipment": trip, "to": receiver.hex(), "packs": [self.ref(n) for n in names]}
        payload |= {"minutes": minutes, **({"reason": "unsold"} if returning else {})}
        if not self.attempt(broken, sender, "return_packs" if returning else "ship", **payload).ok:
            return
        states = []
        for name in names:
            thing = self.take_out(name)
            states.append(thing.state)
            thing.state, thing.receiver = "shipped", receiver
        self.name(*names)
        ends_ms = self.world.chain.time_ms + minutes * 60_000
        self.trips[trip] = Trip(sender, receiver, names, states, ends_ms, returning)

    @rule(data=st.data(), minutes=st.sampled_from([1, 60]), returning=st.sampled_from([False, False, True]))
    def ship(self, data: Any, minutes: int, returning: bool) -> None:
        names = [self.pick(data) for _ in range(data.draw(st.sampled_from([1, 1, 2])))]
        sender = self.person(data, self.top(names[0]).holder)
        self.send(names, sender, bytes(data.draw(st.sampled_from(self.people))), minutes, returning)

    def receive_trip(self, name: str, sender: bytes) -> None:
        trip = self.trips[name]
        broken = {"not_receiver"} if trip.receiver != sender else set()
        broken |= {"shipment_over"} if trip.over else set()
        for pack in trip.packs:
            if self.things[pack].ended:
                continue
            broken |= {"offer_expired"} if self.now_ms() > trip.ends_ms else set()
            broken |= {"held"} if self.held(pack) else set()
            broken |= set() if trip.returning else self.unsaleable()
        if self.attempt(broken, sender, "receive", shipment=name).ok:
            trip.over = True
            for thing in (self.things[pack] for pack in trip.packs):
                if not thing.ended:
                    thing.holder, thing.receiver = sender, b""
                    thing.state = "returned" if trip.returning else "received"

    @rule(data=st.data(), back=st.sampled_from([False, False, True]))
    def answer(self, data: Any, back: bool) -> None:
        open_trips = sorted(name for name, trip in self.trips.items() if not trip.over)
        name = str(data.draw(st.sampled_from(open_trips or sorted(self.trips))))
        trip = self.trips[name]
        if not back:
            self.receive_trip(name, self.person(data, trip.receiver))
            return
        sender = self.person(data, trip.sender)
        broken = {"not_sender"} if trip.sender != sender else set()
        broken |= {"shipment_over"} if trip.over else set()
        live = [pack for pack in trip.packs if not self.things[pack].ended]
        broken |= {"offer_live"} if live and self.now_ms() <= trip.ends_ms else set()
        if self.attempt(broken, sender, "take_back", shipment=name).ok:
            trip.over = True
            for pack, state in zip(trip.packs, trip.states, strict=True):
                if not self.things[pack].ended:
                    self.things[pack].state, self.things[pack].receiver = state, b""

    @rule(data=st.data(), layer=st.integers(2, 5))
    def aggregate(self, data: Any, layer: int) -> None:
        names = [self.pick(data) for _ in range(data.draw(st.integers(1, 2)))]
        sender = self.person(data, self.top(names[0]).holder)
        known = sorted(name for name in self.things if name not in self.tree.chains)
        reuse = bool(known) and data.draw(st.booleans())
        container = str(data.draw(st.sampled_from(known))) if reuse else f"7{self.fresh():0>19}"
        layer = self.things[container].layer if reuse and data.draw(st.integers(0, 5)) < 5 else layer
        broken: set[str] = {"pack_twice"} if len(set(names)) < len(names) else set()
        broken |= self.unsaleable()
        state = self.top(names[0]).state
        if reuse:
            box = self.things[container]
            state = box.state
            broken |= self.unfree(container) - ({"pack_ended"} if not self.things[container].ended else set())
            broken |= {"layer_invalid"} if box.layer != layer else set()
            broken |= {"not_holder"} if box.holder != sender else set()
            broken |= {"pack_inside"} if box.inside else set()
        for name in names:
            top = self.top(name)
            broken |= self.unfree(name)
            broken |= {"not_holder"} if top.holder != sender else set()
            broken |= {"wrong_state"} if top.state != state or state not in ("commissioned", "received") else set()
            broken |= {"layer_invalid"} if self.things[name].layer >= layer else set()
        if len(names) == 2 and names[0] in self.around(names[1])[1:]:
            return  # what is in a pack just packed: comes out of the new container, a case of its own
        payload = {"container": container, "layer": layer, "packs": [self.ref(name) for name in names]}
        if self.attempt(broken, sender, "aggregate", **payload).ok:
            if not reuse:
                self.things[container] = Thing(layer, holder=sender, state=state)
            for name in names:
                self.take_out(name)
                self.things[name].inside = container
            self.name(*names, container)

    @rule(data=st.data())
    def dispense(self, data: Any) -> None:
        name = self.pick(data, 1, 1, 2)
        thing, top = self.things[name], self.top(name)
        sender = self.person(data, top.holder)
        if sender not in (self.world.shop, self.world.clinic):
            return
        rx = f"{self.count:064x}"
        payload = {**self.ref(name), "rx": rx}
        if thing.state == "dispensed" and thing.ended:
            self.attempt(set(), sender, "dispense", **payload)
            thing.alarms += 1
            return
        broken = self.unfree(name) | self.unsaleable()
        broken |= {"not_smallest"} if thing.layer != 1 else set()
        broken |= {"not_holder"} if top.holder != sender else set()
        broken |= {"wrong_state"} if top.state != "received" else set()
        if self.attempt(broken, sender, "dispense", **payload).ok:
            self.take_out(name)
            thing.state, thing.ended = "dispensed", True
            self.name(name)

    @rule(data=st.data())
    def settle(self, data: Any) -> None:
        gone = sorted(name for name, thing in self.things.items() if thing.state == "dispensed")
        name = str(data.draw(st.sampled_from(gone))) if gone else self.pick(data)
        thing = self.things[name]
        broken = set() if name in self.seen else {"pack_unknown"}
        broken |= set() if thing.state == "dispensed" else {"not_dispensed"}
        if self.attempt(broken, self.world.insurer, "settle", code=name, settlement=DOC).ok:
            thing.alarms += thing.settled
            thing.settled = True

    @rule(data=st.data(), regulator=st.booleans())
    def destroy(self, data: Any, regulator: bool) -> None:
        if data.draw(st.integers(0, 2)) < 2:
            return
        name = self.pick(data)
        top = self.top(name)
        sender = self.world.regulator if regulator else self.person(data, top.holder)
        broken = {"pack_ended"} if self.things[name].ended or top.ended else set()
        if not regulator:
            broken |= {"not_holder"} if top.holder != sender else set()
            broken |= {"in_transit"} if top.receiver else set()
        if self.things[name] is not top or name not in self.seen:
            broken |= self.unfree(name)
        if self.attempt(broken, sender, "destroy", packs=[self.ref(name)], document=DOC).ok:
            thing = self.take_out(name)
            thing.ended, thing.state, thing.receiver = True, "destroyed", b""
            self.name(name)

    @rule(data=st.data(), lift=st.booleans())
    def freeze(self, data: Any, lift: bool) -> None:
        regulator = self.world.regulator
        if lift and self.holds:
            hold = str(data.draw(st.sampled_from(sorted(self.holds))))
            source, lifted = self.holds[hold]
            if self.attempt({"hold_lifted"} if lifted else set(), regulator, "unfreeze", hold=hold, document=DOC).ok:
                self.holds[hold] = (source, True)
        elif data.draw(st.integers(0, 3)) == 3:
            target = str(data.draw(st.sampled_from([self.tree.root, *sorted(self.things)])))
            broken = set() if target in self.seen or target == self.tree.root else {"pack_unknown"}
            made = self.attempt(broken, regulator, "freeze", target=target, reason="order", document=DOC)
            if not made.ok:
                return
            hold = made.tx_id[:16].hex()
            self.holds[hold] = (target, False)
        else:
            return
        while self.world.query("hold", hold=hold)["left"]:
            self.attempt(set(), self.world.nobody, "propagate", hold=hold)

    @rule(ms=st.sampled_from([1_000, 120_000, 120_000, 120_000]), luck=st.integers(0, 9))
    def wait(self, ms: int, luck: int) -> None:
        self.world.chain.advance(200 * DAY_MS if luck == 9 else ms)

    @rule(ms=st.sampled_from([1_000, 120_000]))
    def nobody_sends(self, ms: int) -> None:
        self.hear(self.world.chain.rest(ms))

    @rule(luck=st.integers(0, 9))
    def recall(self, luck: int) -> None:
        if luck == 9:
            self.attempt(set(), self.world.maker, "recall", product=PRODUCT, batch="B1", level=1, document=DOC)
            self.recalled = True

    # ---------------------------------------------------------------- what must hold

    @invariant()
    def the_chain_says_what_the_twin_knows(self) -> None:
        late = [name for name, t in self.trips.items() if not t.over and not t.late and t.ends_ms < self.block_ms]
        assert sorted(self.heard) == late
        self.heard = []
        for name in late:
            self.trips[name].late = True
        for name, trip in self.trips.items():
            assert self.world.query("shipment", shipment=name)["overdue"] == trip.late
        self.world.check()
        for name, thing in self.things.items():
            top = self.top(name)
            proof = self.ref(name).get("proof", {})
            found = self.world.query("code", code=name, **proof)
            assert found["seen"] == (name in self.seen), name
            assert found["holder"] == top.holder.hex(), name
            assert found["receiver"] == (top.receiver.hex() or None), name
            assert found["state"] == (thing if thing.ended else top).state, name
            before = self.known.get(name, found["state"])
            assert found["state"] in (before, *PACK_MOVES[before]), (name, before, found["state"])
            self.known[name] = found["state"]
            assert found["alarms"] == thing.alarms
            assert found["containers"] == self.around(name)[1:] or name not in self.seen
            assert found["frozen"] == any(self.held(each) for each in self.around(name)), name


def test_the_state_machine_agrees_with_a_naive_twin(make_world: Any) -> None:
    Machine.make_world = staticmethod(make_world)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
