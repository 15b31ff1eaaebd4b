"""The blocking client. Thread-safe for everything but `events`, of which each thread takes its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from hnnode.client.errors import ApiError, NodeBusy, NodeUnreachable
from hnnode.client.evidence_blocking import Evidence
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
from hnnode.client.transport import Addresses, BlockingDriver
from hnnode.crypto import SignedTx, Signer
from hnnode.primitives.file_hash import Content
from hnnode.primitives.verdict import Verdict

TIMEOUT_S = 30.0
PAGE = 100


class Client:
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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._flows = Flows(signer, chain_id, timeout_s)
        self._driver = BlockingDriver(Addresses(urls), transport)
        self.evidence = Evidence(self._driver, self._flows)

    def close(self) -> None:
        self._driver.http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---------------------------------------------------------------- writes
    def submit(
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
        return self._driver.run(
            self._flows.submit(application, action, payload, signer, wait, valid_for_blocks, timeout_s)
        )

    def submit_many(
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
        return self._driver.run(
            self._flows.submit_many(application, action, payloads, signer, wait, valid_for_blocks, timeout_s)
        )

    def sign(
        self,
        application: str,
        action: str,
        payloads: Sequence[Payload],
        signer: Signer | None = None,
        *,
        valid_for_blocks: int | None = None,
    ) -> list[SignedTx]:
        """Sign without submitting: keep the bytes, `send` them as often as needed."""
        return self._driver.run(self._flows.sign(application, action, payloads, signer, valid_for_blocks))

    def send(self, tx: SignedTx, *, wait: Wait = "committed", timeout_s: float | None = None) -> TxResult:
        """Submit signed bytes; sending them again is harmless."""
        return self._driver.run(self._flows.send(tx, wait, timeout_s))

    def send_many(
        self, txs: Sequence[SignedTx], *, wait: Wait = "none", timeout_s: float | None = None
    ) -> list[ItemResult]:
        return self._driver.run(self._flows.send_many(txs, wait, timeout_s))

    def wait(self, tx_id: TxId, *, timeout_s: float | None = None, valid_until_height: int | None = None) -> Receipt:
        """Receipt of a transaction once it is committed. With `valid_until_height` an expired one ends the wait."""
        return self._driver.run(self._flows.wait(id_text(tx_id), timeout_s, valid_until_height))

    # ---------------------------------------------------------------- reads
    def status(self) -> Status:
        return self._driver.run(self._flows.status())

    def genesis(self) -> Genesis:
        return self._driver.run(self._flows.genesis())

    def get_tx(self, tx_id: TxId) -> TxState:
        """Raises NotFound for one this node does not know."""
        return self._driver.run(self._flows.get_tx(id_text(tx_id)))

    def receipt(self, tx_id: TxId) -> Receipt:
        """Raises NotFound while it is not committed."""
        return self._driver.run(self._flows.receipt(id_text(tx_id)))

    def query(self, application: str, query: str, arguments: Mapping[str, Any] | None = None) -> QueryAnswer:
        return self._driver.run(self._flows.query(application, query, arguments))

    def schema(self, application: str) -> Schema:
        """What the application takes and gives. Raises NotFound for one that is not on this chain."""
        return self._driver.run(self._flows.schema(application))

    def block(self, height: int | None = None, *, full: bool = False) -> Block:
        """The block at `height`, the last one without."""
        return self._driver.run(self._flows.block(height, full))

    def blocks(self, limit: int | None = None) -> Iterator[Block]:
        """Headers, newest first, all or up to `limit`."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            page = self._driver.run(self._flows.block_page(cursor, PAGE if left is None else min(left, PAGE)))
            yield from page.blocks
            cursor = page.next
            if cursor is None:
                return
            left = None if left is None else left - len(page.blocks)

    def events(
        self,
        after: str | None = None,
        *,
        application: str | None = None,
        name: str | None = None,
        checkpoint: Callable[[str], None] | None = None,
    ) -> Iterator[Event]:
        """Events behind the cursor `after` (None: from the first, "latest": new ones only), without end.

        Reconnects and resumes by itself. `checkpoint` gets an event's cursor when the next one is asked for, when its
        work is done: a consumer that keeps the cursor together with its own work handles every event exactly once.
        """
        place = Subscription(after, application, name, self._flows.timeout_s)
        for event in self._stream(place):
            yield event
            place.cursor = event.cursor
            if checkpoint is not None:
                checkpoint(event.cursor)

    def _stream(self, place: Subscription) -> Iterator[Event]:
        while True:
            error: ApiError | None = None
            try:
                with self._driver.stream("/events", place.parameters()) as answer:
                    if answer.status_code != 200:
                        raise error_in(Reply(answer.status_code, answer.read()))
                    place.opened()
                    parser = SseParser()
                    for data in answer.iter_bytes():
                        for message in parser.feed(data):
                            event = place.take(message)
                            if event is not None:
                                yield event
            except (NodeUnreachable, NodeBusy) as e:
                error = e
            time.sleep(place.pause(error))

    # ---------------------------------------------------------------- proofs
    def proof(self, tx_id: TxId, *, timeout_s: float | None = None) -> bytes:
        """Proof bundle of a transaction and its receipt; waits until the block behind it certifies the results."""
        return self._driver.run(self._flows.proof(id_text(tx_id), timeout_s))

    def state_proof(self, application: str, key: bytes) -> bytes:
        """Proof bundle that `key` has a value, or none."""
        return self._driver.run(self._flows.state_proof(application, key))

    def verify_proof(self, bundle: Bundle, file: Content | None = None) -> Verdict:
        """Offline verdict, held against this client's `chain_id`; see `hnnode.client.verify_proof`."""
        return verify_proof(bundle, file, self._flows.pinned_chain_id)
