"""A chain in memory, block by block as a node works: signed transactions, admission, sealed batches, the block's
execution, the executor with the plugin, receipts, state tree.

Only disk and sockets are missing. With several nodes each has a state and a loaded plugin of its own; the node's consensus
engines agree on every block over a network in virtual time (`hnnode.kit.ordering`), on which messages are late, overtake each
other or get lost and now and then a node is down; all must come to the same receipts and root. Accounts are
made by name and stand in the state as if the genesis had named them. Time is the block time alone and moves when told
to. Equal calls give equal ids, receipts and roots.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from hnnode_native import Batch, DecodedTxs, Pool, Receipt, SecretKey, encode_tx_body, sign_tx, sm3

from hnnode.kit.order import SHUFFLED_MAX, Touched, WatchedState, another_order
from hnnode.kit.outcome import Outcome, Refused
from hnnode.kit.replica import CHAIN_ID, VALID_BLOCKS_MAX, Executed, HostMaker, Replica
from hnnode.kit.state import Snapshot, TreeState
from hnnode.kit.validators import Validators
from hnnode.plugin_api.context import QueryView
from hnnode.primitives.due import DueReceipt, read_due

GENESIS_MS = 1_700_000_000_000
BLOCK_MS = 1_000
BLOCK_TX_COUNT_MAX = 4_000
BATCH_BYTES_MAX = 1 << 20
VIEW_ROWS_MAX = 10_000_000
REST_BLOCKS_MAX = 10_000

Payload = bytes | Mapping[str, Any] | msgspec.Struct
Observer = Callable[["Block"], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A transaction before it is signed."""

    account: Account
    action: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was executed. `outcomes`: as they were asked for. `execute_s`: time in the executor, of all
    transactions together.
    """

    height: int
    time_ms: int
    outcomes: tuple[Outcome, ...]
    state_root: bytes
    execute_s: float


class Account:
    """Somebody who signs. Made by `Chain.account`."""

    def __init__(self, chain: Chain, name: str, roles: tuple[str, ...]) -> None:
        self.name = name
        self.roles = roles
        self.key = SecretKey.generate(sm3(b"hn/kit-account/" + name.encode("utf-8")))
        self.address = self.key.account()
        self._chain = chain

    def hex(self) -> str:
        """The account as it stands in payloads, 40 hexadecimal digits."""
        return self.address.hex()

    def request(self, action: str, payload: Payload | None = None, **fields: Any) -> Request:
        """A transaction for `Chain.block`."""
        return Request(self, action, encode_payload(fields if payload is None else payload))

    def attempt(self, action: str, payload: Payload | None = None, **fields: Any) -> Outcome:
        """Submit in a block of its own; the outcome may be a refusal."""
        return self._chain.block([self.request(action, payload, **fields)])[0]

    def submit(self, action: str, payload: Payload | None = None, **fields: Any) -> Outcome:
        """Submit in a block of its own. Raises Refused (an AssertionError) unless it succeeds."""
        outcome = self.attempt(action, payload, **fields)
        if not outcome.ok:
            raise Refused(outcome)
        return outcome


class Chain:
    """One application on a chain of `nodes` nodes.

    Args:
        make_host: loads the plugin; called once a node, and again when a node restarts.
        seed: how transactions are cut into the validators' batches, and what the network between them does.
        shuffle: seed of another order of independent transactions; None keeps the order.
    """

    def __init__(
        self,
        make_host: HostMaker,
        application: str,
        *,
        nodes: int = 1,
        seed: int = 0,
        shuffle: int | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.application = application
        self.time_ms = GENESIS_MS
        self.replicas = [Replica(make_host) for _ in range(nodes)]
        self.accounts: dict[str, Account] = {}
        self.last: Block | None = None
        self._rng = random.Random(seed)
        self._shuffle = None if shuffle is None else random.Random(shuffle)
        self._observer = observer
        self._table = self.host.applications[application]
        self._queries = self.host.node_applications()
        self._validators = [SecretKey.generate(bytes([i + 1]) * 32) for i in range(nodes)]
        self._network = Validators(self.replicas, self._validators, BLOCK_TX_COUNT_MAX, seed) if nodes > 1 else None
        self._nonce = 0
        self._seq = 0

    @property
    def host(self) -> Any:
        """The first node's plugins (`hnnode.execution.Host`)."""
        return self.replicas[0].host

    @property
    def state(self) -> TreeState:
        """The first node's state; the others have the same."""
        return self.replicas[0].state

    @property
    def height(self) -> int:
        return self.state.height

    @property
    def root(self) -> bytes:
        """State root after the last block."""
        return self.state.root()

    # ---------------------------------------------------------------- people and time
    def account(self, name: str, *roles: str) -> Account:
        """The account of this name, made with these roles the first time."""
        known = self.accounts.get(name)
        if known is not None:
            return known
        made = Account(self, name, tuple(sorted(set(roles))))
        for number, replica in enumerate(self.replicas):
            work = partial(replica.register, made.address, made.key.public_key(), name, made.roles)
            if self._network is None:
                work()
            else:
                self._network.ordering.later(number, work)
        self.accounts[name] = made
        return made

    def advance(self, *, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0, ms: int = 0) -> None:
        """Let block time pass; the next block is that much later."""
        self.time_ms += (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + ms

    def rest(
        self, *, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0, ms: int = 0
    ) -> list[DueReceipt]:
        """Let block time pass while nobody sends anything: a block is made when something is due, as on a node. What they did, in order.

        Raises: Diverged, Stalled; AssertionError: after REST_BLOCKS_MAX blocks something is still due, as when an item puts itself
        back.
        """
        before_ms = self.time_ms
        self.advance(days=days, hours=hours, minutes=minutes, seconds=seconds, ms=ms)
        until_ms, self.time_ms = self.time_ms, before_ms
        done: list[DueReceipt] = []
        for _ in range(REST_BLOCKS_MAX):
            due_ms = self.replicas[0].next_due_ms()
            if due_ms is None or (at_ms := max(due_ms, self.time_ms + 1)) > until_ms:
                self.time_ms = until_ms
                return done
            executed = self._execute([], at_ms)
            self._look_at(Block(self.height, self.time_ms, (), self.root, executed.execute_s))
            done += self.due()
        raise AssertionError(f"after {REST_BLOCKS_MAX} blocks something is still due before the time is over")

    # ---------------------------------------------------------------- blocks
    def block(self, requests: Sequence[Request]) -> list[Outcome]:
        """Put transactions into one block, in this order; their outcomes in the same order."""
        if not 0 < len(requests) <= BLOCK_TX_COUNT_MAX:
            raise ValueError(f"block: got {len(requests)} transactions, want 1 to {BLOCK_TX_COUNT_MAX}")
        signed = [self._sign(request) for request in requests]
        order = self._order([data for _, data in signed])
        batches, codes = self._seal([signed[i][1] for i in order])
        admitted = dict(zip(order, codes, strict=True))
        executed = self._execute(batches, self.time_ms + BLOCK_MS)
        places = {tx_id: index for index, tx_id in enumerate(executed.order)}
        outcomes = []
        for i, (request, (tx_id, _)) in enumerate(zip(requests, signed, strict=True)):
            index = places.get(tx_id, -1)
            receipt = None if index < 0 else Receipt.decode(executed.result.receipts[index])
            outcomes.append(_outcome(request, tx_id, self.height, index, receipt, admitted[i]))
        self._look_at(Block(self.height, self.time_ms, tuple(outcomes), self.root, executed.execute_s))
        return outcomes

    def _look_at(self, block: Block) -> None:
        self.last = block
        if self._observer is not None:
            self._observer(block)

    def _sign(self, request: Request) -> tuple[bytes, bytes]:
        """(tx_id, signed transaction), with the chain's next nonce."""
        self._nonce += 1
        valid_until = self.height + VALID_BLOCKS_MAX // 2
        names = (self.application, request.action, request.payload)
        return sign_tx(
            request.account.key, encode_tx_body(CHAIN_ID, request.account.address, self._nonce, valid_until, *names)
        )

    def _order(self, txs: Sequence[bytes]) -> list[int]:
        """The places in which the block has the transactions."""
        if self._shuffle is None or not 1 < len(txs) <= SHUFFLED_MAX:
            return list(range(len(txs)))
        touched = []
        for data in txs:
            one = Touched()
            alone = self._execute_alone(data, WatchedState(self.state, one))
            one.writes.update(key for key, _ in alone.result.writes)
            touched.append(one)
        return another_order(touched, self._shuffle)

    def _execute_alone(self, data: bytes, state: WatchedState) -> Executed:
        seq = self._seq
        batches, _ = self._seal([data])
        self._seq = seq
        return self.replicas[0].execute(batches, self.height + 1, self.time_ms + BLOCK_MS, self._proposer(0), state)

    def try_alone(self, request: Request, state: WatchedState) -> None:
        """Execute a transaction by itself on the state after the last block, noting what is read; nothing is kept."""
        nonce = self._nonce
        self._execute_alone(self._sign(request)[1], state)
        self._nonce = nonce

    def _seal(self, txs: Sequence[bytes]) -> tuple[list[Batch], list[int]]:
        """Batches of the validators, in the order of the transactions, and the codes of their admission."""
        nodes = len(self._validators)
        cuts = sorted(self._rng.randrange(len(txs) + 1) for _ in range(nodes - 1))
        batches: list[Batch] = []
        codes: list[int] = []
        for key, start, end in zip(self._validators, (0, *cuts), (*cuts, len(txs)), strict=True):
            pool = Pool(CHAIN_ID, 1 << 28, 10_000, 1 << 28, BLOCK_TX_COUNT_MAX, BATCH_BYTES_MAX, VALID_BLOCKS_MAX, 50)
            share = DecodedTxs.decode(txs[start:end], CHAIN_ID)
            codes += pool.admit(share, self.replicas[0].records, bytes(end - start), self.height)
            while pool.count():
                self._seq += 1
                batch = pool.seal(key, self._seq)
                if batch is None:
                    break
                batches.append(batch)
        return batches, codes

    def _proposer(self, number: int) -> bytes:
        return self._validators[number % len(self._validators)].account()

    def _execute(self, batches: Sequence[Batch], time_ms: int) -> Executed:
        """Execute on every node and commit. Raises: Diverged, Stalled."""
        height, self.time_ms = self.height + 1, time_ms
        if self._network is not None:
            return self._network.agree(height, self.time_ms, batches)
        executed = self.replicas[0].execute(batches, height, self.time_ms, self._proposer(height))
        self.replicas[0].commit(executed)
        return executed

    # ---------------------------------------------------------------- looking at it
    def query(self, name: str, **arguments: Any) -> Any:
        """Run a query as the gateway does. Raises `hnnode.errors.Rejected`."""
        return self._queries.query(self.application, name, msgspec.json.encode(arguments), self.state)

    def due(self) -> list[DueReceipt]:
        """What the end of the last block did without a transaction, in order."""
        return list(read_due(self.state, self.height))

    def view(self) -> QueryView:
        """State of the application, for checks of a test."""
        return QueryView(self.state, self._table.prefix, VIEW_ROWS_MAX)

    def rows(self) -> dict[bytes, bytes]:
        """The application's own rows."""
        return application_rows(self.state.dump(), self._table.prefix)

    def snapshot(self) -> Snapshot:
        return self.state.snapshot(self.time_ms)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of this chain: state, height and time are those of then."""
        self.time_ms = snapshot.time_ms
        if self._network is not None:
            self._network.ordering.all_up()
        for replica in self.replicas:
            replica.state = TreeState.restored(snapshot)
        if self._network is not None:
            self._network.restored(snapshot.height, snapshot.time_ms, snapshot.root)

    def diff(self, before: Snapshot) -> str:
        """What changed in the application's rows since a snapshot, a line a key, ascending."""
        old, new = application_rows(before.rows, self._table.prefix), self.rows()
        lines = []
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                lines += [
                    f"{sign} {_text(key)} = {_value(rows[key])}"
                    for sign, rows in (("-", old), ("+", new))
                    if key in rows
                ]
        return "\n".join(lines)

    def run_workload(self, seed: int = 1, count: int = 200, flavour: str = "", per_block: int = 50) -> list[str]:
        """The plugin's own load, wave by wave; the violations that it finds afterwards. Raises Refused: each of its
        transactions must succeed.
        """
        work = self.host.workload(self.application, seed, flavour)
        people = {name: self.account(name, *roles) for name, roles in work.actors.items()}
        for wave in work.waves({name: someone.address for name, someone in people.items()}, count):
            requests = [people[item.actor].request(item.action, item.payload) for item in wave]
            for start in range(0, len(requests), per_block):
                for outcome in self.block(requests[start : start + per_block]):
                    if not outcome.ok:
                        raise Refused(outcome)
        found: list[str] = work.violations(self.view())
        return found


def application_rows(rows: Mapping[bytes, bytes], prefix: bytes) -> dict[bytes, bytes]:
    """Rows under an application's prefix, without it."""
    return {key[len(prefix) :]: value for key, value in rows.items() if key.startswith(prefix)}


def encode_payload(payload: Payload) -> bytes:
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload)


def _outcome(request: Request, tx_id: bytes, height: int, index: int, receipt: Receipt | None, code: int) -> Outcome:
    who = (request.action, request.account.name, tx_id, height, index)
    if receipt is None:
        return Outcome(*who, code, "", 0, bytes(32), ())
    events = tuple((name, entity, msgspec.json.decode(data)) for name, entity, data in receipt.events)
    return Outcome(*who, receipt.code, receipt.rule, receipt.steps, receipt.write_set_digest, events)


def _text(key: bytes) -> str:
    return "".join(chr(byte) if 33 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in key)


def _value(value: bytes) -> str:
    """A record's fields where it is one, else as the key."""
    try:
        found = msgspec.msgpack.decode(value)
    except msgspec.DecodeError:
        return _text(value)
    if not isinstance(found, list):
        return _text(value)
    return "[" + ", ".join(_text(item) if isinstance(item, bytes) else str(item) for item in found) + "]"
