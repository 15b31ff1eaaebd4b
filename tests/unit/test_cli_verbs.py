"""Every verb that talks to a node, against a real HTTP server over the in-memory node; keys and proofs in files."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hnnode_native import tagged_hash, verify

from hnnode.cli import app, failure
from hnnode.cli.query import argument_value, arguments_of
from hnnode.cli.session import DevNetwork, dev_network, forget_dev_network, save_dev_network
from hnnode.crypto import write_key_file
from tests.kit.live_node import LiveNode


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Hnnode = Callable[..., Outcome]


@pytest.fixture
def hnnode(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hnnode:
    """Run a command as the shell would, with a user folder of its own."""
    monkeypatch.setenv("HNNODE_USER_DIR", str(tmp_path / "user"))
    for name in ("HNNODE_NODE", "HNNODE_HOME", "HNNODE_KEY", "HNNODE_KEY_DIR", "HNNODE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HNNODE_LANG", "en")

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0 if code is None else 1, out, err)

    return run


@pytest.fixture(scope="module")
def live() -> Iterator[LiveNode]:
    with LiveNode() as node:
        yield node


@pytest.fixture
def signed(hnnode: Hnnode, live: LiveNode, tmp_path: Path) -> Hnnode:
    """As `hnnode`, with the node and the key of a registered account."""
    path = tmp_path / "writer.pem"
    write_key_file(path, live.signers[0]._key)

    def run(*arguments: object) -> Outcome:
        return hnnode("--node", live.url, *arguments, "--key", path)

    return run


def test_submit_get_wait_and_prove_a_file(signed: Hnnode, hnnode: Hnnode, live: LiveNode, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF the text of a contract")
    sent = signed("tx", "submit", "evidence", "preserve", "--file", file, "-o", "json")
    assert sent.code == 0, sent.err
    answer = sent.json()
    assert answer["version"] == 1
    assert answer["state"] == "committed"
    assert answer["receipt"]["events"][0]["entity"] == answer["hash"]
    tx_id = answer["tx_id"]

    found = hnnode("--node", live.url, "tx", "get", tx_id, "-o", "json").json()
    assert found["tx"]["payload"]["name"] == "a.pdf"
    assert found["receipt"]["code"] == 0
    assert hnnode("tx", "wait", tx_id, "--node", live.url, "-o", "json").json()["state"] == "committed"

    live.commit()  # the block that certifies the results
    proof = tmp_path / "a.proof"
    assert hnnode("proof", "get", tx_id, "-o", proof, "--node", live.url).code == 0
    good = hnnode("proof", "verify", proof, "--file", file)
    assert good.code == 0
    assert "OK, the proof holds" in good.out
    chain_id = live.node.chain_id.hex()
    assert (
        hnnode("proof", "verify", proof, "--file", file, "--chain-id", chain_id, "-o", "json").json()["valid"] is True
    )

    changed = tmp_path / "b.pdf"
    changed.write_bytes(file.read_bytes() + b"!")
    bad = hnnode("proof", "verify", proof, "--file", changed)
    assert bad.code == failure.REJECTED
    assert "does NOT hold" in bad.out
    assert hnnode("proof", "verify", proof, "--chain-id", "00" * 32).code == failure.REJECTED
    proof.write_bytes(proof.read_bytes()[:-1])
    assert hnnode("proof", "verify", proof).code == failure.REJECTED


def test_a_failed_transaction_is_shown_and_ends_with_4(signed: Hnnode) -> None:
    ended = signed("tx", "submit", "evidence", "preserve", "--payload", '{"hash":"zz"}')
    assert ended.code == failure.REJECTED
    assert "failed" in ended.out
    assert ended.err.startswith("hnnode: 4004 PAYLOAD_INVALID")
    assert "Traceback" not in ended.err


def test_an_unknown_account_is_rejected(hnnode: Hnnode, live: LiveNode, tmp_path: Path) -> None:
    assert hnnode("key", "new", "stranger", "--plain", "--key-dir", tmp_path / "keys").code == 0
    ended = hnnode(
        "--node", live.url, "--key-dir", tmp_path / "keys", "tx", "submit", "evidence", "preserve", "--payload", "{}"
    )
    assert ended.code == failure.REJECTED
    assert "2001 ACCOUNT_UNKNOWN" in ended.err


def test_batch_of_json_lines(signed: Hnnode, tmp_path: Path) -> None:
    lines = tmp_path / "many.jsonl"
    rows = [
        {"application": "evidence", "action": "preserve", "payload": {"hash": os.urandom(32).hex(), "algorithm": "sm3"}}
        for _ in range(5)
    ]
    lines.write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    ended = signed("tx", "batch", f"@{lines}", "-o", "json")
    assert ended.code == 0, ended.err
    assert ended.json()["summary"] | {"took_ms": 0} == {"count": 5, "committed": 5, "failed": 0, "took_ms": 0}
    lines.write_text(json.dumps(rows[0]) + '\n{"application":"evidence"}\n', "utf-8")
    broken = signed("tx", "batch", f"@{lines}")
    assert broken.code == failure.USAGE
    assert "line 2" in broken.err


def test_batch_in_order_stops_at_the_first_failure(signed: Hnnode, tmp_path: Path) -> None:
    lines = tmp_path / "order.jsonl"
    good = {"application": "evidence", "action": "preserve", "payload": {"hash": "ab" * 32, "algorithm": "sm3"}}
    bad = {**good, "payload": {"hash": "zz"}}
    lines.write_text("\n".join(map(json.dumps, [good, bad, good])), "utf-8")
    ended = signed("tx", "batch", f"@{lines}", "--in-order", "-o", "json")
    assert ended.code == failure.REJECTED
    assert [r["code"] for r in ended.json()["results"]] == [0, 4004]


def test_query_blocks_events_status(signed: Hnnode, hnnode: Hnnode, live: LiveNode) -> None:
    digest = os.urandom(32).hex()
    payload = json.dumps({"hash": digest, "algorithm": "sm3"})
    tx = signed("tx", "submit", "evidence", "preserve", "-p", payload, "-o", "json").json()
    node = ("--node", live.url)
    answer = hnnode("query", "evidence", "verify", "--arg", f"hash={digest}", *node, "-o", "json").json()
    assert answer["result"]["found"] is True
    by_json = hnnode("query", "evidence", "verify", "--args", json.dumps({"hash": digest}), *node, "-o", "json").json()
    assert by_json["result"]["items"] == answer["result"]["items"]
    assert hnnode("query", "evidence", "nothing", *node).code == failure.NOT_FOUND
    assert hnnode("query", "evidence", "verify", "--arg", "hash", *node).code == failure.USAGE

    block = hnnode("block", "get", tx["receipt"]["height"], "--full", *node, "-o", "json").json()
    assert tx["tx_id"] in [t["tx_id"] for t in block["txs"]]
    assert hnnode("block", "get", 10**9, *node).code == failure.NOT_FOUND
    tail = hnnode("block", "tail", "--from", 1, "--count", 2, *node, "-o", "json").out.splitlines()
    assert [json.loads(line)["height"] for line in tail] == [1, 2]

    events = hnnode("events", "tail", "--count", 1, "--app", "evidence", *node, "-o", "json").out.splitlines()
    assert json.loads(events[0])["name"] == "evidence.preserved"

    status = hnnode("status", *node)
    assert status.code == 0
    assert "hn_memory" in status.out
    assert hnnode("peers", *node, "-o", "json").json()["peers"][0]["name"] == "n1"
    assert "evidence" in hnnode("plugin", "list", *node).out
    assert "cosign" in hnnode("plugin", "show", "evidence", *node).out
    assert hnnode("plugin", "show", "nosuch", *node).code == failure.NOT_FOUND
    assert "actions" in hnnode("plugin", "show", "evidence", "--schema", *node).json()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("true", True),
        ("null", None),
        ('"12"', "12"),
        ("[1,2]", [1, 2]),
        ("[broken", "[broken"),
        ("007", "007"),
        ("12e45", "12e45"),
        ("1" * 64, "1" * 64),
        ("ab", "ab"),
        ("", ""),
    ],
)
def test_query_arguments_are_json_only_where_no_hash_can_be_mistaken(text: str, value: object) -> None:
    assert argument_value(text) == value
    assert arguments_of([f"k:={text}"]) == {"k": text}


def test_doctor_reports_findings_and_a_missing_node(hnnode: Hnnode, live: LiveNode, tmp_path: Path) -> None:
    good = hnnode("doctor", "--node", live.url, "--home", tmp_path / "none", "-o", "json").json()
    assert {"ulimit", "node", "sync", "clock"} <= {finding["check"] for finding in good["findings"]}
    gone = hnnode("doctor", "--node", "http://127.0.0.1:9", "-o", "json")
    assert gone.code == failure.ERROR
    assert [f["check"] for f in gone.json()["findings"] if f["level"] == "fail"] == ["node"]


def test_no_node_is_6_at_once(hnnode: Hnnode, tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    assert hnnode("key", "new", "k", "--plain", "--key-dir", tmp_path).code == 0
    for arguments in (
        ("status",),
        ("tx", "get", "00" * 32),
        ("tx", "submit", "evidence", "preserve", "--payload", "{}", "--key", path),
        ("events", "tail"),
    ):
        ended = hnnode("--node", "http://127.0.0.1:9", *arguments)
        assert ended.code == failure.UNAVAILABLE, arguments
        assert "9004 NODE_UNREACHABLE" in ended.err


def test_keys_are_encrypted_private_and_never_overwritten(hnnode: Hnnode, tmp_path: Path) -> None:
    keys = tmp_path / "keys"

    def with_passphrase(text: str, *arguments: object) -> Outcome:
        read, write = os.pipe()
        os.write(write, text.encode() + b"\n")
        os.close(write)
        try:
            return hnnode(*arguments, "--key-dir", keys, "--passphrase-fd", read)
        finally:
            os.close(read)

    made = with_passphrase("correct horse", "key", "new", "alice", "-o", "json")
    assert made.code == 0, made.err
    path = keys / "alice.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    again = with_passphrase("correct horse", "key", "new", "alice")
    assert again.code == failure.ERROR
    assert "2004" in again.err
    assert with_passphrase("short", "key", "new", "bob").code == failure.ERROR
    assert not (keys / "bob.pem").exists()

    listed = hnnode("key", "list", "--key-dir", keys, "-o", "json").json()["keys"]
    assert [(k["name"], k["account"], k["encrypted"]) for k in listed] == [("alice", made.json()["account"], True)]
    assert hnnode("key", "export", "alice", "--key-dir", keys).out.startswith("-----BEGIN PUBLIC KEY-----")

    copy = tmp_path / "copy.pem"
    assert with_passphrase("correct horse", "key", "export", "alice", "--private", "--to", copy).code == 0
    assert b"ENCRYPTED" in copy.read_bytes()
    assert with_passphrase("wrong horse", "key", "import", "carol", copy).code == failure.ERROR
    imported = with_passphrase("correct horse", "key", "import", "carol", copy, "-o", "json")
    assert imported.json()["account"] == made.json()["account"]

    path.chmod(0o644)
    loose = with_passphrase("correct horse", "key", "export", "alice", "--private", "--to", tmp_path / "x.pem")
    assert loose.code == failure.ERROR
    assert "2005 KEY_FILE_PERMISSIONS" in loose.err
    assert hnnode("key", "new", "no/slash", "--plain", "--key-dir", keys).code == failure.ERROR


def test_error_and_version_need_no_node(hnnode: Hnnode) -> None:
    assert "SIGNATURE_INVALID" in hnnode("error", 2008).out
    assert hnnode("error", "mempool_full", "-o", "json").json()["exit_code"] == failure.UNAVAILABLE
    assert "签名无效" in hnnode("--lang", "zh", "error", "2008").out
    assert hnnode("error", 2).code == failure.NOT_FOUND
    assert hnnode("version", "-o", "json").json()["hnnode"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("tx", "submit", "evidence", "preserve"),
        ("tx", "submit", "evidence", "preserve", "--payload", "[]"),
        ("tx", "submit", "evidence", "preserve", "--payload", "{"),
        ("tx", "submit", "evidence", "preserve", "--payload", "{}", "--wait", "forever"),
        ("tx", "batch"),
        ("status", "--lang", "fr"),
        ("block", "get", "top"),
        ("nosuch",),
    ],
)
def test_wrong_usage_is_2(hnnode: Hnnode, arguments: tuple[str, ...]) -> None:
    assert hnnode(*arguments).code == failure.USAGE


def test_the_dev_network_is_found_only_while_its_process_lives(hnnode: Hnnode, live: LiveNode, tmp_path: Path) -> None:
    key = tmp_path / "writer.pem"
    write_key_file(key, live.signers[0]._key)
    network = DevNetwork(os.getpid(), str(tmp_path), live.node.chain_id.hex(), (live.url,), str(tmp_path), str(key))
    save_dev_network(network)
    assert hnnode("status").code == 0
    payload = json.dumps({"hash": os.urandom(32).hex(), "algorithm": "sm3"})
    assert hnnode("tx", "submit", "evidence", "preserve", "-p", payload).code == 0
    forget_dev_network(os.getpid() + 1)
    assert dev_network() == network
    forget_dev_network(os.getpid())
    assert dev_network() is None


def test_homes_of_a_testnet_and_of_separate_organisations(hnnode: Hnnode, tmp_path: Path) -> None:
    made = hnnode("testnet", tmp_path / "net", "--plugins", "evidence", "--nodes", 2, "-o", "json")
    assert made.code == 0, made.err
    assert [node["name"] for node in made.json()["nodes"]] == ["node0", "node1"]
    assert hnnode("testnet", tmp_path / "net").code == failure.ERROR

    first = hnnode("init", "--name", "a", "--home", tmp_path / "a", "-o", "json").json()
    assert not (tmp_path / "a" / "config.toml").exists(), "the same command finishes the home"
    assert hnnode("key", "new", "admin", "--plain").code == 0
    assert hnnode("key", "export", "admin", "--to", tmp_path / "admin.pub").code == 0
    genesis = tmp_path / "genesis.json"
    account = f"某单位={first['public_key']}:admin"
    facts = hnnode(
        *("genesis", genesis, "--chain", "hn_test", "--plugins", "evidence"),
        *("--validator", f"a={first['public_key']}", "--account", account, "-o", "json"),
        *("--account", f"another={tmp_path / 'admin.pub'}:admin"),
    )
    assert facts.code == 0, facts.err
    peer = f"b={first['public_key']}@10.0.0.2:30300"
    done = hnnode(
        "init", "--name", "a", "--home", tmp_path / "a", "--genesis", genesis, "--peer", peer, "-o", "json"
    ).json()
    assert done["public_key"] == first["public_key"]
    assert done["chain_id"] == facts.json()["chain_id"]
    assert hnnode("init", "--name", "x", "--home", tmp_path / "x", "--peer", "b=zz").code == failure.USAGE
    healthy = hnnode("doctor", "--home", tmp_path / "a", "--node", "http://127.0.0.1:9", "-o", "json").json()
    checks = {f["check"]: f["level"] for f in healthy["findings"]}
    assert (checks["config"], checks["genesis"]) == ("ok", "ok")
    assert hnnode("stop", "--home", tmp_path / "a").code == failure.UNAVAILABLE
    assert hnnode("doctor", "--home", tmp_path / "a").err == ""
    unasked = hnnode("doctor", "--home", tmp_path / "a", "-o", "json").json()["findings"]
    port = (tmp_path / "a" / "config.toml").read_text().partition("[gateway]")[2].partition("port = ")[2].split()[0]
    (asked,) = (f["text"] for f in unasked if f["check"] == "node")
    assert f"http://127.0.0.1:{port} " in asked, "the node of the home is asked"


def test_a_request_registers_its_key(hnnode: Hnnode, live: LiveNode, tmp_path: Path) -> None:
    made = hnnode("key", "new", "registrar", "--plain", "-o", "json").json()
    place = tmp_path / "request.json"
    asked = ("key", "request", "registrar", "--organisation", "登记处", "--roles", "b,a", "--to", place)
    assert hnnode("--node", live.url, *asked).code == 0
    request = json.loads(place.read_bytes())
    assert (request["public_key"], request["organisation"], request["roles"]) == (
        made["public_key"],
        "登记处",
        ["a", "b"],
    )
    signed = tagged_hash("hn/register/v1", live.node.facts().chain_id + bytes.fromhex(made["public_key"]))
    assert verify(bytes.fromhex(made["public_key"]), signed, bytes.fromhex(request["proof"]))
    assert hnnode("--node", live.url, *asked).code == failure.ERROR, "nothing is overwritten"
    shown = hnnode("key", "request", "registrar", "--organisation", "x", "--chain-id", "00" * 32)
    assert json.loads(shown.out)["proof"] != request["proof"], "good on one chain alone"
