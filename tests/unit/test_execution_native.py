"""The plugin room against the compiled core: keys, hashes, and blocks whose Python transactions the core takes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import hnnode_native as native
import msgspec
import pytest
from msgspec import Meta

from hnnode.errors import CODES, Rejected
from hnnode.execution import Executor, Host, NodeApplications, application_prefix
from hnnode.execution.records import AccountRecord
from hnnode.execution.table import Application
from hnnode.plugin_api import Context, Registry
from hnnode.plugin_api.limits import EVENTS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX, WRITES_MAX
from hnnode.plugin_api.testing import MemoryState, account_record
from tests.kit.declared_events import declare

CHAIN = bytes(31) + b"\x01"
VALID_BLOCKS = 100


def key(n: int) -> native.SecretKey:
    return native.SecretKey.generate(bytes([n]) * 32)


AUTHOR, CLERK, STRANGER = key(1), key(2), key(3)


LONGEST = "demo." + "e" * 32
"""Name of an event."""


class Push(msgspec.Struct, forbid_unknown_fields=True):
    what: Annotated[str, Meta(max_length=40)]


def push(tx: Context, payload: Push) -> None:
    count = int.from_bytes(tx.get(b"count") or b"\0", "big") + 1
    tx.put(b"count", count.to_bytes(4, "big"))
    tx.emit("demo.pushed", f"件{count}", {"who": tx.organisation, "roles": list(tx.roles), "count": count})
    match payload.what:
        case "refuse":
            tx.fail("demo.no")
        case "raise":
            raise ValueError
        case "nameless":
            tx.emit("", "", {})
        case "full":
            for n in range(WRITES_MAX - 1):
                tx.put(b"%03d" % n + b"k" * (KEY_BYTES_MAX - 3), b"v")
            tx.put(b"count", b"v" * VALUE_BYTES_MAX)
            for n in range(EVENTS_MAX - 1):
                tx.emit(LONGEST, "é" * 128, {"text": "\u2028\x00" * 200, "n": -(2**63) - n})


def demo() -> Application:
    registry = Registry("demo")
    registry.action("push", Push, push, roles=("clerk",), title_zh="推", title_en="Push")
    declare(registry, {"demo.pushed": {"who": str, "roles": list[str], "count": int}, LONGEST: {"text": str, "n": int}})
    registry.rule("demo.no", "不行", "no")
    return Application.freeze(registry, "1", bytes(32))


APPS = {"demo": demo()}


def accounts() -> native.Accounts:
    known = native.Accounts(1 << 20)
    rows = []
    for each, name, roles in ((CLERK, "办事员", ["clerk"]), (STRANGER, "路人", [])):
        rows.append((each.account(), native.encode_account_record(each.public_key(), True, 0, name, roles)))
    known.load(rows)
    return known


def run(txs: Sequence[tuple[native.SecretKey, str, str, bytes]], state: MemoryState) -> native.BlockResult:
    """One block: sealed by a pool, executed by the core and the executor, applied to `state`."""
    known = accounts()
    pool = native.Pool(CHAIN, 1 << 24, 10_000, 1 << 24, 4_096, 1 << 20, VALID_BLOCKS, 10)
    height = state.height + 1
    signed = [
        native.build_txs(each, CHAIN, height * 1_000 + n, height + 5, application, action, [payload])[0][1]
        for n, (each, application, action, payload) in enumerate(txs)
    ]
    codes = pool.admit(native.DecodedTxs.decode(signed, CHAIN), known, bytes(len(signed)), state.height)
    assert codes == [0] * len(signed)
    batch = pool.seal(AUTHOR, height)
    assert batch is not None
    table = native.DispatchTable([("demo", "push", ["clerk"])])
    block = native.BlockExecution(CHAIN, height, height * 1_000, AUTHOR.account(), VALID_BLOCKS, [batch], known, table)
    block.set_committed(bytes(len(block.tx_ids())))
    block.supply(state.get_many(block.native_keys()))
    block.run_native()
    executor = Executor(APPS)
    for application, group in block.foreign_groups():
        block.complete(application, executor.execute_packed(application, group, state, height, height * 1_000, known))
    result = block.finish()
    state.apply(result.writes)
    state.height = height
    return result


def test_keys_and_records_agree_with_the_core() -> None:
    for name in ("demo", "coldchain", "a" * 32):
        assert native.state_key(name, b"\x00key") == application_prefix(name) + b"\x00key"
    encoded = native.encode_account_record(CLERK.public_key(), False, 2**40, "郑州局", ["b", "a"])
    assert AccountRecord.decode(encoded) == AccountRecord(CLERK.public_key(), False, 2**40, "郑州局", ("a", "b"))
    public, active, since, organisation, roles = native.decode_account_record(encoded)
    made = account_record(organisation, roles, active, since)
    assert made[66:] == encoded[66:]
    assert len(public) == 65


def test_a_block_of_every_outcome_is_taken_by_the_core() -> None:
    state = MemoryState()
    whats = ["ok", "refuse", "raise", "nameless", "ok", "full"]
    calls = [(CLERK, "demo", "push", msgspec.json.encode({"what": what})) for what in whats]
    calls += [(CLERK, "demo", "push", b"{"), (CLERK, "demo", "pull", b"{}"), (STRANGER, "demo", "push", b"{}")]
    result = run(calls, state)
    failed = CODES["HANDLER_FAILED"]
    assert result.codes == [
        0,
        CODES["RULE_VIOLATION"],
        failed,
        failed,
        0,
        0,
        CODES["PAYLOAD_INVALID"],
        CODES["ACTION_UNKNOWN"],
        CODES["ROLE_MISSING"],
    ]
    receipts = [native.Receipt.decode(receipt) for receipt in result.receipts]
    assert receipts[1].rule == "demo.no"
    assert all(not receipt.events and not any(receipt.write_set_digest) for receipt in receipts if receipt.code)
    first = receipts[0].events[0]
    assert first == ("demo.pushed", "件1", msgspec.json.encode({"count": 1, "roles": ["clerk"], "who": "办事员"}))
    assert [len(receipt.events) for receipt in receipts[4:6]] == [1, EVENTS_MAX]
    assert receipts[0].steps == 3


def test_state_carries_over_from_block_to_block() -> None:
    state = MemoryState()
    for _ in range(3):
        run([(CLERK, "demo", "push", b'{"what":"ok"}')] * 2, state)
    assert state.get(application_prefix("demo") + b"count") == (6).to_bytes(4, "big")


def test_native_queries_read_what_the_core_wrote() -> None:
    state = MemoryState()
    digest, root = "ab" * 32, "cd" * 32
    payloads: list[tuple[str, dict[str, Any]]] = [
        ("preserve", {"hash": digest, "algorithm": "sm3", "size": 7, "name": "合同"}),
        ("preserve_batch", {"root": root, "leaf_count": 12, "algorithm": "sm3"}),
    ]
    calls = [(CLERK, "evidence", action, msgspec.json.encode(payload)) for action, payload in payloads]
    assert run(calls, state).codes == [0, 0]
    owner = CLERK.account().hex()
    later = [
        (STRANGER, "evidence", "cosign", msgspec.json.encode({"hash": digest, "owner": owner})),
        (CLERK, "evidence", "preserve", msgspec.json.encode({"hash": root, "algorithm": "sha256", "previous": digest})),
    ]
    assert run(later, state).codes == [0, 0]
    apps = NodeApplications(APPS, native.native_actions())

    def ask(query: str, **arguments: Any) -> Any:
        return apps.query("evidence", query, msgspec.json.encode(arguments), state)

    record = ask("record", hash=digest, owner=owner)["items"][0]
    assert (record["size"], record["name"], record["height"], record["algorithm"]) == (7, "合同", 1, "sm3")
    assert ask("batch", root=root)["items"][0]["leaf_count"] == 12
    linked = ask("record", hash=root)["items"][0]
    assert (linked["previous"], linked["algorithm"]) == (digest, "sha256")
    assert ask("cosignatures", hash=digest, owner=owner)["items"][0]["signer"] == STRANGER.account().hex()
    both = ask("verify", hash=root)
    assert (len(both["items"]), len(both["batches"])) == (1, 1)
    with pytest.raises(Rejected):
        ask("record", hash=digest, owner=STRANGER.account().hex())


def test_the_installed_plugins_have_one_hash() -> None:
    bare, loaded = Host.load([]), Host.load(["coldchain", "evidence"])
    assert bare.plugins_hash() == Host.load([]).plugins_hash() != loaded.plugins_hash()
    assert len(loaded.plugins_hash()) == 32
    assert list(loaded.applications) == ["coldchain"]
    assert native.DispatchTable(loaded.foreign()) is not None
    infos = loaded.node_applications().actions()
    assert {info.application for info in infos} == {"coldchain", "evidence", "governance", "identity"}
    assert len(infos) == len(loaded.plugin_entries())

    assert all(info.title_zh != info.action and info.title_en for info in infos)
