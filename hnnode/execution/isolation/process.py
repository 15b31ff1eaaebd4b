"""A plugin's process, seen from the node: started, talked to, watched, ended.

    start: spawn → LOAD → DESCRIPTION · then `frames` by turns · end: SIGKILL

Invariants:
1. The process gets one socket, no environment and no other descriptor.
2. It dies with the node: the kernel ends it when the thread that started it does, and that thread lives as long as the
   node's plugins.
3. Waiting for it is bounded: by its own processor time, by the clock and by its memory. All three are far above any
   honest block; none of them ever decides a result.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hnnode.errors import ConfigError
from hnnode.execution.isolation import messages as m
from hnnode.execution.isolation.frames import FrameError, Frames, Kind
from hnnode.execution.source import PluginSource

REPLY_BYTES_MAX = 96 * 1024 * 1024
"""Longest frame that is taken: results of a block are bounded by `BLOCK_RESULT_BYTES_MAX` and one transaction."""
START_S_MAX = 60.0
QUERY_NICENESS = 5
"""Of processes for queries, as of the threads that admit: on a busy machine blocks go first."""
END_S_MAX = 5.0

_BOOT = """
import json, sys
sys.path[:] = json.loads(sys.argv[3])
from hnnode.execution.isolation.child import main
main(int(sys.argv[1]), int(sys.argv[2]))
"""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ChildFault(Exception):
    """The process is gone or was ended: `str` tells why, for the operator."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a process is ended. wall_s, cpu_s: of one block or query. memory_bytes: resident, and for its address space."""

    wall_s: float
    cpu_s: float
    memory_bytes: int


class Spawner:
    """The one thread that starts the processes of a node's plugins."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "plugin-spawn")

    def start(self, end: socket.socket, niceness: int = 0) -> subprocess.Popen[bytes]:
        """niceness: how far it stands behind the node."""
        return self._thread.submit(self._start, end, niceness).result()

    def _start(self, end: socket.socket, niceness: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-B", "-c", _BOOT, str(end.fileno()), str(os.getpid()), json.dumps(sys.path)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=True,
            pass_fds=(end.fileno(),),
            env={},
            cwd="/",
            start_new_session=True,
        )
        if niceness:
            _give_way(process.pid, niceness)
        return process

    def close(self) -> None:
        self._thread.shutdown(wait=False)


def _give_way(pid: int, niceness: int) -> None:
    """Let a process yield to others. It has a session of its own, for which a kernel with automatic groups has a priority of its own:
    that of a process counts within its group alone.
    """
    with suppress(OSError):  # it works without
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, pid) + niceness))
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(f"{niceness}\n", "ascii")


class Child:
    """One process. Used by one thread at a time."""

    def __init__(
        self,
        source: PluginSource,
        bounds: Bounds,
        spawner: Spawner,
        files: Mapping[str, bytes],
        niceness: int = 0,
    ) -> None:
        """Raises: ConfigError: the code cannot be loaded. ChildFault: the process died or took too long."""
        self._bounds = bounds
        self._wall_s = self._cpu_s = START_S_MAX
        self._since = time.monotonic()
        self._cpu_since = 0.0
        self._ended = threading.Event()
        ours, theirs = socket.socketpair()
        try:
            self._process = spawner.start(theirs, niceness)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket = ours
        self.frames = Frames(ours, REPLY_BYTES_MAX, self._patience)
        try:
            self.description = self._load(source, files)
        except (FrameError, ValueError) as e:
            raise self.fault(e) from e
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def _load(self, source: PluginSource, files: Mapping[str, bytes]) -> m.Description:
        order = m.Load(
            source.name,
            source.version,
            source.entry,
            str(source.root.absolute()),
            str(source.package.absolute()),
            source.code_hash,
            source.metered,
            dict(files) if source.metered else {},
            self._bounds.memory_bytes,
        )
        self.frames.send(Kind.LOAD, m.encode(order))
        kind, body = self.frames.receive()
        if kind == Kind.REFUSED:
            refusal = m.decode_refusal(body)
            self.end()
            raise ConfigError(refusal.name, refusal.detail)
        if kind != Kind.DESCRIPTION:
            raise FrameError(f"frame: got kind {kind}, want a description")
        return m.decode_description(body)  # type: ignore[no-any-return]

    def begin(self) -> None:
        """A block or query begins: its bounds count from here."""
        self._since, self._wall_s, self._cpu_s = time.monotonic(), self._bounds.wall_s, self._bounds.cpu_s
        self._cpu_since = self._cpu_s_spent()

    def _patience(self) -> None:
        if self._ended.is_set():
            raise ChildFault("ended by the node")
        wall = time.monotonic() - self._since
        if wall > self._wall_s:
            raise ChildFault(f"no answer within {self._wall_s:g} s")
        if self._cpu_s_spent() - self._cpu_since > self._cpu_s:
            raise ChildFault(f"more than {self._cpu_s:g} s of processor time for one request")
        resident = self._resident_bytes()
        if resident > self._bounds.memory_bytes:
            raise ChildFault(f"{resident} bytes of memory, want ≤ {self._bounds.memory_bytes}")

    def _cpu_s_spent(self) -> float:
        """Processor seconds of the process; zero when it is gone. Asked for each block, so not read from a file."""
        try:
            return time.clock_gettime((~self.pid << 3) | 2)  # its clock as clock_getcpuclockid(3) names it
        except OSError:
            return 0.0

    def _resident_bytes(self) -> int:
        """Zero when the process is gone or the system does not tell."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
        except OSError:
            return 0

    def fault(self, reason: BaseException) -> ChildFault:
        """End the process; what happened to it, in words."""
        try:
            code = self._process.wait(0.2)
            how = f"killed by signal {-code}" if code < 0 else f"left with code {code}"
        except subprocess.TimeoutExpired:
            how = "still running"
        self.end()
        return ChildFault(f"{reason} ({how})")

    def kill(self) -> None:
        """Kill it, from any thread. Whoever waits for its answer gets a ChildFault."""
        self._ended.set()
        self._process.kill()

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):  # then it is in the kernel's hands and can do nothing any more
            self._process.wait(END_S_MAX)
        self._socket.close()
