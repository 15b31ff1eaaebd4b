"""What a node runs as its chain goes on: switched by rows of the state, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hnnode_native as native
import msgspec
import pytest

from hnnode.config import ExecutionConfig
from hnnode.execution import Host
from hnnode.execution.governance_records import (
    OPEN_KEY,
    SET_KEY,
    MigrationState,
    OpenProposals,
    PluginSet,
    Proposal,
    decode_set,
    genesis_set,
)
from hnnode.execution.migrating import FAULT_SKIPPED, Moved
from hnnode.governance import PluginSets, PluginSources, PluginStore
from hnnode.governance.pages import Page
from hnnode.plugin_api.testing import MemoryState
from hnnode.primitives.skip import EVERY_TX, Skipped, page_id
from tests.kit.plugin_packages import counter_package
from tests.kit.plugin_votes import code_of

KEY = native.SecretKey.generate(bytes([9]) * 32)
VALIDATORS = native.ValidatorSet(0, [(KEY.public_key(), 3)])
IN_PROCESS = ExecutionConfig(isolated=False)


class Rows:
    """A block's result, as far as plugin sets look at it."""

    def __init__(self, **rows: bytes) -> None:
        self._rows = {key.encode(): value for key, value in rows.items()}

    def written(self, application: str, key: bytes) -> bytes | None:
        assert application == "governance"
        return self._rows.get(key)


class Life:
    def __init__(self, folder: Path) -> None:
        self.first, self.second = counter_package(folder), counter_package(folder, "2.0.0")
        self.store = PluginStore(folder / "home")
        self.store.install(self.first)
        self.sets = PluginSets(PluginSources(self.store, IN_PROCESS), VALIDATORS)
        self.state = MemoryState()
        self.row = genesis_set({"counter": code_of(self.first)})
        self.state.apply([(native.state_key("governance", SET_KEY), self.row)])
        self.sets.open(self.state, 0)

    def changed(self, **fields: object) -> bytes:
        plugin = msgspec.structs.replace(decode_set(self.row).plugins[0], **fields)
        return msgspec.json.encode(PluginSet((plugin,)))

    def follow(self, height: int, row: bytes | None) -> object:
        return self.sets.follow(height, Rows(**({} if row is None else {"s": row})))  # type: ignore[arg-type]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(tmp_path)
    yield made
    made.sets.close()


def test_the_hash_changes_at_the_height_and_not_before(life: Life) -> None:
    running = life.sets.running
    assert life.follow(1, None) is None
    assert life.sets.running is running
    assert life.follow(5, life.changed(status="disabled")) is None
    disabled = native.plugins_hash(Host.load([]).plugin_entries())
    assert life.sets.plugins_hash(5) == running.plugins_hash != disabled
    assert life.sets.plugins_hash(6) == disabled
    assert life.sets.running.first_height == 6
    assert [p["status"] for p in life.sets.running.applications.plugins() if p["name"] == "counter"] == ["disabled"]
    assert life.sets.wants_block(5)  # the first header that carries it
    assert not life.sets.wants_block(6)


def test_missing_code_stops_before_the_height_and_leaves_what_runs(life: Life) -> None:
    running = life.sets.running
    stop = life.follow(7, life.changed(code=code_of(life.second), data_version=2))
    assert getattr(stop, "info").name == "PLUGIN_MISSING"  # noqa: B009
    assert life.sets.running is running
    life.store.install(life.second)
    assert life.follow(7, life.changed(code=code_of(life.second), data_version=2)) is None
    assert life.sets.running.applications.plugins()[-1]["version"] == "2.0.0"


def test_a_page_of_a_migration_loads_nothing_again(life: Life) -> None:
    life.store.install(life.second)
    at = MigrationState(code_of(life.first), "check", "", 0)
    moving = {"code": code_of(life.second), "status": "migrating"}
    life.follow(3, life.changed(**moving, migration=at))
    host, first_hash = life.sets.running.host, life.sets.plugins_hash(4)
    page = life.sets.page(life.state, 4)
    assert page is not None
    assert (page.application, page.rows, page.reached) == ("counter", 0, 2)
    life.follow(4, life.changed(**moving, migration=msgspec.structs.replace(at, phase="move", cursor="00", rows=4)))
    assert life.sets.running.host is host
    assert life.sets.plugins_hash(5) == first_hash
    assert life.sets.wants_block(9)


def test_a_page_that_is_skipped_is_a_fault_and_no_code_sees_it(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.store.install(life.second)
    at = MigrationState(code_of(life.first), "check", "", 0)
    life.follow(3, life.changed(code=code_of(life.second), status="migrating", migration=at))
    life.state.apply([(native.state_key("counter", b"ca"), b"1")])
    seen: list[object] = []

    def migrate(*given: object) -> Moved:
        seen.append(given[4])
        return Moved()

    monkeypatch.setattr(life.sets.running.host, "migrate", migrate)
    for item in (page_id(4, "counter"), EVERY_TX):
        page = life.sets.page(life.state, 4, {"counter": frozenset((item,))})
        assert page == Page("counter", (), 0, fault=FAULT_SKIPPED)
    assert seen == []
    others: Skipped = {"counter": frozenset((page_id(5, "counter"),)), "other": frozenset((page_id(4, "counter"),))}
    page = life.sets.page(life.state, 4, others)
    assert page == Page("counter", (), 1, reached=2)
    assert seen == [page_id(4, "counter")]


def test_an_accepted_proposal_makes_the_chain_go_on_when_it_is_near(life: Life) -> None:
    def opened(power: int, height: int) -> bytes:
        proposal = Proposal(1, "disable", "counter", code_of(life.first), height, "00" * 20, 1, power, 0)
        return msgspec.json.encode(OpenProposals(2, (proposal,)))

    for power, height, want in ((3, 50, True), (2, 50, False), (3, 20_000, False)):
        life.sets.follow(1, Rows(**{OPEN_KEY.decode(): opened(power, height)}))  # type: ignore[arg-type]
        assert life.sets.wants_block(2) is want
