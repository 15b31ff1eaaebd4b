"""Test kit for plugins: applications on a chain in memory, run by the node's own executor.

Nothing is imitated but the things around the executor: storage is a sorted dictionary, consensus is a counter, and
accounts are made by name. Due work is the node's own, with its receipts. Roles are checked as the core checks them:
the sender needs one of the action's roles.

    from hnnode.execution import Host
    chain = LocalChain(Host([plugin], [], tagged_hash), "coldchain")
    importer = chain.account("importer", "importer")
    outcome = chain.submit(importer, "pre_declare", {...})
    assert outcome.ok
"""

from __future__ import annotations

import hashlib
import random
import struct
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from hnnode.errors import CODES
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.workload import Workload
from hnnode.primitives.due import DueReceipt, read_due

if TYPE_CHECKING:
    from hnnode.ports import StateReader

Payload = bytes | Mapping[str, Any] | msgspec.Struct
_Tx = tuple[int, bytes, bytes, str, bytes]
Event = tuple[str, str, dict[str, Any]]

REST_BLOCKS_MAX = 10_000
_RULE_VIOLATION = CODES["RULE_VIOLATION"]
_ROLE_MISSING = CODES["ROLE_MISSING"]
_ACCOUNT_UNKNOWN = CODES["ACCOUNT_UNKNOWN"]


class MemoryState:
    """`ports.StateReader` over a dictionary, with the writes of a block applied in place."""

    def __init__(self) -> None:
        self.height = 0
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self.reads = 0

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return self._values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._values.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        start = bisect_left(self._keys, prefix)
        if after is not None:
            start = max(start, bisect_right(self._keys, after))
        found = []
        for key in self._keys[start : start + limit]:
            if not key.startswith(prefix):
                break
            found.append((key, self._values[key]))
        return found

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        """There is no state tree here: every page is absent."""
        return [None] * len(page_ids)

    def apply(self, writes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write database keys, as a commit does."""
        for key, value in writes:
            if value is None:
                if self._values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in self._values:
                    insort(self._keys, key)
                self._values[key] = value

    def dump(self) -> dict[bytes, bytes]:
        """A copy of everything, for comparing two runs."""
        return dict(self._values)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one transaction; `events` with their data decoded."""

    tx_id: bytes
    code: int
    rule: str
    steps: int
    writes: tuple[tuple[bytes, bytes | None], ...]
    events: tuple[Event, ...]

    @property
    def ok(self) -> bool:
        return self.code == 0


class _Action(Protocol):
    @property
    def roles(self) -> tuple[str, ...]: ...


class _Application(Protocol):
    @property
    def prefix(self) -> bytes: ...
    @property
    def actions(self) -> Mapping[str, _Action]: ...


_Result = tuple[int, int, str, int, Sequence[tuple[bytes, bytes | None]], Sequence[tuple[str, str, bytes]]]


class _Executor(Protocol):
    def execute_local(
        self,
        groups: Sequence[tuple[str, Sequence[Any]]],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: Any,
        /,
    ) -> tuple[Mapping[str, Sequence[_Result]], Sequence[tuple[bytes, bytes | None]]]: ...
    def next_due_ms(self, state: StateReader, /) -> int | None: ...


class _Queries(Protocol):
    def query(self, application: str, query: str, arguments: bytes, state: StateReader, /) -> Any: ...


class HostLike(Protocol):
    """The part of `hnnode.execution.Host` that the kit uses; given by the test, so that this package imports no
    room.
    """

    @property
    def applications(self) -> Mapping[str, _Application]: ...
    def executor(self) -> _Executor: ...
    def node_applications(self) -> _Queries: ...


def account_record(organisation: str, roles: Sequence[str], active: bool = True, since_height: int = 0) -> bytes:
    """Account record of formats §12 with an all-zero point, which no signature is ever checked against here."""
    named = organisation.encode("utf-8")
    head = struct.pack(">B65sBQH", 1, b"\x04" + bytes(64), int(active), since_height, len(named))
    listed = b"".join(struct.pack("B", len(role)) + role.encode("ascii") for role in sorted(set(roles)))
    return head + named + struct.pack("B", len(set(roles))) + listed


@dataclass
class LocalChain:
    """Applications on a chain in memory. Each `submit` is a block of its own; `block` puts several transactions into one; `rest`
    lets time pass while nobody sends any. What is due is done at the end of each block, as by a node.

    `application` is the one that is meant where none is named; an action or a query of another one that the host has is
    named in full, `consent.grant`.
    """

    host: HostLike
    application: str
    time_ms: int = 1_700_000_000_000
    block_ms: int = 1_000
    state: MemoryState = field(default_factory=MemoryState)

    def __post_init__(self) -> None:
        self._executor = self.host.executor()
        self._queries = self.host.node_applications()
        self._tables = self.host.applications
        self._accounts: dict[bytes, bytes] = {}
        self._roles: dict[bytes, frozenset[str]] = {}
        self._count = 0

    def account(self, name: str, *roles: str, organisation: str | None = None) -> bytes:
        """Register an account (20 bytes, made from its name) with these roles; once more, it is registered anew. Without an
        organisation it is one of its own name.
        """
        account = hashlib.sha256(name.encode("utf-8")).digest()[:20]
        self._accounts[account] = account_record(organisation or name, roles)
        self._roles[account] = frozenset(roles)
        return account

    def submit(self, sender: bytes, action: str, payload: Payload) -> Outcome:
        """Execute one transaction in a block of its own."""
        return self.block([(sender, action, payload)])[0]

    def block(self, txs: Sequence[tuple[bytes, str, Payload]]) -> list[Outcome]:
        """Execute transactions in one block and commit it."""
        outcomes: list[Outcome | None] = []
        groups: dict[str, list[_Tx]] = {}
        for index, (sender, named, payload) in enumerate(txs):
            self._count += 1
            tx_id = hashlib.sha256(b"tx" + self._count.to_bytes(8, "big")).digest()
            application, action = self._split(named)
            code = self._refusal(sender, application, action)
            outcomes.append(Outcome(tx_id, code, "", 0, (), ()) if code else None)
            if not code:
                groups.setdefault(application, []).append((index, tx_id, sender, action, _encode(payload)))
        done = self._commit(self.time_ms + self.block_ms, sorted(groups.items()))
        for application, group in groups.items():
            for (index, tx_id, *_), (_, code, rule, steps, own, events) in zip(group, done[application], strict=True):
                decoded = tuple(
                    (name, entity, msgspec.json.decode(data, type=dict[str, Any])) for name, entity, data in events
                )
                outcomes[index] = Outcome(tx_id, code, rule, steps, tuple(own), decoded)
        return [outcome for outcome in outcomes if outcome is not None]

    def _commit(self, time_ms: int, groups: Sequence[tuple[str, Sequence[_Tx]]]) -> Mapping[str, Sequence[_Result]]:
        """Execute a block of this time with what is due in it, and write it; results by application."""
        height, self.time_ms = self.state.height + 1, time_ms
        done, due = self._executor.execute_local(groups, self.state, height, time_ms, self._accounts)
        writes: dict[bytes, bytes | None] = {}
        for application, results in done.items():
            prefix = self._tables[application].prefix
            writes.update((prefix + key, value) for result in results for key, value in result[4])
        writes.update(due)
        self.state.apply(sorted(writes.items()))
        self.state.height = height
        return done

    def due(self) -> list[DueReceipt]:
        """What the end of the last block did without a transaction, in order: first what takes the items of an application out of
        its index, then one receipt an item.
        """
        return list(read_due(self.state, self.state.height))

    def rest(self, ms: int) -> list[DueReceipt]:
        """Let time pass while nobody sends anything: a block is made when something is due, as on a node. What they did, as `due`.

        Raises AssertionError: after REST_BLOCKS_MAX blocks something is still due, as when an item puts itself back.
        """
        until_ms = self.time_ms + ms
        done: list[DueReceipt] = []
        for _ in range(REST_BLOCKS_MAX):
            due_ms = self._executor.next_due_ms(self.state)
            if due_ms is None or (at_ms := max(due_ms, self.time_ms + 1)) > until_ms:
                self.time_ms = until_ms
                return done
            self._commit(at_ms, [])
            done += self.due()
        raise AssertionError(f"after {REST_BLOCKS_MAX} blocks something is still due before the time is over")

    def seed(self, application: str, rows: Mapping[bytes, bytes]) -> None:
        """Put rows into the state of any application, a native one too, as if an earlier block had written them."""
        prefix = _prefix(application)
        self.state.apply([(prefix + key, value) for key, value in sorted(rows.items())])

    def _split(self, named: str) -> tuple[str, str]:
        application, _, name = named.rpartition(".")
        return application or self.application, name

    def _refusal(self, sender: bytes, application: str, action: str) -> int:
        roles = self._roles.get(sender)
        if roles is None:
            return _ACCOUNT_UNKNOWN
        known = self._tables[application].actions.get(action)
        return _ROLE_MISSING if known is not None and known.roles and roles.isdisjoint(known.roles) else 0

    def advance(self, ms: int) -> None:
        """Let block time pass."""
        self.time_ms += ms

    def query(self, name: str, **arguments: Any) -> Any:
        """Run a query as the gateway does; raises `hnnode.errors.Rejected`."""
        application, query = self._split(name)
        return self._queries.query(application, query, msgspec.json.encode(arguments), self.state)

    def view(self, rows_max: int = 10_000_000, application: str = "") -> QueryView:
        """State of an application for checks in tests, with a budget of rows."""
        return QueryView(self.state, _prefix(application or self.application), rows_max)


class World:
    """A chain of one application for its tests, to be derived from: the tests' accounts, and short cuts to where a test starts.

    Args:
        violations: the application's own check of its whole state.
    """

    def __init__(
        self,
        host: HostLike,
        application: str,
        violations: Callable[[QueryView], Sequence[str]],
        time_ms: int = LocalChain.time_ms,
    ) -> None:
        self.host = host
        self.chain = LocalChain(host, application, time_ms=time_ms)
        self._violations = violations

    def do(self, sender: bytes, action: str, **payload: Any) -> Outcome:
        """Whatever comes of it."""
        return self.chain.submit(sender, action, payload)

    def ok(self, sender: bytes, action: str, **payload: Any) -> Outcome:
        """Raises AssertionError unless it succeeds."""
        outcome = self.do(sender, action, **payload)
        if not outcome.ok:
            raise AssertionError(f"{action} {payload}: code {outcome.code} {outcome.rule}")
        return outcome

    def refused(self, rule: str, sender: bytes, action: str, **payload: Any) -> None:
        """Raises AssertionError unless it is refused by this rule, without event and trace; what is due beside it may leave some."""
        before = self.chain.state.dump()
        outcome = self.do(sender, action, **payload)
        if (outcome.code, outcome.rule) != (_RULE_VIOLATION, f"{self.chain.application}.{rule}") or outcome.events:
            raise AssertionError(f"{action} {payload}: want a refusal by {rule}, got {outcome}")
        if not self.chain.due() and self.chain.state.dump() != before:
            raise AssertionError(f"{action} {payload}: refused by {rule}, but the state changed")

    def query(self, name: str, **arguments: Any) -> Any:
        """As `LocalChain.query`."""
        return self.chain.query(name, **arguments)

    def check(self) -> None:
        """Raises AssertionError when an invariant of the application is broken."""
        if broken := self._violations(self.chain.view()):
            raise AssertionError(broken)


def document(text: str) -> str:
    """Hash of some document, as payloads have it."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def run_workload(chain: LocalChain, work: Workload, count: int, shuffle: int = 0) -> Counter[str]:
    """Bring a workload onto a chain and hold it to what it promises: within a wave its transactions succeed in any order,
    and no invariant is broken in the end. Returns how often each action came.

    Each wave is shuffled and cut into blocks by the seed `shuffle`. Raises AssertionError.
    """
    accounts = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    chance = random.Random(shuffle)
    actions: Counter[str] = Counter()
    for wave in work.waves(accounts, count):
        actions.update(item.action for item in wave)
        txs = [(accounts[item.actor], item.action, item.payload) for item in wave]
        chance.shuffle(txs)
        size = chance.randrange(1, len(txs) + 1)
        for start in range(0, len(txs), size):
            part = txs[start : start + size]
            for (_, action, payload), outcome in zip(part, chain.block(part), strict=True):
                if not outcome.ok:
                    raise AssertionError(f"{action} {payload!r}: code {outcome.code} {outcome.rule}")
    broken = work.violations(chain.view())
    if broken or actions.total() < count:
        raise AssertionError(f"{actions.total()} transactions of {count}, broken invariants: {broken}")
    return actions


def _prefix(application: str) -> bytes:
    return bytes((len(application),)) + application.encode("ascii")


def _encode(payload: Payload) -> bytes:
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
