"""A plugin in its own process: equal results, the locks of the sandbox, and processes that die, hang or talk nonsense."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hnnode_native import tagged_hash

from hnnode.config import ExecutionConfig
from hnnode.errors import CODES, ConfigError, FatalError, Rejected
from hnnode.execution import Host
from hnnode.execution.isolation import sandbox, seccomp
from hnnode.execution.isolation.application import IsolatedApplication
from hnnode.execution.isolation.frames import HEAD, FrameError, Frames
from hnnode.execution.loading import forget
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.testing import LocalChain

ROGUE = """
from typing import Annotated
import ctypes, gc, mmap, os, signal, socket, subprocess, sys, threading, time
import msgspec
from hnnode.plugin_api import hookimpl
from hnnode_native import Accounts

class P(msgspec.Struct, forbid_unknown_fields=True):
    pass

class Range(msgspec.Struct, forbid_unknown_fields=True):
    start: Annotated[int, msgspec.Meta(ge=0, le=4096)]

seen = []
def good(tx, p):
    n = int.from_bytes(tx.get(b"n") or b"", "big") + 1
    tx.put(b"n", n.to_bytes(4, "big"))
    tx.put(b"total", b"%d" % len(tx.scan(b"r", 100)))
    tx.put(b"r%d" % n, tx.organisation.encode())
    tx.put(b"other", tx.foreign("evidence", b"e") or b"none")

def reads(tx, p):
    for i in range(300):
        tx.get(b"q%d" % i)

def opens(tx, p): open("/etc/passwd").read()
def lists(tx, p): os.listdir("/")
def writes(tx, p): open("/tmp/x", "w")
def connects(tx, p): socket.socket()
def forks(tx, p): os.fork()
def runs(tx, p): subprocess.run(["/bin/true"])
def executes(tx, p): os.execv("/bin/true", ["true"])
def threads(tx, p): threading.Thread(target=print).start()
def kills(tx, p): os.kill(os.getppid(), signal.SIGTERM)
def sleeps(tx, p): time.sleep(0.01)
def urandom(tx, p): os.urandom(8)
def machine_code(tx, p): mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
def exits(tx, p): sys.exit(3)
def environment(tx, p): tx.put(b"env", b"%d" % len(os.environ))
def dies(tx, p): os._exit(0)
def crashes(tx, p): ctypes.string_at(0)
def hangs(tx, p):
    while True:
        pass
def naps(tx, p):
    while True:
        time.clock_gettime(1)
def hoards(tx, p):
    for _ in range(64):
        seen.append(bytearray(1 << 26))

SOCKET = next((made for made in gc.get_objects() if type(made) is socket.socket and made.family == socket.AF_UNIX), None)
def flood(tx, p):
    SOCKET.sendall(b"\\x17\\xff\\xff\\xff\\xff")
    hangs(tx, p)
def garbage(tx, p):
    SOCKET.sendall(b"\\xff" * 64)
    hangs(tx, p)
def forged(tx, p):
    SOCKET.sendall(b"\\x17\\x00\\x00\\x00\\x0a\\x92\\xc4\\x05hello\\xc4\\x00")
    hangs(tx, p)
def unasked(tx, p):
    SOCKET.sendall(b"\\x2a\\x00\\x00\\x00\\x01\\xc0")
    hangs(tx, p)
def foreign(tx, p):
    SOCKET.sendall(b"\\x2a\\x00\\x00\\x00\\x0d\\x92\\xa8identity\\xc4\\x01k")
    hangs(tx, p)
def asks(tx, p):
    while True:
        SOCKET.sendall(b"\\x28\\x00\\x00\\x00\\x01k")
        SOCKET.recv(64)
def impostor(tx, p):
    SOCKET.sendall(b"\\x2b\\x00\\x00\\x00\\x03abc")
    hangs(tx, p)
def chatty(tx, p):
    SOCKET.sendall(b"\\x1a\\x00\\x00\\x00\\x16" + b"\\x93\\xa5error\\xa1x\\x81\\xa5event\\xa5level")
def names(tx, p): return [b"big%d" % (p.start + i) for i in range(256)]
def declared(tx, p): tx.put(b"sum%d" % p.start, b"%d" % sum(len(tx.get(key) or b"") for key in names(tx, p)))
def devours(tx, p): tx.put(b"all%d" % p.start, b"%d" % sum(len(tx.get(b"big%d" % i) or b"") for i in range(4000)))

def q_good(view, p): return {"n": int.from_bytes(view.get(b"n") or b"", "big"), "rows": len(view.scan(b"r", 10))}
def q_hangs(view, p): hangs(view, p)
def q_dies(view, p): os._exit(0)
def q_fails(view, p): raise KeyError("x")
def q_list(view, p): return [1]

class Plugin:
    @hookimpl
    def hn_register(self, registry):
        registry.reads("evidence")
        for f in (good, reads, opens, lists, writes, connects, forks, runs, executes, threads, kills, sleeps, urandom,
                  machine_code, exits, environment, dies, crashes, hangs, naps, hoards, flood, garbage, forged, unasked, foreign,
                  asks, impostor, chatty):
            registry.action(f.__name__, P, f, title_zh="x", title_en="x", keys=lambda tx, p: (b"n",))
        registry.action("declared", Range, declared, title_zh="x", title_en="x", keys=names)
        registry.action("devours", Range, devours, title_zh="x", title_en="x")
        for f in (q_good, q_hangs, q_dies, q_fails, q_list):
            registry.query(f.__name__, P, f, title_zh="x", title_en="x")

plugin = Plugin()
"""
CONFIG = ExecutionConfig(block_ms_max=20_000, block_cpu_ms_max=1_000, query_ms_max=1_000, memory_bytes_max=512 << 20)


def rogue(folder: Path, text: str = ROGUE, *, metered: bool = False, isolated: bool = True) -> PluginSource:
    package = folder / "hn_rogue"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(text)
    digest = code_hash(package, tagged_hash)
    return PluginSource("rogue", "1", "hn_rogue:plugin", folder, package, digest, metered, isolated)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host([rogue(tmp_path_factory.mktemp("rogue"))], [], tagged_hash, CONFIG)
    yield made
    made.close()
    forget("hn_rogue")


def chain(host: Host) -> tuple[LocalChain, bytes]:
    made = LocalChain(host, "rogue")
    made.state.apply([(b"\x08evidencee", b"there")])
    return made, made.account("someone")


def apart(host: Host) -> Any:
    return host.applications["rogue"]


def test_results_and_facts_are_those_of_the_same_code_inside(host: Host, tmp_path: Path) -> None:
    inside = Host([rogue(tmp_path, isolated=False)], [], tagged_hash)
    assert host.foreign() == inside.foreign()
    assert host.plugins_hash() == inside.plugins_hash()
    for what in ("actions", "queries", "plugins", "exempt_fields"):
        assert getattr(host.node_applications(), what)() == getattr(inside.node_applications(), what)()
    both = []
    for each in (host, inside):
        local, account = chain(each)
        block: Any = [(account, "good", {}), (account, "reads", {}), (account, "absent", {}), (account, "good", b"{")]
        both.append((local.block(block * 3), local.block(block), local.query("q_good"), local.state.dump()))
    assert both[0] == both[1]
    assert both[0][2]["n"] == 4
    forget("hn_rogue")


REFUSED = ["opens", "lists", "writes", "connects", "forks", "runs", "executes", "threads", "kills", "urandom"]


@pytest.mark.parametrize("action", [*REFUSED, "machine_code", "exits", "sleeps"])
def test_what_the_sandbox_refuses_is_a_fault_of_the_handler(host: Host, action: str) -> None:
    local, account = chain(host)
    before = apart(host)._for_blocks.pid
    assert local.submit(account, action, {}).code == CODES["HANDLER_FAILED"]
    assert local.submit(account, "good", {}).ok
    assert apart(host)._for_blocks.pid == before
    assert not Path("/tmp/x").exists()


def test_a_log_line_of_the_process_takes_no_name_of_the_log(host: Host) -> None:
    """Regression: a field with the name of the log's own ended the node."""
    local, account = chain(host)
    assert local.submit(account, "chatty", {}).ok


def test_a_block_may_read_more_than_a_process_may_hold(tmp_path: Path) -> None:
    """Regression: all that a block's transactions named or read was kept until its end, and a process that ran out of memory was
    replaced by the next for ever."""
    rows = [(b"\x05rogue" + b"big%d" % number, bytes(65_536)) for number in range(4_096)]
    small = Host([rogue(tmp_path)], [], tagged_hash, ExecutionConfig(memory_bytes_max=256 << 20))
    try:
        local, account = chain(small)
        local.state.apply(rows)
        named: Any = [(account, "declared", {"start": 256 * place}) for place in range(16)]
        assert all(outcome.ok for outcome in local.block(named))
        read: Any = [(account, "devours", {"start": place}) for place in range(2)]
        assert [outcome.writes for outcome in local.block(read)] == [
            ((b"all%d" % place, b"%d" % (4_000 * 65_536)),) for place in range(2)
        ]
        assert local.state.get(b"\x05roguesum3840") == b"%d" % (256 * 65_536)
    finally:
        small.close()
        forget("hn_rogue")


def test_the_environment_is_empty(host: Host) -> None:
    local, account = chain(host)
    assert local.submit(account, "environment", {}).writes == ((b"env", b"0"),)


def test_every_lock_is_shut(host: Host) -> None:
    status = Path(f"/proc/{apart(host)._for_blocks.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    assert fields["Threads"] == "1"
    assert set(apart(host)._for_blocks.description.missing) <= {sandbox.NAMESPACES}


def waits(host: Host, act: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(act())
        except BaseException as e:  # noqa: BLE001 - the test looks at it
            found.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("dies", "left with code 0"),
        ("crashes", "killed by signal 11"),
        ("hangs", "processor time"),
        ("naps", "processor time"),
        ("hoards", "left with code 4"),
        ("flood", "want ≤"),
        ("garbage", "want ≤"),
        ("forged", "not of these transactions"),
        ("unasked", "Expected `array`"),
        ("foreign", "'identity' was not declared"),
        ("asks", " s"),
        ("impostor", "account: got 3 bytes"),
    ],
)
def test_a_process_that_fails_makes_no_receipt(tmp_path: Path, action: str, reason: str) -> None:
    """The block is tried again and again; queries answer meanwhile; closing ends it."""
    ended: list[str] = []
    host = Host([rogue(tmp_path)], [], tagged_hash, CONFIG, ended.append)
    local, account = chain(host)
    assert local.submit(account, "good", {}).ok
    thread, found = waits(host, lambda: local.block([(account, "good", {}), (account, action, {})]))
    until(lambda: any(trouble.times >= 2 for trouble in host.troubles()))
    trouble = host.troubles()[0]
    assert trouble.application == "rogue"
    assert reason in trouble.reason
    assert ended[:2] == ["rogue"] * 2
    assert local.query("q_good") == {"as_of_height": 1, "n": 1, "rows": 1}
    assert not found
    started = time.monotonic()
    host.close()
    thread.join(5)
    assert time.monotonic() - started < 5
    assert isinstance(found[0], FatalError)
    assert local.state.height == 1


def test_a_process_that_was_killed_is_replaced_and_the_block_goes_through(host: Host) -> None:
    local, account = chain(host)
    for _ in range(3):
        os.kill(apart(host)._for_blocks.pid, signal.SIGKILL)
        assert local.submit(account, "good", {}).ok
        assert host.troubles() == []
    assert local.query("q_good")["n"] == 3


def test_a_stopped_process_is_replaced(host: Host, tmp_path: Path) -> None:
    slow = Host([rogue(tmp_path)], [], tagged_hash, ExecutionConfig(block_ms_max=500))
    try:
        local, account = chain(slow)
        os.kill(apart(slow)._for_blocks.pid, signal.SIGSTOP)
        assert local.submit(account, "good", {}).ok
    finally:
        slow.close()


def test_faults_of_the_state_pass_through(host: Host) -> None:
    local, account = chain(host)

    def broken(key: bytes) -> bytes | None:
        raise FatalError("STORAGE_FAILED", "gone")

    local.state.get = broken  # type: ignore[method-assign]
    with pytest.raises(FatalError, match="gone"):
        local.submit(account, "reads", {})
    # What the process was told is out of step now; it is replaced before the next block.
    fresh, account = chain(host)
    assert host.troubles() == []
    assert fresh.submit(account, "good", {}).ok


@pytest.mark.parametrize(
    ("query", "name"), [("q_hangs", "QUERY_TOO_BROAD"), ("q_dies", "QUERY_TOO_BROAD"), ("q_fails", "HANDLER_FAILED")]
)
def test_a_query_that_fails_is_refused_and_the_next_one_answers(host: Host, query: str, name: str) -> None:
    local, account = chain(host)
    with pytest.raises(Rejected) as refused:
        local.query(query)
    assert refused.value.info.name == name
    assert local.submit(account, "good", {}).ok
    assert local.query("q_good")["n"] == 1
    with pytest.raises(Rejected):
        local.query("q_good", unknown=1)
    with pytest.raises(Rejected):
        local.query("q_list")


@pytest.mark.parametrize(
    ("text", "metered", "reason"),
    [
        ("import os\nos._exit(1)", False, "left with code 1"),
        ("raise ValueError('no')", False, "ValueError: no"),
        ("plugin = object()", False, "registered no action"),
        ("import os", True, "import os: not for plugins"),
        ("x = 1.5", True, "hn_rogue/__init__.py:1: 1.5: a fraction"),
        ("while True:\n    pass", True, "loading it takes more than"),
    ],
)
def test_code_that_cannot_be_loaded_is_refused_with_its_reason(
    tmp_path: Path, text: str, metered: bool, reason: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        Host([rogue(tmp_path, text, metered=metered)], [], tagged_hash, CONFIG)
    assert reason in str(refused.value)


def test_files_that_changed_are_not_loaded(tmp_path: Path) -> None:
    made = rogue(tmp_path)
    (made.package / "__init__.py").write_text("plugin = None")
    with pytest.raises(ConfigError, match="files changed"):
        Host([made], [], tagged_hash, CONFIG)


def test_a_machine_without_a_full_sandbox(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    application = apart(host)
    closed: list[bool] = []
    monkeypatch.setattr(IsolatedApplication, "close", lambda self: closed.append(True))
    application._check_sandbox((sandbox.NAMESPACES,))  # nobody is asked to have these
    with pytest.raises(ConfigError, match=r"no landlock.*best"):
        application._check_sandbox((sandbox.LANDLOCK,))
    assert closed == [True]
    monkeypatch.setattr(application, "_config", ExecutionConfig(sandbox="best"))
    application._check_sandbox((sandbox.LANDLOCK,))


def test_processes_end_with_the_node(tmp_path: Path) -> None:
    """Also when the node is killed while a plugin computes."""
    rogue(tmp_path)
    text = f"""
import sys, threading, time
sys.path[:] = {sys.path!r}
from pathlib import Path
from hnnode_native import tagged_hash
from hnnode.execution import Host
from hnnode.execution.source import PluginSource, code_hash
from hnnode.config import ExecutionConfig
from hnnode.plugin_api.testing import LocalChain
folder = Path({str(tmp_path)!r})
package = folder / "hn_rogue"
digest = code_hash(package, tagged_hash)
host = Host([PluginSource("rogue", "1", "hn_rogue:plugin", folder, package, digest, False, True)], [], tagged_hash,
            ExecutionConfig())
chain = LocalChain(host, "rogue")
account = chain.account("x")
threading.Thread(target=chain.submit, args=(account, "hangs", {{}}), daemon=True).start()
time.sleep(0.3)
print(host.applications["rogue"]._for_blocks.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        pid = int(node.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        node.kill()
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2], 10)


# ---------------------------------------------------------------- parts
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_jumps_to_where_it_should(machine: str) -> None:
    """The program run by a small machine of our own, for every call number of either architecture."""
    import struct

    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    column, architecture = seccomp._MACHINES[machine]

    def run(number: int, protection: int = 0, arch: int = architecture) -> int:
        data = {0: number, 4: arch, 32: protection}
        held, at = 0, 0
        while True:
            op, yes, no, value = code[at]
            at += 1
            if op == 0x20:
                held = data[value]
            elif op == 0x06:
                return value
            else:
                test = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[op]
                at += yes if test else no

    allowed = {row[column] for row in seccomp._CALLS.values()}
    mapping = {row[column] for row in seccomp._MAPPING.values()}
    for number in range(500):
        want = 0x7FFF0000 if number in allowed | mapping else 0x00050001
        assert run(number) == want, number
    for number in mapping:
        assert run(number, 4) == run(number, 7) == 0x00050001
        assert run(number, 3) == 0x7FFF0000
    assert run(0x40000000) == run(0x40000009) == 0x00050001
    assert run(0, arch=0x40000003) == 0x80000000


def test_frames_are_bounded_and_take_room_as_they_come() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        left, right = Frames(ours, 1 << 22), Frames(theirs, 1 << 22)
        for size in (0, 1, 65_535, 65_536, 3 << 20):
            body = os.urandom(size)
            thread = threading.Thread(target=left.send, args=(7, body))
            thread.start()
            assert right.receive() == (7, body)
            thread.join()
        ours.sendall(b"".join(HEAD.pack(kind, 3) + b"abc" for kind in (1, 2)) + HEAD.pack(3, 2) + b"d")
        assert [right.receive(), right.receive()] == [(1, b"abc"), (2, b"abc")]  # what comes together is taken apart
        ours.sendall(b"e" + HEAD.pack(4, 0)[:2])
        assert right.receive() == (3, b"de")
        ours.sendall(HEAD.pack(4, 0)[2:])
        assert right.receive() == (4, b"")
        ours.sendall(HEAD.pack(1, (1 << 22) + 1))
        with pytest.raises(FrameError, match="want ≤"):
            right.receive()
        ours.sendall(HEAD.pack(1, 100) + b"half")
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(FrameError, match="closed"):
            right.receive()
