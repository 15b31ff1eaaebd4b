"""Fixtures for the tests of a plugin: `pytest -p hnnode.kit.pytest_plugin`, or `hnnode plugin test`, which runs them
twice.

chain           one application on one node (or as many as --hn-nodes says), new for each test
chain4          the same on four nodes, whose consensus engines agree on each block over a network that --hn-seed draws
make_chain      makes such chains, for tests that need several or use hypothesis
as_account      as_account("税务局", "attest") on `chain`: somebody who signs
must_reject     with must_reject("demo.item_unknown"): …   the one transaction inside is refused and changes nothing
snapshot        snapshot() of `chain`; `chain.restore(taken)` goes back to it
state_diff      state_diff(before): what changed in the application's rows, as text to compare with
advance         advance(hours=2) of block time
fuzz            fuzz("action") or fuzz(Model): hypothesis strategies for payloads that the model takes; fuzz.near(…): that it
                just refuses; fuzz.identifier("uscc") and fuzz.near_identifier
bench           bench("action", requests) on `chain`: steps and µs of an action, shown at the end; nothing is asserted
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hnnode.execution.host import Host
from hnnode.execution.loading import forget
from hnnode.kit.chain import Account, Chain, Request
from hnnode.kit.measuring import Measured, measure_action
from hnnode.kit.outcome import Refused
from hnnode.kit.project import Project, table_of
from hnnode.kit.state import Snapshot
from hnnode.kit.trace import Trace

if TYPE_CHECKING:
    from hnnode.kit.fuzzing import Fuzz

NODES_MAX = 4
_PROJECT = pytest.StashKey[Project]()
_TRACE = pytest.StashKey[Trace]()
_NETWORK = pytest.StashKey[bool]()
_MEASURED = pytest.StashKey[list[Measured]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hnnode")
    group.addoption("--hn-project", metavar="DIR", default=None, help="source folder of the plugin")
    group.addoption("--hn-nodes", type=int, default=1, help="nodes of the fixture `chain`, 1 to 4")
    group.addoption("--hn-seed", type=int, default=0, help="what the network of several nodes does")
    group.addoption("--hn-shuffle", type=int, default=None, help="put independent transactions in another order")
    group.addoption("--hn-trace", metavar="FILE", default=None, help="write what happened on the chains")


def pytest_configure(config: pytest.Config) -> None:
    project = Project.open(Path(config.getoption("--hn-project") or config.rootpath))
    config.stash[_PROJECT] = project
    if str(project.root) not in sys.path:
        sys.path.insert(0, str(project.root))
    config.stash[_MEASURED] = []
    trace = config.getoption("--hn-trace")
    if trace is not None:
        config.stash[_TRACE] = Trace(Path(trace))
    _steady_hypothesis()


def _steady_hypothesis() -> None:
    """The same examples in every run, where hypothesis is installed."""
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:
        return
    given = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # one chain may serve all examples of a test
    settings.register_profile("hnnode", derandomize=True, database=None, deadline=None, suppress_health_check=given)
    settings.load_profile("hnnode")


def pytest_unconfigure(config: pytest.Config) -> None:
    trace = config.stash.get(_TRACE, None)
    if trace is not None:
        trace.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    trace = item.config.stash.get(_TRACE, None)
    if trace is not None:
        trace.begin(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed beside a network says how to have the same network again."""
    report = yield
    if report.failed and item.stash.get(_NETWORK, False):
        seed = item.config.getoption("--hn-seed")
        name = getattr(item, "originalname", item.name)
        report.sections.append(
            ("network", f"seed {seed}; repeat with: hnnode plugin test --seed {seed} --once -k {name}")
        )
    return report


@pytest.fixture(scope="session")
def hn_project(request: pytest.FixtureRequest) -> Project:
    """The plugin's source folder and manifest."""
    return request.config.stash[_PROJECT]


@pytest.fixture(scope="session")
def hn_host(hn_project: Project) -> Host:
    """The plugin as the first node of every chain has it."""
    return hn_project.host()


@pytest.fixture(scope="session")
def hn_apart(hn_project: Project) -> Iterator[Host]:
    """The plugin in a locked process of its own, as a node runs what it took from its store."""
    host = hn_project.host(isolated=True)
    yield host
    host.close()


@pytest.fixture
def make_chain(request: pytest.FixtureRequest, hn_project: Project, hn_host: Host) -> Callable[..., Chain]:
    """`make_chain(nodes=1)`: a new chain. The second node runs the plugin in a process of its own, further ones load its
    modules for themselves.
    """
    trace = request.config.stash.get(_TRACE, None)
    shuffle, seed = request.config.getoption("--hn-shuffle"), request.config.getoption("--hn-seed")

    def make(nodes: int = 1) -> Chain:
        if not 1 <= nodes <= NODES_MAX:
            raise ValueError(f"nodes: got {nodes}, want 1 to {NODES_MAX}")
        hosts = [request.getfixturevalue("hn_apart"), hn_host] if nodes > 1 else [hn_host]
        if nodes > 1:
            request.node.stash[_NETWORK] = True
        observer = None
        if trace is not None:
            number = trace.chain()
            observer = lambda block: trace.block(number, block)  # noqa: E731
        load = lambda: hosts.pop() if hosts else _own_host(hn_project)  # noqa: E731
        return Chain(load, hn_project.name, nodes=nodes, seed=seed, shuffle=shuffle, observer=observer)

    return make


def _own_host(project: Project) -> Host:
    """The plugin with modules of its own; those that are imported stay what they are for everybody else."""
    name = project.manifest.package
    before = {key: module for key, module in sys.modules.items() if key == name or key.startswith(f"{name}.")}
    forget(name)
    try:
        return project.host()
    finally:
        forget(name)
        sys.modules.update(before)


@pytest.fixture
def chain(request: pytest.FixtureRequest, make_chain: Callable[..., Chain]) -> Chain:
    """The application on a chain of one node, or of --hn-nodes."""
    return make_chain(request.config.getoption("--hn-nodes"))


@pytest.fixture
def chain4(make_chain: Callable[..., Chain]) -> Chain:
    """The application on a chain of four nodes; consensus orders every block, and all must come to the same results."""
    return make_chain(4)


@pytest.fixture(scope="session")
def fuzz(hn_host: Host, hn_project: Project) -> Fuzz:
    """Made-up payloads; needs hypothesis."""
    pytest.importorskip("hypothesis")
    from hnnode.kit.fuzzing import Fuzz

    actions = table_of(hn_host, hn_project.name).actions
    return Fuzz(lambda action: actions[action].model)


@pytest.fixture
def bench(request: pytest.FixtureRequest, chain: Chain) -> Callable[[str, Sequence[Request]], Measured]:
    """`bench("action", requests)`: execute them in blocks, beside a loop that tells how fast this machine is."""
    measured = request.config.stash[_MEASURED]

    def measure(action: str, requests: Sequence[Request]) -> Measured:
        found = measure_action(chain, action, requests)
        measured.append(found)
        return found

    return measure


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    measured = config.stash.get(_MEASURED, [])
    if measured:
        terminalreporter.section("bench")
    for found in measured:
        terminalreporter.write_line(found.text)


@pytest.fixture
def as_account(chain: Chain) -> Callable[..., Account]:
    """`as_account("name", "role", …)` or `as_account("name", role="…")`."""

    def account(name: str, *roles: str, role: str | None = None) -> Account:
        return chain.account(name, *roles, *(() if role is None else (role,)))

    return account


@pytest.fixture
def must_reject(chain: Chain) -> Callable[[str], Any]:
    """`with must_reject("demo.rule"):` around one `submit` of `chain`; also names of the error table, such as
    ROLE_MISSING or PAYLOAD_INVALID.
    """

    @contextmanager
    def expect(reason: str) -> Iterator[None]:
        before = chain.rows()
        try:
            yield
        except Refused as refusal:
            outcome = refusal.outcome
            assert outcome.reason == reason, f"{outcome.label}: refused by {outcome.reason}, want {reason}"
            assert not outcome.events, f"{outcome.label}: refused, but it emitted events"
            assert chain.due() or chain.rows() == before, f"{outcome.label}: refused, but the state changed"
            return
        raise AssertionError(f"nothing was refused, want {reason}")

    return expect


@pytest.fixture
def snapshot(chain: Chain) -> Callable[[], Snapshot]:
    """Take one; `chain.restore` goes back to it."""
    return chain.snapshot


@pytest.fixture
def state_diff(chain: Chain) -> Callable[[Snapshot], str]:
    """What changed in the application's rows since a snapshot: `+ key = value` and `- key = value`, by key."""
    return chain.diff


@pytest.fixture
def advance(chain: Chain) -> Callable[..., None]:
    """Let block time pass: days, hours, minutes, seconds, ms."""
    return chain.advance
