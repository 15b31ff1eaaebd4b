"""A world of accounts around one application on a chain in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hn_coldchain.audit import violations

from hnnode.execution import Host
from hnnode.kit.project import Project
from hnnode.plugin_api import testing
from hnnode.plugin_api.testing import document

USCC = "11430000006122244L"
GTIN = "6924561884074"
OTHER_GTIN = "6901234567892"


class World(testing.World):
    """A chain with one account of each role, and short cuts to bring a batch to where a test starts."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, "coldchain", violations)
        self.importer = self.chain.account("importer", "importer")
        self.rival = self.chain.account("rival importer", "importer")
        self.station = self.chain.account("station", "first_station")
        self.other_station = self.chain.account("other station", "first_station")
        self.warehouse = self.chain.account("warehouse", "warehouse")
        self.shop = self.chain.account("shop", "retailer")
        self.carrier = self.chain.account("carrier", "carrier")
        self.regulator = self.chain.account("regulator", "regulator")
        self.nobody = self.chain.account("nobody")

    def declare(self, batch: str, grams: int = 1_000, **more: Any) -> None:
        self.ok(self.importer, "pre_declare", **self.declaration(batch, grams, **more))

    def declaration(self, batch: str, grams: int = 1_000, **more: Any) -> dict[str, Any]:
        return {
            "batch": batch,
            "station": self.station.hex(),
            "uscc": USCC,
            "gtin": GTIN,
            "country": "EC",
            "grams": grams,
            "declaration": document(f"declaration of {batch}"),
            **more,
        }

    def arrived(self, batch: str, grams: int = 1_000, **more: Any) -> None:
        self.declare(batch, grams, **more)
        self.ok(self.station, "arrive", batch=batch, grams=grams, city="410100")

    def coded(self, batch: str, grams: int = 1_000, **more: Any) -> None:
        self.arrived(batch, grams, **more)
        self.ok(self.station, "test", batch=batch, passed=True, report=document("report"))
        self.ok(self.station, "disinfect", batch=batch, certificate=document("disinfected"))
        self.ok(self.station, "assign_code", batch=batch, code=f"CODE-{batch}")

    def released(self, batch: str, grams: int = 1_000, **more: Any) -> None:
        self.coded(batch, grams, **more)
        consignee = self.warehouse.hex()
        self.ok(self.station, "release", batch=batch, consignee=consignee, certificate=document("released"))

    def stocked(self, batch: str, grams: int = 1_000, **more: Any) -> None:
        """In stock at the warehouse, city 410100."""
        self.released(batch, grams, **more)
        self.ok(self.warehouse, "stock_in", batch=batch, city="410100")

    def split(self, batch: str, *grams: int, loss: int = 0, sender: bytes | None = None) -> list[str]:
        """Split into `<batch>-0`, `<batch>-1`, …"""
        names = [f"{batch}-{i}" for i in range(len(grams))]
        outputs = [
            {"batch": name, "code": f"CODE-{name}", "grams": each} for name, each in zip(names, grams, strict=True)
        ]
        self.ok(sender or self.warehouse, "split", batch=batch, outputs=outputs, loss_grams=loss)
        return names

    def freeze(self, batch: str, action: str = "freeze") -> str:
        """Freeze or recall; returns the hold's id."""
        outcome = self.ok(self.regulator, action, batch=batch, reason="order", document=document("order"))
        return outcome.tx_id[:16].hex()

    def hand_over(self, batch: str, sender: bytes, receiver: bytes, city: str = "410200") -> None:
        self.ok(sender, "ship_out", batch=batch, to=receiver.hex())
        self.ok(receiver, "confirm_in", batch=batch, city=city)

    def batch(self, name: str) -> Any:
        return self.query("batch", batch=name)


@pytest.fixture(scope="session")
def host() -> Host:
    return Project.open(Path(__file__)).host()


@pytest.fixture(scope="session")
def make_world(host: Host) -> Callable[[], World]:
    return lambda: World(host)


@pytest.fixture
def world(host: Host) -> World:
    return World(host)
