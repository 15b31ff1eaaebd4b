"""Load for `hnnode bench chain --app coldchain`.

Flavours: `""` or `mix` is a day of the platform: shipments come in, are split into eight pieces, and the pieces change
hands twice before they are sold, with readings on the way, and one request in ten is a trace query (58 % moves, 22 %
temperature roots, 10 % intake and codes, 10 % queries). The others only submit: `chain` takes shipments from declaration to
sale, one step a wave; `declare` gives one wave of independent declarations. Within a wave a transaction depends on no other
one of it, so a wave succeeds in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from hn_coldchain.audit import violations
from hn_coldchain.models import (
    Arrive,
    AssignCode,
    CommitTemperatures,
    ConfirmIn,
    Disinfect,
    Output,
    Payload,
    PreDeclare,
    RecordTest,
    Release,
    Sell,
    ShipOut,
    Split,
    StockIn,
)
from hnnode.plugin_api import QueryView, Question, WorkItem, canonical_json, decode_json
from hnnode.plugin_api.hashes import sm3
from hnnode.plugin_api.ids import gtin_check_digit

USCC = "11430000006122244L"
CITIES = ("410100", "410200", "410400", "410600", "410900", "411500")
COUNTRIES = ("EC", "IN", "TH", "VN", "AR", "NO")
ACTORS: dict[str, tuple[str, ...]] = {
    **{f"importer_{i}": ("importer",) for i in range(4)},
    **{f"station_{i}": ("first_station",) for i in range(2)},
    **{f"warehouse_{i}": ("warehouse",) for i in range(4)},
    **{f"retailer_{i}": ("retailer",) for i in range(4)},
}
INTAKE = 7
"""Steps from the declaration to the first stock."""
PIECES = 8
MIX_TXS = INTAKE + 1 + PIECES * 7
"""Transactions of one shipment of the mix."""
READINGS_FROM_MS = 1_600_000_000_000
QUERY_PERCENT = 10
CLEAN = {"blocked": False, "recalled": False}


Step = Callable[[int, Mapping[str, bytes]], WorkItem]
"""Makes the transaction of one shipment, by its number and the accounts."""


class Named(Struct):
    """Of a batch: its name."""

    batch: str


class Said(Struct):
    """What questions need of a payload."""

    batch: str
    outputs: list[Named] = []
    gtin: str = ""
    uscc: str = ""


def make_workload(seed: int, flavour: str) -> ColdchainWorkload | None:
    """The workload of a flavour; None when there is none of that name."""
    return ColdchainWorkload(seed, flavour or "mix") if flavour in ("", "mix", "declare", "chain") else None


class ColdchainWorkload:
    """Deterministic in its seed; two seeds never name the same batch."""

    application = "coldchain"

    def __init__(self, seed: int, flavour: str) -> None:
        self.actors: Mapping[str, tuple[str, ...]] = ACTORS
        self._seed = seed
        self.flavour = flavour
        self.query_percent = QUERY_PERCENT if flavour == "mix" else 0
        self._tag = sm3(seed.to_bytes(8, "big")).hex()[:10].upper()

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """Waves of `count` transactions in all, rounded up to whole shipments but for `declare`."""
        if self.flavour == "declare":
            yield [self._declare(n, accounts) for n in range(count)]
            return
        if self.flavour == "mix":
            yield from self._mix(accounts, max(1, -(-count // MIX_TXS)))
            return
        steps = self._life()
        shipments = max(1, -(-count // len(steps)))
        for step in steps:
            yield [step(n, accounts) for n in range(shipments)]

    def _life(self) -> tuple[Step, ...]:
        """A shipment from its declaration to its sale, one step a wave; the first INTAKE bring it into stock."""
        return (
            self._declare,
            self._arrive,
            self._test,
            self._disinfect,
            self._code,
            self._release,
            self._stock,
            self._temperatures,
            self._ship,
            self._confirm,
            self._split,
            self._sell,
        )

    def _mix(self, accounts: Mapping[str, bytes], shipments: int) -> Iterator[list[WorkItem]]:
        for step in self._life()[:INTAKE]:
            yield [step(n, accounts) for n in range(shipments)]
        yield [self._pieces(n) for n in range(shipments)]
        pieces = [(n, n * PIECES + k, self.piece(n, k)) for n in range(shipments) for k in range(PIECES)]
        for hop in range(2):
            yield [
                item
                for n, m, piece in pieces
                for item in (
                    self._reading(self._keeper(hop, n, m), piece, m, hop),
                    self._offer(self._keeper(hop, n, m), piece, accounts[self._keeper(hop + 1, n, m)]),
                )
            ]
            yield [self._receive(self._keeper(hop + 1, n, m), piece, m) for n, m, piece in pieces]
        yield [self._sell_piece(self._keeper(2, n, m), piece, n, m) for n, m, piece in pieces]

    def piece(self, n: int, k: int) -> str:
        return f"{self.batch(n)}-{k}"

    def _keeper(self, hop: int, n: int, m: int) -> str:
        """Who has a piece after so many hand-overs."""
        return self._actor("warehouse", n) if hop == 0 else self._actor("retailer" if hop == 1 else "warehouse", m)

    def _pieces(self, n: int) -> WorkItem:
        grams, loss = self._grams(n), self._number("loss", n, 100)
        each = grams // PIECES
        sizes = [*[each] * (PIECES - 1), grams - each * (PIECES - 1) - loss]
        outputs = [
            Output(batch=self.piece(n, k), code=f"C{self._tag}-{n:08d}-{k}", grams=size) for k, size in enumerate(sizes)
        ]
        payload = Split(batch=self.batch(n), outputs=outputs, loss_grams=loss)
        return self._item(self._actor("warehouse", n), "split", payload)

    def _reading(self, keeper: str, piece: str, m: int, hop: int) -> WorkItem:
        low = -250 + self._number("low", m, 40)
        payload = CommitTemperatures(
            batch=piece,
            root=self._digest(f"readings {hop}", m),
            count=288,
            min=low,
            max=low + self._number("range", m, 30),
            from_ms=READINGS_FROM_MS + hop * 86_400_000,
            to_ms=READINGS_FROM_MS + (hop + 1) * 86_400_000,
        )
        return self._item(keeper, "commit_temperatures", payload)

    def _offer(self, keeper: str, piece: str, to: bytes) -> WorkItem:
        return self._item(keeper, "ship_out", ShipOut(batch=piece, to=to.hex()))

    def _receive(self, keeper: str, piece: str, m: int) -> WorkItem:
        return self._item(
            keeper, "confirm_in", ConfirmIn(batch=piece, city=CITIES[self._number("city", m, len(CITIES))])
        )

    def _sell_piece(self, keeper: str, piece: str, n: int, m: int) -> WorkItem:
        grams = 1 + self._number("sold", m, self._grams(n) // PIECES - 100)
        return self._item(keeper, "sell", Sell(batch=piece, grams=grams))

    def question(self, item: WorkItem) -> Question | None:
        """Mostly what a consumer scans, else where goods come from, went to, and who had them."""
        said = decode_json(item.payload, Said)
        batch = said.batch
        match item.action:
            case "assign_code" | "ship_out" | "confirm_in" | "sell":
                return _ask("scan", {"code": _code(batch)}, CLEAN | {"code": _code(batch), "origins": [_first(batch)]})
            case "commit_temperatures":
                lots = [{"batch": lot, "steps": steps} for steps, lot in enumerate(_lineage(batch))]
                return _ask("trace_back", {"batch": batch}, {"items": lots, "next": None})
            case "split":
                lots = [{"batch": out.batch, "steps": 1} for out in said.outputs]
                return _ask("trace_forward", {"batch": batch}, {"items": [{"batch": batch, "steps": 0}, *lots]})
            case "stock_in":
                return _ask("holders", {"batch": batch, "from_ms": 0, "to_ms": 2**52}, {"next": None})
            case "pre_declare":
                return _ask("batch", {"batch": batch}, CLEAN | {"batch": batch, "gtin": said.gtin, "uscc": said.uscc})
        return None

    def violations(self, view: QueryView) -> list[str]:
        """Broken invariants of the application's state."""
        return violations(view)

    def batch(self, n: int) -> str:
        return f"B{self._tag}-{n:08d}"

    def _digest(self, what: str, n: int) -> str:
        return sm3(f"{self._seed}/{what}/{n}".encode()).hex()

    def _number(self, what: str, n: int, bound: int) -> int:
        return int(self._digest(what, n)[:12], 16) % bound

    def _actor(self, kind: str, n: int) -> str:
        names = [name for name in ACTORS if name.startswith(kind)]
        return names[self._number(kind, n, len(names))]

    def _grams(self, n: int) -> int:
        return 100_000 + self._number("grams", n, 20_000_000)

    def _item(self, actor: str, action: str, payload: Payload) -> WorkItem:
        return WorkItem(actor, action, canonical_json(payload))

    def _declare(self, n: int, accounts: Mapping[str, bytes]) -> WorkItem:
        digits = f"69{self._number('gtin', n, 10**10):010d}"
        payload = PreDeclare(
            batch=self.batch(n),
            station=accounts[self._actor("station", n)].hex(),
            uscc=USCC,
            gtin=digits + gtin_check_digit(digits),
            country=COUNTRIES[self._number("country", n, len(COUNTRIES))],
            grams=self._grams(n),
            declaration=self._digest("declaration", n),
        )
        return self._item(self._actor("importer", n), "pre_declare", payload)

    def _arrive(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        payload = Arrive(batch=self.batch(n), grams=self._grams(n), city="410100")
        return self._item(self._actor("station", n), "arrive", payload)

    def _test(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        payload = RecordTest(batch=self.batch(n), passed=True, report=self._digest("report", n))
        return self._item(self._actor("station", n), "test", payload)

    def _disinfect(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        payload = Disinfect(batch=self.batch(n), certificate=self._digest("disinfect", n))
        return self._item(self._actor("station", n), "disinfect", payload)

    def _code(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        payload = AssignCode(batch=self.batch(n), code=f"C{self._tag}-{n:08d}")
        return self._item(self._actor("station", n), "assign_code", payload)

    def _release(self, n: int, accounts: Mapping[str, bytes]) -> WorkItem:
        consignee = accounts[self._actor("warehouse", n)].hex()
        payload = Release(batch=self.batch(n), consignee=consignee, certificate=self._digest("release", n))
        return self._item(self._actor("station", n), "release", payload)

    def _stock(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        payload = StockIn(batch=self.batch(n), city="410100")
        return self._item(self._actor("warehouse", n), "stock_in", payload)

    def _temperatures(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        low = -250 + self._number("low", n, 40)
        payload = CommitTemperatures(
            batch=self.batch(n),
            root=self._digest("readings", n),
            count=288,
            min=low,
            max=low + self._number("range", n, 30),
            from_ms=READINGS_FROM_MS,
            to_ms=READINGS_FROM_MS + 86_400_000,
        )
        return self._item(self._actor("warehouse", n), "commit_temperatures", payload)

    def _ship(self, n: int, accounts: Mapping[str, bytes]) -> WorkItem:
        payload = ShipOut(batch=self.batch(n), to=accounts[self._actor("retailer", n)].hex())
        return self._item(self._actor("warehouse", n), "ship_out", payload)

    def _confirm(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        payload = ConfirmIn(batch=self.batch(n), city=CITIES[self._number("city", n, len(CITIES))])
        return self._item(self._actor("retailer", n), "confirm_in", payload)

    def _split(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        grams, loss = self._grams(n), self._number("loss", n, 100)
        first = grams // 3
        outputs = [
            Output(batch=f"{self.batch(n)}-A", code=f"C{self._tag}-{n:08d}-A", grams=first),
            Output(batch=f"{self.batch(n)}-B", code=f"C{self._tag}-{n:08d}-B", grams=grams - first - loss),
        ]
        payload = Split(batch=self.batch(n), outputs=outputs, loss_grams=loss)
        return self._item(self._actor("retailer", n), "split", payload)

    def _sell(self, n: int, _: Mapping[str, bytes]) -> WorkItem:
        payload = Sell(batch=f"{self.batch(n)}-A", grams=1 + self._number("sold", n, self._grams(n) // 3))
        return self._item(self._actor("retailer", n), "sell", payload)


def _ask(query: str, arguments: dict[str, Any], expected: dict[str, Any]) -> Question:
    return Question(query, canonical_json(arguments), expected)


def _code(batch: str) -> str:
    return f"C{batch[1:]}"


def _lineage(batch: str) -> list[str]:
    """The batch, and what it was split from."""
    whole = batch[: len(f"B{'0' * 10}-{0:08d}")]
    return [batch] if batch == whole else [batch, whole]


def _first(batch: str) -> dict[str, Any]:
    return {"code": _code(_lineage(batch)[-1])}
