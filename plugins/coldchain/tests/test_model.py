"""Random sequences of actions against a deliberately naive twin: same acceptance, same holders, grams, blocks and late
hand-overs. What breaks no rule of the twin's must be accepted, and all else refused by one of those named.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from coldchain_twin import AFTER_RELEASE, LIVE, Twin, TwinBatch
from hn_coldchain.state import BATCH_MOVES, BATCH_STARTS
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.primitives.due import DueReceipt

DOC = "ab" * 32
OTHER_GTIN = "6901234567892"
NAMES = ("BATCH-1", "BATCH-2", "BATCH-3")


class Machine(RuleBasedStateMachine):
    make_world: Any

    @initialize()
    def start(self) -> None:
        self.world = self.make_world()
        self.twin = Twin()
        self.count = 0
        self.known: dict[str, str] = {}
        self.heard: list[str] = []
        self.block_ms = 0
        w = self.world
        self.people = {"w": w.warehouse, "s": w.shop, "i": w.importer}
        for n in range(3):  # a head start, so that most steps are about goods in stock
            w.stocked(f"STOCK-{n}", 900 + n)
            self.twin.batches[f"STOCK-{n}"] = TwinBatch(
                "in_stock", w.warehouse, 900 + n, 900 + n, 900 + n, city="410100", hands=[w.station, w.warehouse]
            )

    def attempt(self, broken: set[str], sender: bytes, action: str, **payload: Any) -> bool:
        outcome = self.world.do(sender, action, **payload)
        if outcome.ok:
            assert not broken, f"{action} {payload}: accepted, the twin says {broken}"
        else:
            assert outcome.rule.removeprefix("coldchain.") in broken, f"{action} {payload}: {outcome}, twin {broken}"
        self.hear(self.world.chain.due())
        self.hold = outcome.tx_id[:16].hex()
        return bool(outcome.ok)

    def hear(self, done: list[DueReceipt]) -> None:
        """What blocks did without a transaction, up to now."""
        events = [event for one in done for event in one.receipt.events]
        assert all(name == "coldchain.overdue" for name, _, _ in events)
        assert not any(one.receipt.code for one in done)
        self.heard += [entity for _, entity, _ in events]
        self.block_ms = self.world.chain.time_ms

    def pick(self, data: Any, *wanted: str) -> str | None:
        """A batch, mostly one in a wanted status."""
        names = sorted(self.twin.batches)
        fitting = [name for name in names if self.twin.batches[name].status in wanted]
        if fitting and data.draw(st.integers(0, 3)):
            return str(data.draw(st.sampled_from(fitting)))
        return str(data.draw(st.sampled_from(names))) if names else None

    def person(self, data: Any, likely: bytes) -> bytes:
        if likely in self.people.values() and data.draw(st.integers(0, 4)):
            return likely
        return bytes(data.draw(st.sampled_from(sorted(self.people.values()))))

    def fresh(self) -> tuple[str, str]:
        self.count += 1
        return f"MADE-{self.count:03}", f"CODE-{self.count:03}"

    @rule(name=st.sampled_from(NAMES), grams=st.integers(1, 1_000))
    def declare(self, name: str, grams: int) -> None:
        broken = {"batch_exists"} if name in self.twin.batches else set()
        if self.attempt(broken, self.world.importer, "pre_declare", **self.world.declaration(name, grams)):
            self.twin.batches[name] = TwinBatch("declared", self.world.importer, grams)

    @rule(data=st.data(), grams=st.integers(1, 1_000))
    def arrive(self, data: Any, grams: int) -> None:
        if name := self.pick(data, "declared"):
            batch = self.twin.batches[name]
            broken = {"wrong_status"} if batch.status != "declared" else set()
            broken |= {"grams_exceed"} if grams > batch.declared else set()
            broken |= {"not_station"} if batch.parents and name.startswith("MIX") else set()
            if self.attempt(broken, self.world.station, "arrive", batch=name, grams=grams, city="410100"):
                batch.status, batch.holder, batch.start, batch.grams = "arrived", self.world.station, grams, grams
                batch.city = "410100"
                batch.hands.append(self.world.station)

    @rule(data=st.data(), passed=st.integers(0, 5))
    def inspect(self, data: Any, passed: int) -> None:
        if name := self.pick(data, "arrived"):
            broken = {"wrong_status"} if self.twin.batches[name].status != "arrived" else set()
            if self.attempt(broken, self.world.station, "test", batch=name, passed=passed > 0, report=DOC):
                self.twin.batches[name].status = "tested"
                if not passed:
                    self.twin.holds[self.hold] = ("freeze", name)

    @rule(
        data=st.data(), after=st.sampled_from([("tested", "disinfect"), ("disinfected", "code"), ("coded", "release")])
    )
    def prepare(self, data: Any, after: tuple[str, str]) -> None:
        if name := self.pick(data, after[0]):
            batch = self.twin.batches[name]
            broken = {"wrong_status"} if batch.status != after[0] else set()
            station = self.world.station
            if after[1] == "disinfect":
                if self.attempt(broken, station, "disinfect", batch=name, certificate=DOC):
                    batch.status = "disinfected"
            elif after[1] == "code":
                code = f"CODE-{name}"
                broken |= {"code_exists"} if code in self.twin.codes else set()
                if self.attempt(broken, station, "assign_code", batch=name, code=code):
                    batch.status = "coded"
                    self.twin.codes.add(code)
            else:
                broken |= self.twin.block_rules(name)
                to = self.world.warehouse
                if self.attempt(broken, station, "release", batch=name, consignee=to.hex(), certificate=DOC):
                    batch.status, batch.receiver = "released", to

    @rule(data=st.data())
    def stock_in(self, data: Any) -> None:
        if name := self.pick(data, "released"):
            batch = self.twin.batches[name]
            sender = self.person(data, batch.receiver)
            broken = {"not_released"} if batch.status not in AFTER_RELEASE else set()
            broken |= {"wrong_status"} if batch.status != "released" else set()
            broken |= {"not_consignee"} if batch.receiver != sender else set()
            broken |= self.twin.block_rules(name)
            if self.attempt(broken, sender, "stock_in", batch=name, city="410100"):
                batch.status, batch.holder, batch.city, batch.receiver = "in_stock", sender, "410100", b""
                batch.hands.append(sender)

    @rule(data=st.data(), minutes=st.integers(1, 3))
    def ship_out(self, data: Any, minutes: int) -> None:
        if name := self.pick(data, "in_stock"):
            batch = self.twin.batches[name]
            sender = self.person(data, batch.holder)
            to = data.draw(st.sampled_from(sorted(self.people.values())))
            broken = self.twin.stock_rules(name, sender) | ({"own_account"} if to == sender else set())
            if self.attempt(broken, sender, "ship_out", batch=name, to=to.hex(), minutes=minutes):
                batch.status, batch.receiver = "in_transit", to
                batch.expires_ms = self.world.chain.time_ms + minutes * 60_000
                batch.overdue = False

    @rule(data=st.data(), city=st.sampled_from(["410100", "410200"]))
    def confirm_in(self, data: Any, city: str) -> None:
        if name := self.pick(data, "in_transit"):
            batch = self.twin.batches[name]
            sender = self.person(data, batch.receiver)
            broken = self.twin.block_rules(name)
            if batch.status != "in_transit" or batch.receiver != sender:
                broken.add("not_receiver")
            if self.world.chain.time_ms + self.world.chain.block_ms > batch.expires_ms:
                broken.add("offer_expired")
            if self.attempt(broken, sender, "confirm_in", batch=name, city=city):
                batch.status, batch.holder, batch.city, batch.receiver = "in_stock", sender, city, b""
                batch.hands.append(sender)

    @rule(data=st.data())
    def take_back(self, data: Any) -> None:
        if name := self.pick(data, "in_transit"):
            batch = self.twin.batches[name]
            sender = self.person(data, batch.holder)
            broken = {"not_holder"} if batch.holder != sender else set()
            broken |= {"wrong_status"} if batch.status != "in_transit" else set()
            if self.world.chain.time_ms + self.world.chain.block_ms <= batch.expires_ms:
                broken.add("offer_live")
            if self.attempt(broken, sender, "take_back", batch=name, city="410100"):
                batch.status, batch.city, batch.receiver = "in_stock", "410100", b""

    @rule(data=st.data())
    def report_overdue(self, data: Any) -> None:
        if name := self.pick(data, "in_transit"):
            batch = self.twin.batches[name]
            broken = {"wrong_status"} if batch.status != "in_transit" else set()
            if self.world.chain.time_ms + self.world.chain.block_ms <= batch.expires_ms:
                broken.add("offer_live")
            broken |= {"overdue_known"} if batch.overdue else set()
            if self.attempt(broken, self.world.nobody, "report_overdue", batch=name):
                batch.overdue = True

    @rule(ms=st.sampled_from([1_000, 60_000, 120_000]))
    def wait(self, ms: int) -> None:
        self.world.chain.advance(ms)

    @rule(ms=st.sampled_from([1_000, 60_000, 120_000]))
    def nobody_sends(self, ms: int) -> None:
        self.hear(self.world.chain.rest(ms))

    @rule(data=st.data(), off=st.sampled_from([0, 0, 0, 1, -1]), loss=st.integers(0, 3))
    def split(self, data: Any, off: int, loss: int) -> None:
        if name := self.pick(data, "in_stock"):
            batch = self.twin.batches[name]
            sender = self.person(data, batch.holder)
            first = max(1, batch.grams // 2)
            second = max(1, batch.grams - first - loss + off)
            broken = self.twin.stock_rules(name, sender)
            broken |= {"grams_unbalanced"} if first + second + loss != batch.grams else set()
            made = [(*self.fresh(), grams) for grams in (first, second)]
            outputs = [{"batch": new, "code": code, "grams": grams} for new, code, grams in made]
            if self.attempt(broken, sender, "split", batch=name, outputs=outputs, loss_grams=loss):
                for new, _, grams in made:
                    self.twin.batches[new] = TwinBatch(
                        "in_stock", sender, 0, grams, grams, 0, city=batch.city, gtin=batch.gtin, parents=[name]
                    )
                    self.twin.batches[new].hands.append(sender)
                batch.status, batch.grams, batch.moved, batch.lost = "split", 0, first + second, batch.lost + loss

    @rule(data=st.data(), loss=st.integers(0, 2))
    def merge(self, data: Any, loss: int) -> None:
        one, two = self.pick(data, "in_stock"), self.pick(data, "in_stock")
        if one and two:
            sender = self.person(data, self.twin.batches[one].holder)
            pair = [self.twin.batches[one], self.twin.batches[two]]
            broken = self.twin.stock_rules(one, sender) | self.twin.stock_rules(two, sender)
            broken |= {"duplicate_id"} if one == two else set()
            alike = (pair[0].city, pair[0].gtin) == (pair[1].city, pair[1].gtin)
            broken |= set() if alike else {"product_mismatch"}
            total = pair[0].grams + pair[1].grams
            broken |= {"grams_exceed"} if loss >= total else set()
            self.count += 1
            new, code = f"MIX-{self.count:03}", f"CODE-{self.count:03}"
            payload = {"inputs": [one, two], "batch": new, "code": code, "loss_grams": loss}
            if self.attempt(broken, sender, "merge", **payload):
                self.twin.batches[new] = TwinBatch(
                    "in_stock",
                    sender,
                    0,
                    total,
                    total - loss,
                    lost=loss,
                    city=pair[0].city,
                    gtin=pair[0].gtin,
                    hands=[sender],
                    parents=[one, two],
                )
                for batch in pair:
                    batch.status, batch.moved, batch.grams = "merged", batch.grams, 0

    @rule(data=st.data(), off=st.sampled_from([0, 0, 0, 1]), loss=st.integers(0, 3), count=st.integers(1, 3))
    def process(self, data: Any, off: int, loss: int, count: int) -> None:
        names = [name for _ in range(count) if (name := self.pick(data, "in_stock"))]
        if names:
            sender = self.person(data, self.twin.batches[names[0]].holder)
            inputs = [self.twin.batches[name] for name in names]
            broken = set().union(*(self.twin.stock_rules(name, sender) for name in names))
            broken |= {"duplicate_id"} if len(set(names)) < len(names) else set()
            broken |= {"product_mismatch"} if len({batch.city for batch in inputs}) > 1 else set()
            total = sum(batch.grams for batch in inputs)
            first = max(1, total // 2)
            second = max(1, total - first - loss + off)
            broken |= {"grams_unbalanced"} if first + second + loss != total else set()
            made = [(*self.fresh(), grams) for grams in (first, second)]
            outputs = [{"batch": new, "code": code, "grams": grams} for new, code, grams in made]
            payload = {"inputs": names, "gtin": OTHER_GTIN, "outputs": outputs, "loss_grams": loss}
            if self.attempt(broken, sender, "process", **payload):
                for (new, _, grams), lost in zip(made, (loss, 0), strict=True):
                    self.twin.batches[new] = TwinBatch(
                        "in_stock",
                        sender,
                        0,
                        grams + lost,
                        grams,
                        lost=lost,
                        city=inputs[0].city,
                        gtin=OTHER_GTIN,
                        hands=[sender],
                        parents=names,
                    )
                for batch in inputs:
                    batch.status, batch.moved, batch.grams = "processed", batch.grams, 0

    @rule(data=st.data(), grams=st.integers(1, 400))
    def sell(self, data: Any, grams: int) -> None:
        if name := self.pick(data, "in_stock"):
            batch = self.twin.batches[name]
            sender = self.person(data, batch.holder)
            if sender == self.world.importer:
                sender = self.world.shop
            broken = self.twin.stock_rules(name, sender) | ({"grams_exceed"} if grams > batch.grams else set())
            if self.attempt(broken, sender, "sell", batch=name, grams=grams):
                batch.grams -= grams
                batch.sold += grams
                batch.status = "in_stock" if batch.grams else "sold"

    @rule(data=st.data(), regulator=st.booleans())
    def dispose(self, data: Any, regulator: bool) -> None:
        name = self.pick(data, *LIVE)
        if name and data.draw(st.integers(0, 3)) == 0:
            batch = self.twin.batches[name]
            sender = self.world.regulator if regulator else self.person(data, batch.holder)
            broken = {"not_holder"} if not regulator and batch.holder != sender else set()
            broken |= {"wrong_status"} if batch.status not in LIVE else set()
            if self.attempt(broken, sender, "dispose", batch=name, certificate=DOC):
                batch.status, batch.gone, batch.grams, batch.receiver = "disposed", batch.grams, 0, b""

    @rule(data=st.data(), kind=st.sampled_from(["freeze", "freeze", "freeze", "recall"]))
    def hold_back(self, data: Any, kind: str) -> None:
        name = self.pick(data)
        if (
            name
            and data.draw(st.integers(0, 2)) == 0
            and self.attempt(set(), self.world.regulator, kind, batch=name, reason="order", document=DOC)
        ):
            self.twin.holds[self.hold] = (kind, name)

    @rule(data=st.data())
    def unfreeze(self, data: Any) -> None:
        if self.twin.holds:
            hold = data.draw(st.sampled_from(sorted(self.twin.holds)))
            broken = {"hold_is_recall"} if self.twin.holds[hold][0] == "recall" else set()
            if self.attempt(broken, self.world.regulator, "unfreeze", hold=hold, document=DOC):
                del self.twin.holds[hold]

    @invariant()
    def same_as_twin(self) -> None:
        if not hasattr(self, "world"):
            return
        assert sorted(self.twin.lapse(self.block_ms)) == sorted(self.heard)
        self.heard = []
        self.world.check()
        self.statuses_move_as_the_page_says()
        for name, twin in self.twin.batches.items():
            seen = self.world.batch(name)
            assert (seen["status"], seen["holder"], seen["city"]) == (twin.status, twin.holder.hex(), twin.city), name
            assert seen["blocked"] == self.twin.blocked(name), name
            assert seen["gtin"] == twin.gtin, name
            found = self.world.query("holders", batch=name, limit=1)["items"]
            assert [item["holder"] for item in found] == [hand.hex() for hand in twin.hands], name
            assert all(one["to_ms"] == next["from_ms"] for one, next in pairwise(found)), name
            assert not found or (found[-1]["to_ms"] is None) == (twin.status in LIVE), name
            parts = ("initial_grams", "grams", "sold_grams", "moved_grams", "lost_grams", "disposed_grams")
            assert [seen[part] for part in parts] == [
                twin.start,
                twin.grams,
                twin.sold,
                twin.moved,
                twin.lost,
                twin.gone,
            ], name
        now = self.world.chain.time_ms
        waiting = {name: twin for name, twin in self.twin.batches.items() if twin.status == "in_transit"}
        found = self.world.query("overdue", before_ms=now)["items"]
        late = {name: twin.overdue for name, twin in waiting.items() if twin.expires_ms < now}
        assert {item["batch"]: item["reported"] for item in found} == late
        roots = [twin for twin in self.twin.batches.values() if not twin.parents]
        kept = [twin.grams + twin.sold + twin.lost + twin.gone for twin in self.twin.batches.values()]
        assert sum(root.start for root in roots) == sum(kept)

    def statuses_move_as_the_page_says(self) -> None:
        for name, batch in self.twin.batches.items():
            before = self.known.get(name)
            allowed = BATCH_STARTS if before is None else (before, *BATCH_MOVES[before])
            assert batch.status in allowed, (name, before, batch.status)
            self.known[name] = batch.status


def test_the_state_machine_agrees_with_a_naive_twin(make_world: Any) -> None:
    Machine.make_world = staticmethod(make_world)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
