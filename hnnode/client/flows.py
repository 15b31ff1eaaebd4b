"""What the client can do, as flows (see `steps`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, TypeVar

import msgspec
from hnnode_native import genesis_chain_id

from hnnode.client.errors import NotFound, RequestRefused, ResultUnknown, TxExpired, TxFailed, TxRefused
from hnnode.client.records import (
    BatchAnswer,
    Block,
    BlockPage,
    Genesis,
    ItemResult,
    QueryAnswer,
    Receipt,
    Schema,
    Status,
    TxResult,
    TxState,
)
from hnnode.client.steps import Call, Deadline, Flow, Sleep, Work, backoff_s, call, decode
from hnnode.crypto import SignedTx, Signer, sign_bodies
from hnnode.errors import ERRORS
from hnnode.primitives.frames import CONTENT_TYPE, encode_frames
from hnnode.primitives.tx import build_body

Wait = Literal["none", "accepted", "committed"]
Payload = Mapping[str, Any] | bytes
T = TypeVar("T")
HEIGHT_AGE_S = 1.0
"""How long a height once learned is good enough to count `valid_until_height` from."""
SERVER_WAIT_S = 25.0
BATCH_COUNT_MAX = 1_000
BATCH_BYTES_MAX = 4 * 1024 * 1024 - 4_096
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class ChainFacts:
    chain_id: bytes
    valid_blocks_max: int


def payload_bytes(payload: Payload) -> bytes:
    """JSON of a mapping; bytes as they are."""
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload)


class Flows:
    """State shared by all calls of one client: the chain it talks to and the height it last heard of."""

    def __init__(self, signer: Signer | None, chain_id: bytes | None, timeout_s: float) -> None:
        self.signer = signer
        self.pinned_chain_id = chain_id
        self.timeout_s = timeout_s
        self._chain: ChainFacts | None = None
        self._height = 0
        self._height_at = float("-inf")

    # ---------------------------------------------------------------- reads
    def get(self, path: str, kind: type[T], parameters: Mapping[str, str | int | None] | None = None) -> Flow[T]:
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        reply = yield from call(Call("GET", path, given), Deadline.after(self.timeout_s))
        return decode(reply, kind)

    def status(self) -> Flow[Status]:
        status: Status = yield from self.get("/status", Status)
        self._height, self._height_at = status.height, monotonic()
        return status

    def genesis(self) -> Flow[Genesis]:
        """Raises RequestRefused WRONG_CHAIN when the facts do not hash to the chain id, or it is not the pinned one."""
        genesis: Genesis = yield from self.get("/genesis", Genesis)
        chain_id = genesis_chain_id(bytes.fromhex(genesis.encoding))
        if chain_id.hex() != genesis.chain_id:
            raise RequestRefused(
                "WRONG_CHAIN", f"the node's genesis hashes to {chain_id.hex()}, not {genesis.chain_id}"
            )
        if self.pinned_chain_id is not None and chain_id != self.pinned_chain_id:
            raise RequestRefused("WRONG_CHAIN", f"got chain {chain_id.hex()}, want {self.pinned_chain_id.hex()}")
        return genesis

    def chain(self) -> Flow[ChainFacts]:
        if self._chain is None:
            genesis = yield from self.genesis()
            self._chain = ChainFacts(bytes.fromhex(genesis.chain_id), genesis.valid_blocks_max)
        return self._chain

    def height(self) -> Flow[int]:
        if monotonic() - self._height_at > HEIGHT_AGE_S:
            yield from self.status()
        return self._height

    def get_tx(self, tx_id: str) -> Flow[TxState]:
        return (yield from self.get(f"/txs/{tx_id}", TxState))

    def receipt(self, tx_id: str) -> Flow[Receipt]:
        return (yield from self.get(f"/txs/{tx_id}/receipt", Receipt))

    def proof(self, tx_id: str, timeout_s: float | None) -> Flow[bytes]:
        """Waits until the results are certified: one block after the transaction's."""
        deadline = Deadline.after(self.timeout_s if timeout_s is None else timeout_s)
        return (yield from call(Call("GET", f"/txs/{tx_id}/proof"), deadline)).content

    def state_proof(self, application: str, key: bytes) -> Flow[bytes]:
        path = f"/applications/{application}/state/{key.hex()}/proof"
        return (yield from call(Call("GET", path), Deadline.after(self.timeout_s))).content

    def block(self, height: int | None, full: bool) -> Flow[Block]:
        name = "latest" if height is None else str(height)
        return (yield from self.get(f"/blocks/{name}", Block, {"full": "1"} if full else None))

    def block_page(self, cursor: str | None, limit: int) -> Flow[BlockPage]:
        return (yield from self.get("/blocks", BlockPage, {"cursor": cursor, "limit": limit}))

    def query(self, application: str, query: str, arguments: Mapping[str, Any] | None) -> Flow[QueryAnswer]:
        request = Call(
            "POST",
            f"/applications/{application}/queries/{query}",
            content=msgspec.json.encode(arguments or {}),
            content_type=JSON_TYPE,
        )
        return decode((yield from call(request, Deadline.after(self.timeout_s))), QueryAnswer)

    def schema(self, application: str) -> Flow[Schema]:
        return (yield from self.get(f"/applications/{application}/schema", Schema))

    # ---------------------------------------------------------------- writes
    def sign(
        self,
        application: str,
        action: str,
        payloads: Sequence[Payload],
        signer: Signer | None,
        valid_for_blocks: int | None,
    ) -> Flow[list[SignedTx]]:
        """Build and sign. Raises RequestRefused 1009 without a signer."""
        who = signer or self.signer
        if who is None:
            raise RequestRefused("PARAMETER_INVALID", "signer: got none, give one to the client or to the call")
        chain = yield from self.chain()
        height = yield from self.height()
        span = valid_for_blocks if valid_for_blocks is not None else max(1, chain.valid_blocks_max // 2)
        account = who.account

        def build() -> list[SignedTx]:
            bodies = [
                build_body(
                    chain_id=chain.chain_id,
                    sender=account,
                    valid_until_height=height + span,
                    application=application,
                    action=action,
                    payload=payload_bytes(payload),
                )
                for payload in payloads
            ]
            return sign_bodies(who, bodies)

        signed: list[SignedTx] = yield Work(build)
        return signed

    def send(self, tx: SignedTx, wait: Wait, timeout_s: float | None) -> Flow[TxResult]:
        """Submit signed bytes, again and again while they are pending and there is time: a node takes them once.

        Raises TxFailed, TxExpired, TxRefused and the other refusals; ResultUnknown when the time is over.
        """
        deadline = Deadline.after(self.timeout_s if timeout_s is None else timeout_s)
        attempt = 0
        while True:
            wait_ms = int(max(0.0, min(SERVER_WAIT_S, deadline.left())) * 1000)
            request = Call("POST", "/txs", {"wait": wait, "timeout_ms": wait_ms}, tx.data, CONTENT_TYPE)
            reply = yield from call(request, deadline, tx.tx_id)
            result = decode(reply, TxResult)
            if result.receipt is not None:
                self._height = max(self._height, result.receipt.height)
                if result.receipt.code:
                    raise TxFailed(result.receipt)
                return result
            if wait != "committed":
                return result
            pause = backoff_s(attempt, None)
            if deadline.left() <= pause:
                raise ResultUnknown("TIMEOUT", f"transaction {tx.tx_id.hex()} is still {result.state}", tx_id=tx.tx_id)
            attempt += 1
            yield Sleep(pause)

    def submit(
        self,
        application: str,
        action: str,
        payload: Payload,
        signer: Signer | None,
        wait: Wait,
        valid_for_blocks: int | None,
        timeout_s: float | None,
    ) -> Flow[TxResult]:
        signed = yield from self.sign(application, action, [payload], signer, valid_for_blocks)
        return (yield from self.send(signed[0], wait, timeout_s))

    def send_many(self, txs: Sequence[SignedTx], wait: Wait, timeout_s: float | None) -> Flow[list[ItemResult]]:
        """Submit in binary batches; items that may pass later, and with `committed` pending ones, are sent again.

        Refusals are results here, not exceptions. At the deadline unfinished items keep the last state heard.
        """
        deadline = Deadline.after(self.timeout_s if timeout_s is None else timeout_s)
        results: list[ItemResult | None] = [None] * len(txs)
        open_items = list(range(len(txs)))
        attempt = 0
        while True:
            unfinished: list[int] = []
            chunks = _chunks(txs, open_items)
            # Several batches are handed over before the first one is waited for.
            mode = "none" if attempt == 0 and len(chunks) > 1 else wait
            for chunk in chunks:
                wait_ms = int(max(0.0, min(SERVER_WAIT_S, deadline.left())) * 1000)
                content = encode_frames(txs[i].data for i in chunk)
                request = Call("POST", "/txs:batch", {"wait": mode, "timeout_ms": wait_ms}, content, CONTENT_TYPE)
                answer = decode((yield from call(request, deadline)), BatchAnswer)
                for i, item in zip(chunk, answer.results, strict=True):
                    results[i] = item
                    if item.retryable or (wait == "committed" and item.code == 0 and item.height is None):
                        unfinished.append(i)
            pause = backoff_s(attempt, None)
            if not unfinished or deadline.left() <= pause:
                return [item for item in results if item is not None]
            open_items = unfinished
            attempt += 1
            yield Sleep(pause)

    def submit_many(
        self,
        application: str,
        action: str,
        payloads: Sequence[Payload],
        signer: Signer | None,
        wait: Wait,
        valid_for_blocks: int | None,
        timeout_s: float | None,
    ) -> Flow[list[ItemResult]]:
        if not payloads:
            return []
        signed = yield from self.sign(application, action, payloads, signer, valid_for_blocks)
        return (yield from self.send_many(signed, wait, timeout_s))

    def wait(self, tx_id: str, timeout_s: float | None, valid_until_height: int | None) -> Flow[Receipt]:
        """The receipt once committed. Raises TxFailed, TxExpired, TxRefused; NotFound or ResultUnknown when the time is over."""
        deadline = Deadline.after(self.timeout_s if timeout_s is None else timeout_s)
        attempt = 0
        while True:
            wait_ms = int(max(0.0, min(SERVER_WAIT_S, deadline.left())) * 1000)
            parameters: dict[str, str | int] = {"wait": "committed", "timeout_ms": wait_ms}
            if valid_until_height is not None:
                parameters["valid_until_height"] = valid_until_height
            pause = backoff_s(attempt, None)
            attempt += 1
            try:
                state = decode((yield from call(Call("GET", f"/txs/{tx_id}", parameters), deadline)), TxState)
            except NotFound:
                # The node may learn of it from another one.
                if deadline.left() <= pause:
                    raise
                yield Sleep(pause)
                continue
            if state.height is not None:
                receipt: Receipt = yield from self.get(f"/txs/{tx_id}/receipt", Receipt)
                if receipt.code:
                    raise TxFailed(receipt)
                return receipt
            identifier = bytes.fromhex(tx_id)
            if state.state in ("expired", "rejected"):
                kind = TxExpired if state.state == "expired" else TxRefused
                name = ERRORS[state.code].name if state.code in ERRORS else "TX_EXPIRED"
                raise kind(name, f"transaction {tx_id} is {state.state}", tx_id=identifier)
            if deadline.left() <= pause:
                raise ResultUnknown("TIMEOUT", f"transaction {tx_id} is still {state.state}", tx_id=identifier)
            yield Sleep(pause)


def _chunks(txs: Sequence[SignedTx], indices: Sequence[int]) -> list[list[int]]:
    """Indices in batches that a node takes."""
    chunks: list[list[int]] = []
    size = BATCH_BYTES_MAX
    for i in indices:
        length = len(txs[i].data) + 4
        if not chunks or size + length > BATCH_BYTES_MAX or len(chunks[-1]) == BATCH_COUNT_MAX:
            chunks.append([])
            size = 0
        chunks[-1].append(i)
        size += length
    return chunks
