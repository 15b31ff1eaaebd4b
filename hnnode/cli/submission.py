"""From a payload to a committed transaction: build, sign, send, wait."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hnnode.cli.connection import error_of, get_json, post_octets
from hnnode.crypto import SignedTx, Signer, sign_bodies
from hnnode.errors import HnError, Unavailable
from hnnode.primitives.file_hash import hash_content
from hnnode.primitives.frames import encode_frames
from hnnode.primitives.tx import TxBody, build_body

VALID_BLOCKS = 5_000
BATCH_COUNT = 200
WAIT_MS_MAX = 30_000
RETRIES = 20
NAME_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Ask:
    """One transaction to make: payload bytes go on the chain as they are."""

    application: str
    action: str
    payload: bytes


def preserve_payload(file: Path, algorithm: str) -> tuple[bytes, bytes]:
    """(payload of `evidence preserve`, hash) for a file; the file itself stays where it is."""
    hashes, size = hash_content(file, [algorithm])
    digest = hashes[algorithm]
    name = file.name[:NAME_CHARS_MAX]
    return orjson.dumps({"hash": digest.hex(), "algorithm": algorithm, "size": size, "name": name}), digest


@dataclass(frozen=True, slots=True)
class Submission:
    """One node, its chain, and how far ahead transactions may be included."""

    url: str
    chain_id: bytes
    valid_until_height: int

    @classmethod
    def to(cls, url: str, valid_blocks: int = VALID_BLOCKS) -> Submission:
        """Ask the node for chain id and height. Raises Unavailable when it does not answer."""
        status = get_json(url, "/v1/status")
        return cls(url, bytes.fromhex(status["chain_id"]), int(status["height"]) + valid_blocks)

    def body(self, sender: bytes, ask: Ask) -> TxBody:
        return build_body(
            chain_id=self.chain_id,
            sender=sender,
            valid_until_height=self.valid_until_height,
            application=ask.application,
            action=ask.action,
            payload=ask.payload,
        )

    def sign(self, signer: Signer, asks: Sequence[Ask]) -> list[SignedTx]:
        return sign_bodies(signer, [self.body(signer.account, ask) for ask in asks])

    def send(self, tx: SignedTx, wait: str, timeout_s: float) -> dict[str, Any]:
        """`{tx_id, state, replayed, receipt?}`. A full pool is tried again with the same bytes until the time is over.

        Raises Rejected for a refusal, Unavailable 9005 when the time is over and the result is unknown.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(0.1, deadline - time.monotonic())
            timeout_ms = min(WAIT_MS_MAX, int(left_s * 1e3))
            try:
                answer = post_octets(self.url, "/v1/txs", tx.data, left_s + 5, wait=wait, timeout_ms=timeout_ms)
            except Unavailable as e:
                pause_s = (e.retry_after_ms or 200) / 1e3
                if not e.info.retryable or time.monotonic() + pause_s > deadline:
                    raise
                time.sleep(pause_s)
                continue
            if answer["state"] == "pending" and wait != "none":
                return self.wait(tx.tx_id.hex(), deadline)
            return answer

    def wait(self, tx_id: str, deadline: float) -> dict[str, Any]:
        """State with receipt once committed. Raises Unavailable 9005 at the deadline, Rejected when it expired or
        was refused.
        """
        while True:
            timeout_ms = max(1, min(WAIT_MS_MAX, int((deadline - time.monotonic()) * 1e3)))
            found = get_json(
                self.url,
                f"/v1/txs/{tx_id}",
                wait="committed",
                timeout_ms=timeout_ms,
                valid_until_height=self.valid_until_height,
            )
            if found["state"] in ("committed", "failed"):
                receipt = get_json(self.url, f"/v1/txs/{tx_id}/receipt")
                return {"tx_id": tx_id, "state": found["state"], "replayed": False, "receipt": receipt}
            if found["state"] in ("expired", "rejected"):
                raise error_of(int(found["code"]), tx_id)
            if time.monotonic() >= deadline:
                raise Unavailable("TIMEOUT", f"{tx_id}: {found['state']}")

    def send_batch(self, txs: Sequence[SignedTx]) -> list[int]:
        """Code of each transaction (0: admitted), tried again while the pool is full."""
        codes = [0] * len(txs)
        left = list(range(len(txs)))
        for attempt in range(RETRIES):
            answer = self._post_batch([txs[i] for i in left])
            if isinstance(answer, Mapping):
                again = []
                for place, item in zip(left, answer["results"], strict=True):
                    codes[place] = int(item["code"])
                    if item["retryable"]:
                        again.append(place)
                left = again
            if not left:
                return codes
            time.sleep(min(2.0, 0.1 * 2**attempt))
        if isinstance(answer, HnError):
            raise answer
        return codes

    def _post_batch(self, txs: Sequence[SignedTx]) -> Mapping[str, Any] | HnError:
        """The answer, or the retryable error of the whole request; raises any other."""
        try:
            return post_octets(self.url, "/v1/txs:batch", encode_frames(tx.data for tx in txs), 60.0)
        except Unavailable as e:
            if not e.info.retryable:
                raise
            return e
