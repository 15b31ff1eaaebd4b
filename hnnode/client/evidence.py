"""Evidence (存证) with typed arguments: what to preserve is a file or its hash; the file never leaves this machine."""

from __future__ import annotations

from typing import Any

from hnnode.client.errors import RequestRefused
from hnnode.client.flows import Flows, Wait
from hnnode.client.records import TxResult
from hnnode.client.steps import Flow, Work
from hnnode.crypto import Signer
from hnnode.primitives.file_hash import Content, hash_content

APPLICATION = "evidence"


class EvidenceFlows:
    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    def preserve(
        self,
        file: Content | None,
        digest: bytes | None,
        algorithm: str,
        name: str | None,
        previous: bytes | None,
        signer: Signer | None,
        wait: Wait,
        timeout_s: float | None,
    ) -> Flow[TxResult]:
        payload: dict[str, Any] = {}
        if file is not None:
            payload["hash"], payload["size"] = yield from self._hashed(file, algorithm)
        if digest is not None:
            if payload.get("hash", digest.hex()) != digest.hex():
                raise RequestRefused("PARAMETER_INVALID", "digest: not the file's hash")
            payload["hash"] = digest.hex()
        if "hash" not in payload:
            raise RequestRefused("PARAMETER_INVALID", "file: got neither a file nor a digest")
        payload["algorithm"] = algorithm
        if name is not None:
            payload["name"] = name
        if previous is not None:
            payload["previous"] = previous.hex()
        return (yield from self._flows.submit(APPLICATION, "preserve", payload, signer, wait, None, timeout_s))

    def cosign(
        self, digest: bytes, owner: bytes, signer: Signer | None, wait: Wait, timeout_s: float | None
    ) -> Flow[TxResult]:
        payload = {"hash": digest.hex(), "owner": owner.hex()}
        return (yield from self._flows.submit(APPLICATION, "cosign", payload, signer, wait, None, timeout_s))

    def find(self, file: Content | None, digest: bytes | None, algorithm: str) -> Flow[list[dict[str, Any]]]:
        """Records of a hash, of all owners."""
        if file is not None:
            text, _ = yield from self._hashed(file, algorithm)
        elif digest is not None:
            text = digest.hex()
        else:
            raise RequestRefused("PARAMETER_INVALID", "file: got neither a file nor a digest")
        answer = yield from self._flows.query(APPLICATION, "verify", {"hash": text})
        items: list[dict[str, Any]] = answer.result["items"]
        return items

    def _hashed(self, file: Content, algorithm: str) -> Flow[tuple[str, int]]:
        hashes, size = yield Work(lambda: hash_content(file, [algorithm]))
        return hashes[algorithm].hex(), size
