"""Load of the drug trace: 70 % scans (ship, receive, dispense, settle), 15 % aggregation, 15 % queries.

    drug → activations → aggregate → ship → receive → dispense → settle, some dispensed again

A flow is one case of two boxes with ten packs each: aggregated and shipped by the maker, received by a pharmacy or
hospital, five packs of three flows dispensed, three of them settled; three queries come to it. The load without queries
dispenses eight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from hn_medical.chain import Link, write_chain
from hn_medical.trace_models import (
    Activate,
    Aggregate,
    Dispense,
    Pack,
    Payload,
    Proof,
    Receive,
    RegisterProduct,
    Settle,
    Ship,
)
from hnnode.plugin_api import Question, WorkItem, canonical_json, decode_json
from hnnode.plugin_api.hashes import BlockTree, sm3
from hnnode.plugin_api.ids import gtin_check_digit

USCC = "11430000006122244L"
TRACE_ACTORS: dict[str, tuple[str, ...]] = {
    "drug_regulator": ("drug_regulator",),
    **{f"mah_{i}": ("mah",) for i in range(2)},
    **{f"pharmacy_{i}": ("pharmacy",) for i in range(4)},
    **{f"hospital_{i}": ("hospital",) for i in range(4)},
    "insurer": ("insurer",),
}
SHOPS = tuple(name for name in TRACE_ACTORS if name.startswith(("pharmacy", "hospital")))
FLOWS_PER_ROOT = 200
BOXES, PACKS_IN_BOX = 2, 10
CODES_PER_FLOW = BOXES * (PACKS_IN_BOX + 1)
DISPENSED, DISPENSED_UNASKED = (2, 2, 1), (3, 3, 2)
"""Packs dispensed of a flow, by its number modulo three, beside queries and without."""
QUERY_PERCENT = 15
"""Three queries beside the seventeen transactions of three flows and their packs."""
TWICE_EVERY = 50
"""One flow in so many has a pack scanned a second time."""
MADE_MS, EXPIRES_MS = 1_690_000_000_000, 2**52


class Named(Struct):
    """Of a pack: its code."""

    code: str


class Said(Struct):
    """What questions need of a payload."""

    code: str = ""
    packs: list[Named] = []
    shipment: str = ""
    product: str = ""
    batch: str = ""
    units: int = 0
    codes: int = 0


def item(actor: str, action: str, payload: Payload) -> WorkItem:
    return WorkItem(actor, action, canonical_json(payload))


class TraceLoad:
    """Deterministic in its seed; two seeds have drugs of their own."""

    def __init__(self, seed: int, asks: bool = True) -> None:
        self._dispensed = DISPENSED if asks else DISPENSED_UNASKED
        digest = sm3(b"medical trace" + seed.to_bytes(8, "big"))
        number = int.from_bytes(digest[:8], "big")
        body = f"869{number % 10**10:010d}"
        self._seed = seed
        self._product = body + gtin_check_digit(body)
        self._drug = f"8{number % 10**6:06d}"
        self._maker = f"mah_{seed % 2}"
        self._trees: dict[int, BlockTree] = {}

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """Waves of `count` transactions in all, rounded up to whole flows."""
        flows = max(1, -(-count * 3 // (3 * 4 + sum(self._dispensed))))
        roots = -(-flows // FLOWS_PER_ROOT)
        maker = accounts[self._maker].hex()
        drug = RegisterProduct(
            product=self._product, approval="H20063123", holder=maker, uscc=USCC, drug_codes=[self._drug]
        )
        yield [item("drug_regulator", "register_product", drug)]
        yield [self._activate(root, min(FLOWS_PER_ROOT, flows - root * FLOWS_PER_ROOT)) for root in range(roots)]
        yield [self._aggregate(flow) for flow in range(flows)]
        yield [self._ship(flow, accounts) for flow in range(flows)]
        yield [item(self._shop(flow), "receive", Receive(shipment=self._shipment(flow))) for flow in range(flows)]
        yield [self._dispense(flow, pack) for flow in range(flows) for pack in range(self._dispensed[flow % 3])]
        yield [self._settle(flow) for flow in range(flows)]
        yield [self._dispense(flow, 0, again=True) for flow in range(0, flows, TWICE_EVERY)]

    def question(self, item: WorkItem) -> Question | None:
        """Mostly scans of packs, else boxes, shipments and the reach of a recall."""
        said = decode_json(item.payload, Said)
        whole = {"product": self._product, "recalled": False, "frozen": False}
        match item.action:
            case "aggregate":
                code = said.packs[0].code
                return _ask("code", {"code": code}, whole | {"code": code, "seen": True, "layer": 2})
            case "ship":
                root = int(said.packs[0].code[7:]) // 100 // FLOWS_PER_ROOT
                batch = {"product": self._product, "batch": f"B{root:06d}"}
                return _ask("recall_reach", batch | {"root": self._tree(root).root.hex(), "limit": 20}, {"recall": 0})
            case "receive":
                return _ask("shipment", {"shipment": said.shipment}, {"shipment": said.shipment, "status": "received"})
            case "dispense" | "settle":
                code = said.code
                return _ask("scan", {"code": code}, whole | {"code": code, "state": "dispensed"})
            case "activate":
                named = {"product": said.product, "batch": said.batch}
                return _ask("batch", named, named | {"recall": 0, "units": said.units, "codes": said.codes})
        return None

    def _digest(self, what: str, flow: int, pack: int) -> str:
        return sm3(f"{self._seed}/{what}/{flow}/{pack}".encode()).hex()

    def _code(self, flow: int, place: int) -> str:
        """`place`: 0 and 1 the boxes, from 2 the packs; 99 the case."""
        return f"{self._drug}{flow * 100 + place:013d}"

    def _box(self, flow: int, box: int) -> Link:
        return Link(2, PACKS_IN_BOX, self._code(flow, box))

    def _chain(self, flow: int, place: int) -> str:
        if place < BOXES:
            return write_chain([self._box(flow, place)])
        box = (place - BOXES) // PACKS_IN_BOX
        return write_chain([Link(1, 1, self._code(flow, place)), self._box(flow, box)])

    def _tree(self, root: int, flows: int = FLOWS_PER_ROOT) -> BlockTree:
        if root not in self._trees:
            first = root * FLOWS_PER_ROOT
            leaves = [
                self._chain(flow, place).encode()
                for flow in range(first, first + flows)
                for place in range(CODES_PER_FLOW)
            ]
            self._trees[root] = BlockTree(leaves)
        return self._trees[root]

    def _proof(self, flow: int, place: int) -> Proof:
        root, at = divmod(flow, FLOWS_PER_ROOT)
        tree = self._tree(root)
        path = tree.proof(at * CODES_PER_FLOW + place).hex()
        return Proof(root=tree.root.hex(), chain=self._chain(flow, place), path=path)

    def _shop(self, flow: int) -> str:
        return SHOPS[flow % len(SHOPS)]

    def _shipment(self, flow: int) -> str:
        return f"S{self._drug}-{flow:08d}"

    def _activate(self, root: int, flows: int) -> WorkItem:
        tree = self._tree(root, flows)
        payload = Activate(
            product=self._product,
            batch=f"B{root:06d}",
            root=tree.root.hex(),
            codes=flows * CODES_PER_FLOW,
            units=flows * BOXES * PACKS_IN_BOX,
            made_ms=MADE_MS,
            expires_ms=EXPIRES_MS,
        )
        return item(self._maker, "activate", payload)

    def _aggregate(self, flow: int) -> WorkItem:
        packs = [Pack(code=self._code(flow, box), proof=self._proof(flow, box)) for box in range(BOXES)]
        return item(self._maker, "aggregate", Aggregate(container=self._code(flow, 99), layer=3, packs=packs))

    def _ship(self, flow: int, accounts: Mapping[str, bytes]) -> WorkItem:
        packs = [Pack(code=self._code(flow, 99))]
        payload = Ship(shipment=self._shipment(flow), to=accounts[self._shop(flow)].hex(), packs=packs)
        return item(self._maker, "ship", payload)

    def _dispense(self, flow: int, pack: int, again: bool = False) -> WorkItem:
        place = BOXES + pack * 7  # from both boxes
        proof = None if again else self._proof(flow, place)
        rx = self._digest("again" if again else "rx", flow, pack)
        return item(self._shop(flow), "dispense", Dispense(code=self._code(flow, place), rx=rx, proof=proof))

    def _settle(self, flow: int) -> WorkItem:
        payload = Settle(code=self._code(flow, BOXES), settlement=self._digest("claim", flow, 0))
        return item("insurer", "settle", payload)


def _ask(query: str, arguments: dict[str, Any], expected: dict[str, Any]) -> Question:
    return Question(query, canonical_json(arguments), expected)
