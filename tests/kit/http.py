"""Short forms for tests that talk to a node over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx

from hnnode.crypto import MemorySigner, SignedTx, sign_bodies
from hnnode.primitives.tx import build_body


def evidence_tx(
    chain_id: bytes,
    signer: MemorySigner,
    digest: str = "ab" * 32,
    *,
    application: str = "evidence",
    action: str = "preserve",
    until: int = 100,
    nonce: int | None = None,
    payload: dict[str, Any] | bytes | None = None,
) -> SignedTx:
    """A signed preservation, or whatever the arguments make of it."""
    content = {"hash": digest, "algorithm": "sm3"} if payload is None else payload
    body = build_body(
        chain_id=chain_id,
        sender=signer.account,
        valid_until_height=until,
        application=application,
        action=action,
        payload=content if isinstance(content, bytes) else json.dumps(content).encode(),
        nonce=nonce,
    )
    return sign_bodies(signer, [body])[0]


def refused(answer: httpx.Response, name: str) -> dict[str, Any]:
    """The problem document, checked for its shape and for `name`."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["name"] == name, problem
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:hnnode:error:{problem['code']}"
    assert problem["errors"]
    for fault in problem["errors"]:
        assert set(fault) == {"pointer", "rule", "message_zh", "message_en"}
    if problem["retryable"]:
        assert int(answer.headers["retry-after"]) >= 1
    return problem
