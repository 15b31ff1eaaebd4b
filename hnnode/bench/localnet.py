"""A network of node processes on this machine: start, wait until ready, kill, restart, stop.

Every process is ended by the pid this module started; a child also stops by itself when its parent dies (`start
--parent`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from hnnode.config import Config, load_config
from hnnode.errors import ConfigError, Unavailable

STOP_S = 10.0
READY_S = 30.0
PORT_SHIFT_MAX = 1_000


def port_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def shifted_base(base: int, count: int, host: str = "127.0.0.1") -> int:
    """First port at or above `base` that starts `count` free ones. Raises ConfigError 9003 after PORT_SHIFT_MAX
    attempts.
    """
    for start in range(base, min(base + PORT_SHIFT_MAX, 65_536 - count)):
        if all(port_free(port, host) for port in range(start, start + count)):
            return start
    raise ConfigError("PORT_BUSY", f"no {count} free ports in a row from {base}")


@dataclass(slots=True)
class LocalNode:
    """One node home and, while it runs, its process."""

    index: int
    home: Path
    config: Config
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def url(self) -> str:
        return f"http://{self.config.gateway.host}:{self.config.gateway.port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.config.metrics.host}:{self.config.metrics.port}/metrics"

    @property
    def log(self) -> Path:
        return self.home / "node.log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise Unavailable("NODE_UNREACHABLE", f"{self.name} was not started")
        return self.process.pid

    def last_log_lines(self, count: int = 15) -> str:
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-count:])
        except OSError as e:
            return str(e)


@dataclass(slots=True)
class Gateway:
    """A door of its own process beside a node."""

    url: str
    process: subprocess.Popen[bytes]


@dataclass(slots=True)
class LocalNet:
    """`homes` must hold finished node homes. Use as a context manager: leaving it stops every process."""

    nodes: list[LocalNode]
    environment: dict[str, str] = field(default_factory=dict)
    gateways: list[Gateway] = field(default_factory=list)

    @classmethod
    def of(cls, homes: Sequence[Path]) -> LocalNet:
        return cls([LocalNode(i, home, load_config(home / "config.toml")) for i, home in enumerate(homes)])

    def __enter__(self) -> LocalNet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, index: int) -> None:
        node = self.nodes[index]
        command = [sys.executable, "-m", "hnnode.cli", "start", "--home", str(node.home), "--parent", str(os.getpid())]
        with node.log.open("ab") as log:
            # A group of its own: Ctrl-C in the terminal reaches the parent alone, which then stops the nodes in order. Not a session of its
            # own: a kernel that shares the processor among sessions would weigh threads of one node against each other alone.
            node.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                process_group=0,
            )

    def configure(self, index: int, config: Config) -> None:
        """Write another configuration into the home of a node that does not run."""
        from hnnode.node.genesis import config_text

        node = self.nodes[index]
        (node.home / "config.toml").write_text(config_text(config), "utf-8")
        node.config = config

    def pids(self) -> list[int]:
        """Process ids of the running nodes, then of the gateways."""
        running = [node.pid for node in self.nodes if node.running]
        return running + [gateway.process.pid for gateway in self.gateways if gateway.process.poll() is None]

    def doors(self) -> list[str]:
        """Where transactions are taken: the gateways, or the running nodes when there are none."""
        return [gateway.url for gateway in self.gateways] or [node.url for node in self.nodes if node.running]

    def start_all(self) -> None:
        for node in self.nodes:
            self.start(node.index)

    def wait_ready(
        self,
        indices: Sequence[int] | None = None,
        timeout_s: float = READY_S,
        on_ready: Callable[[LocalNode], None] | None = None,
    ) -> float:
        """Seconds until every chosen node answered `/v1/ready` with 200.

        Raises Unavailable 9007 with the end of the log when a node ends or the time is over.
        """
        started = time.monotonic()
        waiting = [self.nodes[i] for i in (range(len(self.nodes)) if indices is None else indices)]
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while waiting:
                for node in list(waiting):
                    if not node.running:
                        raise Unavailable(
                            "NOT_READY", f"{node.name} ended at start-up; {node.log}:\n{node.last_log_lines()}"
                        )
                    if _answers(client, f"{node.url}/v1/ready"):
                        waiting.remove(node)
                        if on_ready is not None:
                            on_ready(node)
                if waiting and time.monotonic() - started > timeout_s:
                    late = waiting[0]
                    raise Unavailable(
                        "NOT_READY",
                        f"{late.name} is not ready after {timeout_s:.0f} s; {late.log}:\n{late.last_log_lines()}",
                    )
                if waiting:
                    time.sleep(0.05)
        return time.monotonic() - started

    def kill(self, index: int) -> int:
        """SIGKILL one node, as a power cut of its process; returns the pid that died."""
        node = self.nodes[index]
        pid = node.pid
        if node.process is not None:
            node.process.kill()
            node.process.wait()
        return pid

    def stop(self) -> list[str]:
        """SIGTERM to all, SIGKILL to those that have not ended after STOP_S. Returns the names that had to be
        killed.
        """
        for gateway in self.gateways:
            gateway.process.terminate()
        for gateway in self.gateways:
            try:
                gateway.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                gateway.process.kill()
                gateway.process.wait()
        self.gateways.clear()
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        killed: list[str] = []
        for node in self.nodes:
            if node.process is None:
                continue
            try:
                node.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                killed.append(node.name)
                node.process.kill()
                node.process.wait()
            node.process = None
        return killed

    def ended(self) -> LocalNode | None:
        """A node whose process ended although nobody stopped it."""
        return next((node for node in self.nodes if node.process is not None and node.process.poll() is not None), None)

    def status(self, index: int) -> dict[str, Any]:
        """`/v1/status` of one node."""
        answer = httpx.get(f"{self.nodes[index].url}/v1/status", timeout=5.0, trust_env=False)
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()
        return status


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.TransportError:
        return False
