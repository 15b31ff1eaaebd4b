"""The asynchronous client: the surface of `Client`, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any

import httpx

from hnnode.client.errors import ApiError, NodeBusy, NodeUnreachable
from hnnode.client.evidence_asynchronous import AsyncEvidence
from hnnode.client.flows import Flows, Payload, Wait
from hnnode.client.offline import Bundle, TxId, id_text, verify_proof
from hnnode.client.records import (
    Block,
    Event,
    Genesis,
    ItemResult,
    QueryAnswer,
    Receipt,
    Schema,
    Status,
    TxResult,
    TxState,
)
from hnnode.client.sse import SseParser, Subscription
from hnnode.client.steps import Reply, error_in
from hnnode.client.transport import Addresses, AsyncDriver
from hnnode.crypto import SignedTx, Signer
from hnnode.primitives.file_hash import Content
from hnnode.primitives.verdict import Verdict

TIMEOUT_S = 30.0
PAGE = 100


class AsyncClient:
    """One chain, reached through one or several nodes.

    Args:
        urls: `http://host:port` of a node, or several to go on with the next when one cannot be reached.
        signer: signs when a call names none.
        chain_id: the chain one trusts; a node of another chain is refused, and proofs are held against it.
        timeout_s: how long a call may take in all, repetitions included, unless the call says otherwise.
    Every call raises the types of `hnnode.client.errors`.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        signer: Signer | None = None,
        chain_id: bytes | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._flows = Flows(signer, chain_id, timeout_s)
        self._driver = AsyncDriver(Addresses(urls), transport)
        self.evidence = AsyncEvidence(self._driver, self._flows)

    async def aclose(self) -> None:
        await self._driver.http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # ---------------------------------------------------------------- writes
    async def submit(
        self,
        application: str,
        action: str,
        payload: Payload,
        signer: Signer | None = None,
        *,
        wait: Wait = "committed",
        valid_for_blocks: int | None = None,
        timeout_s: float | None = None,
    ) -> TxResult:
        """Sign and submit one transaction; with `committed` the result has the receipt.

        Raises TxFailed when it failed on the chain, ResultUnknown when the time is over: then `wait` for its `tx_id`.
        """
        return await self._driver.run(
            self._flows.submit(application, action, payload, signer, wait, valid_for_blocks, timeout_s)
        )

    async def submit_many(
        self,
        application: str,
        action: str,
        payloads: Sequence[Payload],
        signer: Signer | None = None,
        *,
        wait: Wait = "none",
        valid_for_blocks: int | None = None,
        timeout_s: float | None = None,
    ) -> list[ItemResult]:
        """Sign all, submit in binary batches; one result a payload, refusals included. Raises when no node answers."""
        return await self._driver.run(
            self._flows.submit_many(application, action, payloads, signer, wait, valid_for_blocks, timeout_s)
        )

    async def sign(
        self,
        application: str,
        action: str,
        payloads: Sequence[Payload],
        signer: Signer | None = None,
        *,
        valid_for_blocks: int | None = None,
    ) -> list[SignedTx]:
        """Sign without submitting: keep the bytes, `send` them as often as needed."""
        return await self._driver.run(self._flows.sign(application, action, payloads, signer, valid_for_blocks))

    async def send(self, tx: SignedTx, *, wait: Wait = "committed", timeout_s: float | None = None) -> TxResult:
        """Submit signed bytes; sending them again is harmless."""
        return await self._driver.run(self._flows.send(tx, wait, timeout_s))

    async def send_many(
        self, txs: Sequence[SignedTx], *, wait: Wait = "none", timeout_s: float | None = None
    ) -> list[ItemResult]:
        return await self._driver.run(self._flows.send_many(txs, wait, timeout_s))

    async def wait(
        self, tx_id: TxId, *, timeout_s: float | None = None, valid_until_height: int | None = None
    ) -> Receipt:
        """Receipt of a transaction once it is committed. With `valid_until_height` an expired one ends the wait."""
        return await self._driver.run(self._flows.wait(id_text(tx_id), timeout_s, valid_until_height))

    # ---------------------------------------------------------------- reads
    async def status(self) -> Status:
        return await self._driver.run(self._flows.status())

    async def genesis(self) -> Genesis:
        return await self._driver.run(self._flows.genesis())

    async def get_tx(self, tx_id: TxId) -> TxState:
        """Raises NotFound for one this node does not know."""
        return await self._driver.run(self._flows.get_tx(id_text(tx_id)))

    async def receipt(self, tx_id: TxId) -> Receipt:
        """Raises NotFound while it is not committed."""
        return await self._driver.run(self._flows.receipt(id_text(tx_id)))

    async def query(self, application: str, query: str, arguments: Mapping[str, Any] | None = None) -> QueryAnswer:
        return await self._driver.run(self._flows.query(application, query, arguments))

    async def schema(self, application: str) -> Schema:
        """What the application takes and gives. Raises NotFound for one that is not on this chain."""
        return await self._driver.run(self._flows.schema(application))

    async def block(self, height: int | None = None, *, full: bool = False) -> Block:
        """The block at `height`, the last one without."""
        return await self._driver.run(self._flows.block(height, full))

    async def blocks(self, limit: int | None = None) -> AsyncIterator[Block]:
        """Headers, newest first, all or up to `limit`."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            page = await self._driver.run(self._flows.block_page(cursor, PAGE if left is None else min(left, PAGE)))
            for block in page.blocks:
                yield block
            cursor = page.next
            if cursor is None:
                return
            left = None if left is None else left - len(page.blocks)

    async def events(
        self,
        after: str | None = None,
        *,
        application: str | None = None,
        name: str | None = None,
        checkpoint: Callable[[str], Awaitable[None] | None] | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Events behind the cursor `after` (None: from the first, "latest": new ones only), without end.

        Reconnects and resumes by itself. `checkpoint` gets an event's cursor when the next one is asked for, when its
        work is done: a consumer that keeps the cursor together with its own work handles every event exactly once.
        """
        place = Subscription(after, application, name, self._flows.timeout_s)
        async with aclosing(self._stream(place)) as events:
            async for event in events:
                yield event
                place.cursor = event.cursor
                if checkpoint is not None and (kept := checkpoint(event.cursor)) is not None:
                    await kept

    async def _stream(self, place: Subscription) -> AsyncGenerator[Event, None]:
        while True:
            error: ApiError | None = None
            try:
                async with self._driver.stream("/events", place.parameters()) as answer:
                    if answer.status_code != 200:
                        raise error_in(Reply(answer.status_code, await answer.aread()))
                    place.opened()
                    parser = SseParser()
                    async for data in answer.aiter_bytes():
                        for message in parser.feed(data):
                            event = place.take(message)
                            if event is not None:
                                yield event
            except (NodeUnreachable, NodeBusy) as e:
                error = e
            await asyncio.sleep(place.pause(error))

    # ---------------------------------------------------------------- proofs
    async def proof(self, tx_id: TxId, *, timeout_s: float | None = None) -> bytes:
        """Proof bundle of a transaction and its receipt; waits until the block behind it certifies the results."""
        return await self._driver.run(self._flows.proof(id_text(tx_id), timeout_s))

    async def state_proof(self, application: str, key: bytes) -> bytes:
        """Proof bundle that `key` has a value, or none."""
        return await self._driver.run(self._flows.state_proof(application, key))

    def verify_proof(self, bundle: Bundle, file: Content | None = None) -> Verdict:
        """Offline verdict; reads `file` in this thread: give a large one to `asyncio.to_thread(verify_proof, …)`."""
        return verify_proof(bundle, file, self._flows.pinned_chain_id)
