"""Several gateway processes on one port: started together, started again when one dies, stopped together.

The system spreads connections over them (SO_REUSEPORT). The parent holds the port without listening, so that it stays theirs while workers
come and go.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import structlog
from prometheus_client.multiprocess import mark_process_dead

from hnnode.gateway.server import reserve
from hnnode.logs import configure_logs
from hnnode.proxy.metrics import FOLDER_VARIABLE
from hnnode.proxy.process import EXIT_ERROR, EXIT_OK, STOP_S, GatewaySettings

RESTARTS_MAX = 10
RESTARTS_S = 60.0
"""More restarts than this in this time are a fault that restarting does not mend: the gateway ends."""
PAUSE_S = 0.2
POLL_S = 1.0
KILL_S = STOP_S + 2.0

log = structlog.get_logger("gateway")

Command = Callable[[int], Sequence[str]]
"""The command of one worker, given the port."""


class Workers:
    """`count` processes of one command. `run` returns the exit code: 0 after a stop by signal."""

    def __init__(self, settings: GatewaySettings, count: int, command: Command) -> None:
        self._settings = settings
        self._count = count
        self._command = command
        self._processes: list[subprocess.Popen[bytes]] = []
        self._deaths: deque[float] = deque()
        self._is_stopping = False

    def run(self) -> int:
        """Raises ConfigError 9003 or 9001 when the port cannot be had."""
        configure_logs(self._settings.log_level)
        listener = reserve(self._settings.host, self._settings.port, reuse_port=True)
        folder = tempfile.mkdtemp(prefix="hn-gateway-")
        try:
            with _woken_by_signals(self._stop) as wake:
                command = self._command(listener.getsockname()[1])
                self._processes = [self._start(command, folder) for _ in range(self._count)]
                while not self._is_stopping:
                    select.select([wake], [], [], POLL_S)
                    _drain(wake)
                    if not self._replace(command, folder):
                        log.critical("workers keep dying", restarts=RESTARTS_MAX, seconds=RESTARTS_S)
                        self._end()
                        return EXIT_ERROR
                self._end()
                return EXIT_OK
        finally:
            listener.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _stop(self) -> None:
        self._is_stopping = True

    def _start(self, command: Sequence[str], folder: str) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches the parent alone, which then stops the workers.
        environment = {**os.environ, FOLDER_VARIABLE: folder}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
        log.info("worker started", worker=process.pid)
        return process

    def _replace(self, command: Sequence[str], folder: str) -> bool:
        """Start those again that ended. False when that happens too often."""
        for place, process in enumerate(self._processes):
            if process.poll() is None or self._is_stopping:
                continue
            log.error("worker died", worker=process.pid, status=process.returncode)
            mark_process_dead(process.pid, folder)  # type: ignore[no-untyped-call]
            now = time.monotonic()
            self._deaths.append(now)
            while self._deaths[0] < now - RESTARTS_S:
                self._deaths.popleft()
            if len(self._deaths) > RESTARTS_MAX:
                return False
            time.sleep(PAUSE_S)
            self._processes[place] = self._start(command, folder)
        return True

    def _end(self) -> None:
        """SIGTERM to all, SIGKILL to those that take too long."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + KILL_S
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("worker killed", worker=process.pid)
                process.kill()
                process.wait()


@contextlib.contextmanager
def _woken_by_signals(stop: Callable[[], None]) -> Iterator[socket.socket]:
    """A socket that gets a byte for every signal: SIGTERM and SIGINT stop, SIGCHLD only wakes."""

    def on_stop(_: int, __: FrameType | None) -> None:
        stop()

    def on_child(_: int, __: FrameType | None) -> None:
        return

    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGTERM, on_stop), (signal.SIGINT, on_stop), (signal.SIGCHLD, on_child))
    }
    former = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(former)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def _drain(wake: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while wake.recv(4_096):
            pass
