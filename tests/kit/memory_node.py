"""A whole node in memory, for the rooms that stand in front of one.

Everything that can be real is: transactions, admission, batches, execution, state tree, headers and certificates come from the compiled
core, so its proofs verify. Only the disk, the network and consensus are missing: `commit_block` decides at once.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from hnnode_native import (
    Accounts,
    Batch,
    BlockExecution,
    DecodedTxs,
    DispatchTable,
    NativeError,
    Pool,
    Receipt,
    SecretKey,
    StateTree,
    ValidatorSet,
    Value,
    account_of,
    build_value,
    empty_root,
    encode_account_record,
    encode_genesis,
    genesis_chain_id,
    native_actions,
    plugins_hash,
    state_key,
    state_key_hash,
    state_value_hash,
)

from hnnode.errors import CODES, Rejected, Unavailable, name_of
from hnnode.events import EventFeed
from hnnode.execution import NodeApplications
from hnnode.mempool.personal import PersonalDoor
from hnnode.ports import (
    Admission,
    BatchLocation,
    NodeFacts,
    PeerInfo,
    StoredBlock,
    SubmitResult,
    Tip,
    TxLocation,
    TxStatus,
    Wait,
)
from hnnode.primitives.frames import encode_frames
from hnnode.proofs import ProofBuilder

VALID_BLOCKS_MAX = 1_000
HEIGHTS_KEPT = 16
START_MS = 1_700_000_000_000


def load_pages(tree: StateTree, pages: Mapping[bytes, bytes], wanted: list[bytes]) -> None:
    tree.load([(page, pages.get(page)) for page in wanted])


class MemoryState:
    """Implements `ports.StateReader` over one height's rows."""

    def __init__(self, height: int, rows: dict[bytes, bytes], pages: dict[bytes, bytes]) -> None:
        self.height = height
        self.rows = rows
        self.page_rows = pages

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.rows.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        found = [k for k in sorted(self.rows) if k.startswith(prefix) and (after is None or k > after)]
        return [(key, self.rows[key]) for key in found[:limit]]

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        return [self.page_rows.get(page) for page in page_ids]


class MemoryChain:
    """Implements `ports.Chain`."""

    def __init__(self, tip: Tip, state: MemoryState) -> None:
        self._tip = tip
        self.blocks: dict[int, StoredBlock] = {}
        self.batches: list[bytes] = []
        self.block_receipts: dict[int, list[bytes]] = {}
        self.block_tx_ids: dict[int, list[bytes]] = {}
        self.block_txs: dict[int, list[bytes]] = {}
        self.index: dict[bytes, TxLocation] = {}
        self.states: dict[int, MemoryState] = {state.height: state}

    def tip(self) -> Tip:
        return self._tip

    def block(self, height: int) -> StoredBlock | None:
        return self.blocks.get(height)

    def batch_packed(self, location: BatchLocation) -> bytes:
        return self.batch(location)

    def batch(self, location: BatchLocation) -> bytes:
        return self.batches[location.offset]

    def receipt(self, height: int, tx_index: int) -> bytes | None:
        receipts = self.block_receipts.get(height, [])
        return receipts[tx_index] if tx_index < len(receipts) else None

    def receipts(self, height: int) -> list[bytes]:
        return self.block_receipts.get(height, [])

    def tx(self, location: TxLocation) -> bytes:
        return self.block_txs[location.height][location.tx_index]

    def tx_ids(self, height: int) -> list[bytes]:
        return self.block_tx_ids.get(height, [])

    def tx_locations(self, tx_ids: Sequence[bytes]) -> list[TxLocation | None]:
        return [self.index.get(tx_id) for tx_id in tx_ids]

    def committed_flags(self, tx_ids_packed: bytes) -> bytes:
        return bytes(tx_ids_packed[at : at + 32] in self.index for at in range(0, len(tx_ids_packed), 32))

    def state(self, height: int | None = None) -> MemoryState:
        wanted = self._tip.height if height is None else height
        if wanted not in self.states:
            raise Unavailable("NOT_FOUND", f"state of height {wanted}: not kept")
        return self.states[wanted]

    def append(
        self, tip: Tip, block: StoredBlock, batches: Sequence[Batch], receipts: list[bytes], state: MemoryState
    ) -> None:
        height = tip.height
        self.blocks[height] = block
        self.batches += (batch.data for batch in batches)
        self.block_receipts[height] = receipts
        self.block_txs[height] = [batch.tx(i) for batch in batches for i in range(batch.tx_count)]
        self.block_tx_ids[height] = [tx_id for batch in batches for tx_id in batch.tx_ids()]
        for index, tx_id in enumerate(self.block_tx_ids[height]):
            self.index.setdefault(tx_id, TxLocation(height, index))
        self.states[height] = state
        self.states.pop(height - HEIGHTS_KEPT, None)
        self._tip = tip


class MemoryNode:
    """Implements `ports.Node` and `ports.Mempool`. With `auto`, a submission is committed and certified a moment later."""

    def __init__(
        self,
        users: Sequence[bytes] = (),
        *,
        auto: bool = False,
        validators: int = 4,
        roles: Mapping[int, Sequence[str]] | None = None,
    ) -> None:
        """users: public keys of accounts registered at genesis, the first with role `admin`; roles: others, by number."""
        self.auto = auto
        self.delay_s = 0.01
        self.refuse: Unavailable | None = None
        self.facts_now: dict[str, Any] = {}
        self.keys = [SecretKey.generate(bytes([i + 1]) * 32) for i in range(validators)]
        self.validator_set = ValidatorSet(0, [(key.public_key(), 1) for key in self.keys])
        self.keys.sort(key=lambda key: key.account())
        rows: dict[bytes, bytes] = {}
        updates: list[tuple[bytes, bytes | None]] = []
        records = []
        for number, public_key in enumerate(users):
            held = [*(["admin"] if number == 0 else []), *(roles or {}).get(number, ())]
            record = encode_account_record(public_key, True, 0, f"organisation {number}", held)
            account = account_of(public_key)
            rows[state_key("identity", account)] = record
            updates.append((state_key_hash("identity", account), state_value_hash(record)))
            records.append((account, record))
        self.tree = StateTree(1 << 24)
        pages: dict[bytes, bytes] = {}
        root = self._grow(updates, pages)
        plugin_set = plugins_hash([])
        self._genesis = encode_genesis(
            "hn_memory", 1, START_MS, self.validator_set.hash, plugin_set, root, 1 << 20, 10_000, VALID_BLOCKS_MAX
        )
        self.chain_id = genesis_chain_id(self._genesis)
        self.plugin_set = plugin_set
        state = MemoryState(0, rows, pages)
        self.chain = MemoryChain(Tip(0, self.chain_id, START_MS, empty_root(), root, empty_root()), state)
        self.accounts = Accounts(1 << 24)
        self.accounts.load(records)
        self.pool = Pool(self.chain_id, 1 << 24, 10_000, 1 << 24, 1_000, 1 << 18, VALID_BLOCKS_MAX, 50)
        self.seq = 1
        self.dropped: dict[bytes, int] = {}
        self.waiting: list[asyncio.Event] = []
        self.scheduled: asyncio.TimerHandle | None = None
        self.submissions = 0
        self.mempool = self
        self.applications = NodeApplications({}, native_actions())
        self.personal = PersonalDoor(lambda: self.applications)
        self.events = EventFeed(self.chain)
        self.proofs = ProofBuilder(self.chain, self._genesis, self.validator_set.encode())

    # ---------------------------------------------------------------- chain
    def _grow(self, updates: list[tuple[bytes, bytes | None]], pages: dict[bytes, bytes]) -> bytes:
        while missing := self.tree.apply_pairs(updates):
            load_pages(self.tree, pages, missing)
        for page, data in self.tree.changed_pages().rows():
            if data is None:
                pages.pop(page, None)
            else:
                pages[page] = data
        return self.tree.root()

    def commit_block(self, batches: Sequence[Batch] | None = None) -> int:
        """Seal what the pool holds (or take `batches`), execute, certify, append. Returns the height."""
        tip = self.chain.tip()
        height, time_ms = tip.height + 1, tip.time_ms + 40
        if batches is None:
            sealed = self.pool.seal(self.keys[0], self.seq)
            self.seq += 1
            batches = [] if sealed is None else [sealed]
        proposer = self.keys[0].account()
        value = build_value(
            self.chain_id,
            height,
            time_ms,
            proposer,
            tip.block_hash,
            self.validator_set.hash,
            self.validator_set.hash,
            self.plugin_set,
            tip.receipts_root,
            tip.state_root,
            tip.outbox_root,
            batches,
        )
        block_hash = Value.decode(value).block_hash
        state = self.chain.state()
        run = BlockExecution(
            self.chain_id, height, time_ms, proposer, VALID_BLOCKS_MAX, batches, self.accounts, DispatchTable([])
        )
        run.set_committed(bytes(1 if self.chain.index.get(tx_id) else 0 for tx_id in run.tx_ids()))
        run.supply(state.get_many(run.native_keys()))
        run.run_native()
        result = run.finish()
        rows, pages = dict(state.rows), dict(state.page_rows)
        while missing := self.tree.apply(result):
            load_pages(self.tree, pages, missing)
        for page, data in self.tree.changed_pages().rows():
            pages[page] = data or b""
            if data is None:
                del pages[page]
        for key, data in result.writes:
            if data is None:
                rows.pop(key, None)
            else:
                rows[key] = data
        self.accounts.apply(result)
        first = len(self.chain.batches)
        places = tuple(
            (batch.digest, batch.tx_count, BatchLocation(0, first + i, len(batch.data)))
            for i, batch in enumerate(batches)
        )
        block = StoredBlock(
            height, block_hash, value, self.certificate(height, block_hash), sum(b.tx_count for b in batches), places
        )
        tip = Tip(height, block_hash, time_ms, result.receipts_root, self.tree.root(), result.outbox_root)
        self.chain.append(tip, block, batches, result.receipts, MemoryState(height, rows, pages))
        self.pool.on_commit(height, batches, self.accounts)
        self.dropped.update(self.pool.drain_dropped())
        self.events.on_commit(height)
        for event in self.waiting:
            event.set()
        return height

    def commit_all(self) -> None:
        """One block with what is pooled and an empty one that certifies its results."""
        self.scheduled = None
        self.commit_block()
        self.commit_block([])

    def certificate(self, height: int, block_hash: bytes) -> bytes:
        """Formats §8, signed by all validators but the last."""
        count = len(self.keys)
        signers = range(count - 1) if count > 1 else range(1)
        vote = b"hn/vote/v1" + self.chain_id + struct.pack(">BQI", 2, height, 0) + block_hash
        bitmap = bytearray((count + 7) // 8)
        for k in signers:
            bitmap[k // 8] |= 1 << (k % 8)
        signatures = b"".join(self.keys[k].sign(vote) for k in signers)
        head = b"\x01" + self.chain_id + struct.pack(">QI", height, 0) + block_hash + struct.pack(">H", count)
        return head + bytes(bitmap) + signatures

    # ---------------------------------------------------------------- mempool
    def check_open(self, size: int, source: str = "", ahead: int = 0) -> None:
        if self.refuse is not None:
            raise self.refuse

    async def submit(self, txs: Sequence[bytes]) -> list[SubmitResult]:
        admission = await self.submit_frames(encode_frames(txs))
        ids = [admission.tx_ids[i : i + 32] for i in range(0, len(admission.tx_ids), 32)]
        known = CODES["TX_DUPLICATE"]
        codes = struct.unpack(f">{len(ids)}I", admission.codes)
        return [SubmitResult(t, 0 if c == known else c, c == known) for t, c in zip(ids, codes, strict=True)]

    def submit_frames(self, data: bytes, source: str = "") -> asyncio.Future[Admission]:
        self.submissions += 1
        self.check_open(len(data), source)
        future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        try:
            DecodedTxs.decode_frames(data, self.chain_id)
        except NativeError as e:
            future.set_exception(Rejected(name_of(e.code), str(e)))
        else:
            txs, _ = DecodedTxs.decode_frames_many([data], self.chain_id, self.personal.scan())
            future.set_result(self._admit(txs))
        return future

    def _admit(self, txs: DecodedTxs) -> Admission:
        ids = txs.tx_ids()
        known = CODES["TX_DUPLICATE"]
        committed = self.chain.committed_flags(txs.tx_ids_packed())
        codes = self.pool.admit(txs, self.accounts, committed, self.chain.tip().height)
        codes = [known if flag else code for code, flag in zip(codes, committed, strict=True)]
        if self.auto and self.scheduled is None:
            self.scheduled = asyncio.get_running_loop().call_later(self.delay_s, self.commit_all)
        packed = struct.pack(f">{len(codes)}I", *codes)
        personal = {place: (kind, field) for place, kind, field in txs.personal()}
        return Admission(b"".join(ids), packed, codes.count(0), codes.count(known), personal)

    async def wait(self, tx_id: bytes, until: Wait, timeout_ms: int) -> TxStatus:
        event = asyncio.Event()
        self.waiting.append(event)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                while until != "none" and self.status(tx_id).state == "pending":
                    event.clear()
                    await event.wait()
        except TimeoutError:
            pass
        finally:
            self.waiting.remove(event)
        return self.status(tx_id)

    def status(self, tx_id: bytes) -> TxStatus:
        place = self.chain.index.get(tx_id)
        if place is not None:
            receipt = Receipt.decode(self.chain.block_receipts[place.height][place.tx_index])
            state = "committed" if receipt.code == 0 else "failed"
            return TxStatus(tx_id, state, place.height, place.tx_index, receipt.code, receipt.rule)
        if self.pool.status(tx_id) != "unknown":
            return TxStatus(tx_id, "pending")
        code = self.dropped.get(tx_id)
        if code is not None:
            return TxStatus(tx_id, "expired" if code == CODES["TX_EXPIRED"] else "rejected", code=code)
        return TxStatus(tx_id, "unknown")

    def depth(self) -> Mapping[str, int]:
        return {"tx_count": self.pool.count(), "bytes": self.pool.bytes_used(), "bytes_max": 1 << 24}

    # ---------------------------------------------------------------- node
    def facts(self) -> NodeFacts:
        tip = self.chain.tip()
        values: dict[str, Any] = {
            "chain_id": self.chain_id,
            "chain_name": "hn_memory",
            "role": "main",
            "version": "0.1.0",
            "account": self.keys[0].account(),
            "node_name": "memory",
            "validator": True,
            "height": tip.height,
            "block_hash": tip.block_hash,
            "block_time_ms": tip.time_ms,
            "syncing": False,
            "ready": True,
            "halted": "",
            "consensus": {"height": tip.height + 1, "round": 0, "step": "new_height"},
            "peers_connected": 1,
            "peers_known": 1,
            "pool": self.depth(),
            "disk_free_bytes": 1 << 40,
            "loop_lag_ms": 0.5,
            "uptime_s": 12.5,
        }
        return NodeFacts(**(values | self.facts_now))

    def peers(self) -> list[PeerInfo]:
        return [PeerInfo("n1", self.keys[1].account(), "127.0.0.1", 30301, True, START_MS, 10, 20, 0)]

    def validators(self) -> list[Mapping[str, Any]]:
        return [
            {"account": account, "public_key": key, "power": power, "name": f"n{i}", "last_seen_ms": START_MS}
            for i, (account, key, power) in enumerate(self.validator_set.validators)
        ]

    def genesis(self) -> bytes:
        return self._genesis
