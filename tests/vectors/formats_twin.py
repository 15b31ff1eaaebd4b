"""Every signed or hashed object of `docs/reference/formats.md`, encoded and decoded in plain Python from that page alone.

`decode` raises `FormatError` on anything that is not the one encoding of an object. Nothing of hnnode is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from tests.vectors import sm_twin
from tests.vectors.trees_twin import ZERO, Reader, account_of, block_root, require, sized, tagged, text, u

PREVOTE, PRECOMMIT = 1, 2
NO_ROUND = 0xFFFFFFFF
TX_BYTES_MAX, PAYLOAD_BYTES_MAX = 66_000, 65_536
BATCH_TX_COUNT_MAX, BATCH_BODY_BYTES_MAX = 4_096, 1_048_576
BATCH_COUNT_MAX, POWER_MAX = 1_024, 1 << 32
EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX, ROLE_COUNT_MAX = 64, 16_384, 16
HEADER_BYTES = 357


def take_key(reader: Reader) -> bytes:
    key = reader.take(65)
    require(sm_twin.is_point(key), "not a point of the curve")
    return key


# ---------------------------------------------------------------- §2 transaction


@dataclass(frozen=True)
class Tx:
    chain_id: bytes
    sender: bytes
    nonce: int
    valid_until_height: int
    application: str
    action: str
    payload: bytes
    signature: bytes

    def body(self) -> bytes:
        numbers = u(8, self.nonce) + u(8, self.valid_until_height)
        names = text(1, self.application) + text(1, self.action)
        return u(1, 1) + self.chain_id + self.sender + numbers + names + sized(4, self.payload)

    def tx_id(self) -> bytes:
        return tagged("hn/tx/v1", self.body())

    def encode(self) -> bytes:
        return self.body() + self.signature

    @classmethod
    def decode(cls, data: bytes) -> Tx:
        require(len(data) <= TX_BYTES_MAX, "over 66,000 bytes")
        r = Reader(data)
        r.version()
        numbers = (r.take(32), r.take(20), r.u(8), r.u(8))
        tx = cls(*numbers, r.name(), r.name(), r.sized(4, PAYLOAD_BYTES_MAX), r.take(64))
        r.end()
        return tx


# ---------------------------------------------------------------- §3 batch


@dataclass(frozen=True)
class Batch:
    chain_id: bytes
    author: bytes
    seq: int
    txs_root: bytes
    txs: tuple[bytes, ...]
    """Signed transactions."""
    author_signature: bytes = bytes(64)

    @classmethod
    def of(cls, chain_id: bytes, author: bytes, seq: int, txs: Iterable[bytes]) -> Batch:
        """With the root of its transactions, not signed yet."""
        content = tuple(txs)
        return cls(chain_id, author, seq, block_root([Tx.decode(tx).tx_id() for tx in content]), content)

    def body(self) -> bytes:
        return b"".join(sized(4, tx) for tx in self.txs)

    def tx_ids(self) -> list[bytes]:
        return [Tx.decode(tx).tx_id() for tx in self.txs]

    def header(self) -> bytes:
        counts = u(8, self.seq) + u(4, len(self.txs)) + u(4, len(self.body()))
        signatures = tagged("hn/signatures/v1", b"".join(tx[-64:] for tx in self.txs))
        return u(1, 1) + self.chain_id + self.author + counts + self.txs_root + signatures

    def digest(self) -> bytes:
        return tagged("hn/batch/v1", self.header())

    def encode(self) -> bytes:
        return self.header() + self.author_signature + self.body()

    @classmethod
    def decode(cls, data: bytes) -> Batch:
        r = Reader(data)
        r.version()
        chain_id, author, seq, tx_count, body_bytes = r.take(32), r.take(20), r.u(8), r.u(4), r.u(4)
        require(1 <= tx_count <= BATCH_TX_COUNT_MAX, "tx_count")
        require(body_bytes <= BATCH_BODY_BYTES_MAX, "body_bytes")
        txs_root, _, signature = r.take(32), r.take(32), r.take(64)
        require(len(data) - r.position == body_bytes, "body_bytes is not the length of the body")
        txs = tuple(r.sized(4, TX_BYTES_MAX) for _ in range(tx_count))
        r.end()
        for tx in txs:
            Tx.decode(tx)
        batch = cls(chain_id, author, seq, txs_root, txs, signature)
        require(batch.header() == data[:133], "signatures_hash")
        return batch

    def check(self, chain_id: bytes, author_key: bytes) -> None:
        """FormatError unless the owner of the key sealed this batch for this chain."""
        require(self.chain_id == chain_id, "another chain")
        require(self.author == account_of(author_key), "another author")
        require(sm_twin.verify(author_key, self.digest(), self.author_signature), "author signature")
        require(self.txs_root == block_root(self.tx_ids()), "txs_root")
        require(all(Tx.decode(tx).chain_id == chain_id for tx in self.txs), "transaction of another chain")


# ---------------------------------------------------------------- §6 validator set


@dataclass(frozen=True)
class ValidatorSet:
    epoch: int
    validators: tuple[tuple[bytes, int], ...]
    """(key, power), ascending by account."""

    @classmethod
    def of(cls, epoch: int, validators: Iterable[tuple[bytes, int]]) -> ValidatorSet:
        """From any order."""
        return cls(epoch, tuple(sorted(validators, key=lambda item: account_of(item[0]))))

    def encode(self) -> bytes:
        members = b"".join(key + u(8, power) for key, power in self.validators)
        return u(8, self.epoch) + u(2, len(self.validators)) + members

    def hash(self) -> bytes:
        return tagged("hn/validators/v1", self.encode())

    def total_power(self) -> int:
        return sum(power for _, power in self.validators)

    def quorum(self) -> int:
        return 2 * self.total_power() // 3 + 1

    @classmethod
    def decode(cls, data: bytes) -> ValidatorSet:
        r = Reader(data)
        epoch = r.u(8)
        found = cls(epoch, tuple((take_key(r), r.u(8)) for _ in range(r.u(2))))
        r.end()
        accounts = [account_of(key) for key, _ in found.validators]
        require(accounts == sorted(set(accounts)), "not ascending")
        require(len(accounts) >= 1, "nobody")
        require(all(power >= 1 for _, power in found.validators), "power 0")
        require(found.total_power() <= POWER_MAX, "total power")
        return found


# ---------------------------------------------------------------- §7 header and value


@dataclass(frozen=True)
class Header:
    chain_id: bytes
    height: int
    time_ms: int
    proposer: bytes
    parent_hash: bytes
    batches_root: bytes
    tx_root: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    plugins_hash: bytes
    receipts_root: bytes
    state_root: bytes
    outbox_root: bytes

    def encode(self) -> bytes:
        parts = [u(8, part) if isinstance(part, int) else part for part in astuple(self)]
        return b"".join([u(1, 1), *parts])

    def hash(self) -> bytes:
        return tagged("hn/header/v1", self.encode())

    @classmethod
    def decode(cls, data: bytes) -> Header:
        r = Reader(data)
        r.version()
        first = (r.take(32), r.u(8), r.u(8), r.take(20))
        header = cls(*first, *(r.take(32) for _ in fields(cls)[4:]))
        r.end()
        return header


@dataclass(frozen=True)
class Value:
    header: Header
    batches: tuple[tuple[bytes, bytes, int], ...]
    """(digest, author, seq)"""

    def encode(self) -> bytes:
        references = b"".join(digest + author + u(8, seq) for digest, author, seq in self.batches)
        return self.header.encode() + u(2, len(self.batches)) + references

    @classmethod
    def decode(cls, data: bytes) -> Value:
        r = Reader(data)
        header = Header.decode(r.take(HEADER_BYTES))
        count = r.u(2)
        require(count <= BATCH_COUNT_MAX, "batch_count")
        value = cls(header, tuple((r.take(32), r.take(20), r.u(8)) for _ in range(count)))
        r.end()
        return value


# ---------------------------------------------------------------- §8 votes, proposals, certificate


def vote_bytes(chain_id: bytes, kind: int, height: int, round_: int, block_hash: bytes | None) -> bytes:
    return b"hn/vote/v1" + chain_id + u(1, kind) + u(8, height) + u(4, round_) + (block_hash or ZERO)


def proposal_bytes(chain_id: bytes, height: int, round_: int, pol_round: int | None, block_hash: bytes) -> bytes:
    pol = NO_ROUND if pol_round is None else pol_round
    return b"hn/proposal/v1" + chain_id + u(8, height) + u(4, round_) + u(4, pol) + block_hash


@dataclass(frozen=True)
class Certificate:
    chain_id: bytes
    height: int
    round: int
    block_hash: bytes
    validator_count: int
    signatures: tuple[tuple[int, bytes], ...]
    """(index in the set, signature), ascending."""

    def encode(self) -> bytes:
        bitmap = sum(1 << index for index, _ in self.signatures).to_bytes((self.validator_count + 7) // 8, "little")
        place = self.chain_id + u(8, self.height) + u(4, self.round) + self.block_hash
        signatures = b"".join(signature for _, signature in self.signatures)
        return u(1, 1) + place + u(2, self.validator_count) + bitmap + signatures

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        r = Reader(data)
        r.version()
        chain_id, height, round_, block_hash, count = r.take(32), r.u(8), r.u(4), r.take(32), r.u(2)
        bitmap = int.from_bytes(r.take((count + 7) // 8), "little")
        require(bitmap >> count == 0, "unused bits")
        signatures = tuple((index, r.take(64)) for index in range(count) if bitmap >> index & 1)
        r.end()
        return cls(chain_id, height, round_, block_hash, count, signatures)

    def check(self, validators: ValidatorSet, chain_id: bytes, height: int, block_hash: bytes) -> None:
        """FormatError unless the set has decided this block."""
        require((self.chain_id, self.height) == (chain_id, height), "another chain or height")
        require(self.block_hash == block_hash != ZERO, "another block, or nil")
        require(self.validator_count == len(validators.validators), "a set of another size")
        message = vote_bytes(chain_id, PRECOMMIT, height, self.round, block_hash)
        signers = [(validators.validators[index], signature) for index, signature in self.signatures]
        require(sum(power for (_, power), _ in signers) >= validators.quorum(), "no quorum")
        valid = all(sm_twin.verify(key, message, signature) for (key, _), signature in signers)
        require(valid, "a signature that does not verify")


# ---------------------------------------------------------------- §9 genesis, §10 plugins


@dataclass(frozen=True)
class Genesis:
    chain_name: str
    role: int
    time_ms: int
    validators_hash: bytes
    plugins_hash: bytes
    state_root: bytes
    block_bytes_max: int
    block_tx_count_max: int
    valid_blocks_max: int

    def encode(self) -> bytes:
        start = u(1, 1) + text(1, self.chain_name) + u(1, self.role) + u(8, self.time_ms)
        limits = u(4, self.block_bytes_max) + u(4, self.block_tx_count_max) + u(8, self.valid_blocks_max)
        return start + self.validators_hash + self.plugins_hash + self.state_root + limits

    def chain_id(self) -> bytes:
        return tagged("hn/genesis/v1", self.encode())

    @classmethod
    def decode(cls, data: bytes) -> Genesis:
        r = Reader(data)
        r.version()
        genesis = cls(r.name(), r.u(1), r.u(8), r.take(32), r.take(32), r.take(32), r.u(4), r.u(4), r.u(8))
        r.end()
        require(genesis.role in (1, 2, 3), "role")
        return genesis


PluginEntry = tuple[str, str, int, int, bytes, str, str, bytes]
"""(plugin, version, api_version, state_version, code_hash, application, action, schema_hash)"""


def plugins_hash(entries: Iterable[PluginEntry]) -> bytes:
    encoded = []
    for plugin, version, api_version, state_version, code_hash, application, action, schema_hash in sorted(
        entries, key=lambda entry: (entry[5], entry[6])
    ):
        versions = text(1, version) + u(2, api_version) + u(4, state_version)
        encoded.append(text(1, plugin) + versions + code_hash + text(1, application) + text(1, action) + schema_hash)
    return tagged("hn/plugins/v1", u(2, len(encoded)) + b"".join(encoded))


# ---------------------------------------------------------------- §11 receipt, §12 account record


def write_set_digest(writes: Sequence[tuple[str, bytes, bytes | None]]) -> bytes:
    """writes: (application, key, value or None), in key order."""
    encoded = [
        text(1, application) + sized(4, key) + u(1, value is not None) + sized(4, value or b"")
        for application, key, value in writes
    ]
    return tagged("hn/write-set/v1", b"".join(encoded)) if encoded else ZERO


@dataclass(frozen=True)
class Receipt:
    tx_id: bytes
    code: int
    rule: str
    steps: int
    write_set_digest: bytes
    events: tuple[tuple[str, str, bytes], ...]
    """(name, entity, data)"""

    def encode(self) -> bytes:
        result = u(4, self.code) + text(1, self.rule) + u(8, self.steps) + self.write_set_digest
        events = b"".join(text(1, name) + text(2, entity) + sized(4, data) for name, entity, data in self.events)
        return u(1, 1) + self.tx_id + result + u(2, len(self.events)) + events

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        r = Reader(data)
        r.version()
        result = (r.take(32), r.u(4), r.text(1), r.u(8), r.take(32))
        count = r.u(2)
        require(count <= EVENT_COUNT_MAX, "event_count")
        events = tuple((r.text(1), r.text(2), r.sized(4, EVENT_DATA_BYTES_MAX)) for _ in range(count))
        r.end()
        return cls(*result, events)


@dataclass(frozen=True)
class AccountRecord:
    key: bytes
    active: bool
    since_height: int
    organisation: str
    roles: tuple[str, ...]

    def encode(self) -> bytes:
        state = u(1, self.active) + u(8, self.since_height) + text(2, self.organisation)
        return u(1, 1) + self.key + state + u(1, len(self.roles)) + b"".join(text(1, role) for role in self.roles)

    @classmethod
    def decode(cls, data: bytes) -> AccountRecord:
        r = Reader(data)
        r.version()
        start = (take_key(r), r.flag(), r.u(8), r.text(2))
        count = r.u(1)
        require(count <= ROLE_COUNT_MAX, "role_count")
        record = cls(*start, tuple(r.name() for _ in range(count)))
        r.end()
        require(list(record.roles) == sorted(set(record.roles)), "roles not ascending")
        return record
