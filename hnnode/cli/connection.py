"""Talking to one node over HTTP: answers as JSON, problem documents as the error they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson

from hnnode.errors import CODES, ERRORS, HnError, Rejected, Unavailable, name_of

REQUEST_S = 10.0


def get_json(url: str, path: str, **parameters: str | int | None) -> dict[str, Any]:
    """One GET. Raises what `raise_problem` raises, Unavailable 9004 or 9005 when the node does not answer."""
    return _json(_send("GET", url + path, params=_given(parameters)))


def get_bytes(url: str, path: str) -> bytes:
    return _send("GET", url + path).content


def post_json(
    url: str, path: str, body: bytes, timeout_s: float = REQUEST_S, **parameters: str | int | None
) -> dict[str, Any]:
    """One POST of a JSON body."""
    headers = {"Content-Type": "application/json"}
    return _json(
        _send("POST", url + path, content=body, headers=headers, params=_given(parameters), timeout_s=timeout_s)
    )


def post_octets(
    url: str, path: str, body: bytes, timeout_s: float = REQUEST_S, **parameters: str | int | None
) -> dict[str, Any]:
    """One POST of a binary body."""
    headers = {"Content-Type": "application/octet-stream"}
    return _json(
        _send("POST", url + path, content=body, headers=headers, params=_given(parameters), timeout_s=timeout_s)
    )


@contextmanager
def event_lines(url: str, path: str, **parameters: str | int | None) -> Iterator[Iterator[str]]:
    """Lines of a server-sent stream; it may stay silent between heartbeats for a while."""
    timeout = httpx.Timeout(REQUEST_S, read=60.0)
    with (
        _translated(url),
        httpx.Client(timeout=timeout, trust_env=False) as client,
        client.stream("GET", url + path, params=_given(parameters)) as answer,
    ):
        if answer.status_code != 200:
            answer.read()
            raise_problem(answer)
        yield answer.iter_lines()


def _given(parameters: dict[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in parameters.items() if value is not None}


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as e:
        raise Unavailable("TIMEOUT", f"{url}: {e or 'no answer in time'}") from e
    except (httpx.TransportError, httpx.InvalidURL) as e:
        raise Unavailable("NODE_UNREACHABLE", f"{url}: {e}") from e


def _send(method: str, url: str, timeout_s: float = REQUEST_S, **request: Any) -> httpx.Response:
    with _translated(url), httpx.Client(timeout=timeout_s, trust_env=False) as client:
        answer = client.request(method, url, **request)
    if answer.status_code >= 400:
        raise_problem(answer)
    return answer


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError as e:
        raise Unavailable("NODE_UNREACHABLE", f"{answer.url}: answer is not JSON, is this a node?") from e
    if not isinstance(body, dict):
        raise Unavailable("NODE_UNREACHABLE", f"{answer.url}: answer is not an object, is this a node?")
    return body


def raise_problem(answer: httpx.Response) -> None:
    """Raise the error of a problem document: Unavailable when it may pass, otherwise Rejected."""
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        body = {}
    code = body.get("code") if isinstance(body, dict) else None
    if not isinstance(code, int) or code not in ERRORS:
        raise Unavailable("NODE_UNREACHABLE", f"{answer.url}: status {answer.status_code} without a problem document")
    faults = body.get("errors") or [{}]
    raise error_of(code, str(body.get("detail", "")), str(faults[0].get("rule", "")))


def error_of(code: int, detail: str = "", rule: str = "") -> HnError:
    """The exception for a code that a node told."""
    if code not in ERRORS:
        return Rejected("INTERNAL_ERROR", f"{code}: {detail}", rule=rule)
    kind = Unavailable if ERRORS[code].retryable or code == CODES["TIMEOUT"] else Rejected
    return kind(name_of(code), detail, rule=rule)
