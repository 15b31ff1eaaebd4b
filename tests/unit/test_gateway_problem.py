"""Refusals of every kind become problem documents; defects say nothing of their inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hnnode_native import NativeError, Tx

from hnnode.config import GatewayConfig
from hnnode.errors import CODES, ERRORS, ConfigError, FatalError, HnError, PeerFault, Rejected, Unavailable
from hnnode.gateway import create_app
from hnnode.gateway.answer import embedded, json_answer, time_text
from hnnode.gateway.body import JSON_DEPTH_MAX, check_depth
from hnnode.gateway.problem import BadRequest, problem
from hnnode.gateway.readers import Readers
from hnnode.gateway.receipts import ReceiptReader
from tests.kit.http import refused
from tests.kit.memory_node import MemoryNode


def ask(fail: Callable[[], Any], *, path: str = "/v1/status") -> tuple[httpx.Response, list[dict[str, Any]]]:
    """GET on a node whose `facts` does `fail`; also what reached the loop's exception handler."""

    async def run() -> tuple[httpx.Response, list[dict[str, Any]]]:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        node = MemoryNode()
        node.facts = fail  # type: ignore[method-assign]
        app = create_app(node, GatewayConfig())
        try:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
                return await http.get(path), reported
        finally:
            app.context.close()
            node.events.close()

    return asyncio.run(run())


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


@pytest.mark.parametrize("kind", [Rejected, Unavailable, PeerFault, ConfigError])
def test_node_errors_keep_code_detail_and_rule(kind: type[Rejected]) -> None:
    answer, _ = ask(raising(kind("RULE_VIOLATION", "got 1, want 2", rule="coldchain.not_released")))
    body = refused(answer, "RULE_VIOLATION")
    assert (answer.status_code, body["detail"], body["instance"]) == (422, "got 1, want 2", "/v1/status")
    assert body["errors"][0]["rule"] == "coldchain.not_released"
    assert body["errors"][0]["message_zh"] == "违反业务规则"


@pytest.mark.parametrize(
    ("error", "zh"),
    [
        (Rejected("NOT_FOUND", "block 7: not on this node"), "区块 7：此节点没有"),
        (Rejected("NOT_FOUND", "what nobody translated"), "未找到"),
        (Rejected("NOT_FOUND", "written at its place", zh="写在原处"), "写在原处"),
        (Rejected("NOT_FOUND", "block " + "7" * 100 + ": not on this node"), "未找到"),
        (Unavailable("NOT_READY", "block 7: not on this node"), ERRORS[CODES["NOT_READY"]].zh),
    ],
)
def test_the_chinese_of_a_refusal_says_what_is_wrong(error: HnError, zh: str) -> None:
    answer, _ = ask(raising(error))
    body = refused(answer, error.info.name)
    assert (body["errors"][0]["message_zh"], body["errors"][0]["message_en"]) == (zh, error.detail)


def test_a_defect_tells_nothing() -> None:
    answer, _ = ask(raising(RuntimeError("secret /path/to/key")))
    body = refused(answer, "INTERNAL_ERROR")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert body["retryable"] is False


def test_the_detail_of_an_internal_error_is_never_shown() -> None:
    assert b"secret" not in problem(1013, "secret").body
    answer, _ = ask(raising(Rejected("INTERNAL_ERROR", "secret")))
    assert "secret" not in answer.text


def test_a_fatal_error_reaches_the_node_and_tells_nothing() -> None:
    answer, reported = ask(raising(FatalError("STORAGE_FAILED", "secret")))
    refused(answer, "STORAGE_FAILED")
    assert "secret" not in answer.text
    assert [type(context["exception"]) for context in reported] == [FatalError]


def test_core_errors_keep_their_code() -> None:
    with pytest.raises(NativeError) as caught:
        Tx.decode(b"junk")
    answer, _ = ask(raising(caught.value))
    refused(answer, "TX_MALFORMED")


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_code_has_a_problem_document(code: int) -> None:
    answer = problem(code, "detail")
    info = ERRORS[code]
    assert answer.status_code == info.http
    assert ("retry-after" in answer.headers) == info.retryable


def test_unknown_codes_are_internal_and_details_are_bounded() -> None:
    assert problem(4242).status_code == 500
    assert len(problem(1001, "x" * 10_000).body) < 2_000


def test_the_pointer_of_a_bad_request_is_shown() -> None:
    answer, _ = ask(raising(BadRequest("PARAMETER_INVALID", "bad", pointer="/query/x")))
    assert refused(answer, "PARAMETER_INVALID")["errors"][0]["pointer"] == "/query/x"


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"[" * (depth % 2) + b"]" * (depth % 2) + b"]}" * (depth // 2)


def test_depth_is_counted_outside_strings_only() -> None:
    check_depth(nested(JSON_DEPTH_MAX))
    check_depth(b'"' + b"[" * 100 + b'"')
    check_depth(rb'["\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]')
    check_depth(b"[" + b"{}," * 100_000 + b"{}]")
    for data in (nested(JSON_DEPTH_MAX + 1), b"[" * 100_000, b"]["):
        with pytest.raises(BadRequest):
            check_depth(data)


def test_json_is_embedded_byte_for_byte_or_as_hexadecimal() -> None:
    exact = b'{"n":123456789012345678901234567890,  "x":1.10}'
    assert exact in bytes(json_answer(embedded(exact, "payload")).body)
    for data in (b"", b"{", b"\xff", b"NaN", b"01"):
        assert embedded(data, "payload") == {"payload_hex": data.hex()}


def test_times_are_text_up_to_the_last_year() -> None:
    assert time_text(0) == "1970-01-01T00:00:00.000Z"
    assert time_text(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert time_text(2**64 - 1) == "9999-12-31T23:59:59.999Z"


def test_readers_refuse_when_the_queue_is_full() -> None:
    import threading

    async def run() -> None:
        gate = threading.Event()
        readers = Readers(threads=1, pending_max=2)
        jobs = [asyncio.create_task(readers.run(gate.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await readers.run(int)
        assert caught.value.info.name == "TOO_MANY_REQUESTS"
        always = asyncio.create_task(readers.run_always(int))
        gate.set()
        assert await asyncio.gather(*jobs, always) == [True, True, 0]
        assert await readers.run(int) == 0
        readers.close()

    asyncio.run(run())


def test_receipts_of_one_turn_are_read_together() -> None:
    calls: list[int] = []

    class Counting(Readers):
        async def run_always(self, read: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(len(args[1]))
            return await super().run_always(read, *args, **kwargs)

    async def run() -> None:
        readers = Counting()
        reader = ReceiptReader(MemoryNode().chain, readers)
        results = await asyncio.gather(*(reader.get(1, i) for i in range(20)), return_exceptions=True)
        assert all(isinstance(r, Rejected) and r.info.name == "NOT_FOUND" for r in results)
        readers.close()

    asyncio.run(run())
    assert calls == [20]
