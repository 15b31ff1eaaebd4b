"""Talking to one node: the SDK for transactions, events and proofs, plain JSON for what is only shown."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from hnnode.client import Client, NodeUnreachable, ResultUnknown, Signer
from hnnode.client.steps import Reply, error_in

REQUEST_S = 10.0


def open_client(url: str, signer: Signer | None = None, timeout_s: float = 30.0) -> Client:
    """A client of a node that answers now: a command should not try for long where nobody listens.

    Raises NodeUnreachable 9004.
    """
    get_json(url, "/v1/live")
    return Client(url, signer=signer, timeout_s=timeout_s)


def get_json(url: str, path: str, **parameters: str | int | None) -> dict[str, Any]:
    """One GET, tried once. Raises the errors of `hnnode.client.errors`."""
    return _send("GET", url + path, params=_given(parameters))


def post_json(url: str, path: str, body: bytes, **parameters: str | int | None) -> dict[str, Any]:
    """One POST of a JSON body, tried once."""
    return _send(
        "POST", url + path, content=body, headers={"Content-Type": "application/json"}, params=_given(parameters)
    )


def _given(parameters: dict[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in parameters.items() if value is not None}


def _send(method: str, url: str, **request: Any) -> dict[str, Any]:
    try:
        with httpx.Client(timeout=REQUEST_S, trust_env=False) as client:
            answer = client.request(method, url, **request)
    except httpx.TimeoutException as e:
        raise ResultUnknown("TIMEOUT", f"{url}: no answer in {REQUEST_S:.0f} s") from e
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as e:
        raise NodeUnreachable("NODE_UNREACHABLE", f"{url}: {e}") from e
    if answer.status_code >= 400:
        raise error_in(Reply(answer.status_code, answer.content))
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError as e:
        raise NodeUnreachable("NODE_UNREACHABLE", f"{url}: the answer is not JSON, is this a node?") from e
    if not isinstance(body, dict):
        raise NodeUnreachable("NODE_UNREACHABLE", f"{url}: the answer is not an object, is this a node?")
    return body
