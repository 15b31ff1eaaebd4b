"""The network a scenario runs on: homes, delayed links, gateways, started and stopped around it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from hnnode.bench.delay import DelayedLinks
from hnnode.bench.localnet import READY_S, Gateway, LocalNet, shifted_base
from hnnode.errors import Unavailable

LOOP_SAMPLE_MS = 5
GATEWAY_PORT = 20_700


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs from a plain network. `cores`: how many all nodes share, 0 for every one; `stopped`: nodes that are
    left for the scenario to start; `isolated`: plugins run in processes of their own.
    """

    delay_ms: int = 0
    gateways: int = 0
    budget: bool = False
    cores: int = 0
    stopped: tuple[int, ...] = ()
    isolated: bool = False


@contextmanager
def running(
    homes: Sequence[Path], setting: Setting, on_ready: Callable[[], None] = lambda: None
) -> Iterator[tuple[LocalNet, float]]:
    """The started network and the seconds until every node was ready; everything is stopped at the end.

    Raises Unavailable when a node or gateway does not come up.
    """
    with ExitStack() as stack:
        net = LocalNet.of(homes)
        if setting.budget:
            for node in net.nodes:
                metrics = msgspec.structs.replace(node.config.metrics, loop_sample_ms=LOOP_SAMPLE_MS)
                net.configure(node.index, msgspec.structs.replace(node.config, metrics=metrics))
        if setting.isolated:
            for node in net.nodes:
                execution = msgspec.structs.replace(node.config.execution, isolated=True)
                net.configure(node.index, msgspec.structs.replace(node.config, execution=execution))
        if setting.delay_ms:
            stack.enter_context(DelayedLinks(net, setting.delay_ms))
        stack.enter_context(net)
        chosen = [node.index for node in net.nodes if node.index not in setting.stopped]
        for index in chosen:
            net.start(index)
            if setting.cores:
                os.sched_setaffinity(net.nodes[index].pid, sorted(os.sched_getaffinity(0))[: setting.cores])
        ready_s = net.wait_ready(chosen, on_ready=lambda node: on_ready())
        for index in range(setting.gateways):
            net.gateways.append(start_gateway(net, index))
        yield net, ready_s


def start_gateway(net: LocalNet, index: int) -> Gateway:
    """One more door beside the node whose turn it is."""
    node = net.nodes[index % len(net.nodes)]
    port = shifted_base(GATEWAY_PORT + index, 1)
    command = [
        sys.executable,
        "-m",
        "hnnode.cli",
        "gateway",
        "--node",
        node.url,
        "--port",
        str(port),
        "--parent",
        str(os.getpid()),
    ]
    with (node.home / f"gateway{index}.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0)
    gateway = Gateway(f"http://127.0.0.1:{port}", process)
    deadline_s = time.monotonic() + READY_S
    while not _answers(gateway.url):
        if process.poll() is not None or time.monotonic() > deadline_s:
            process.kill()
            process.wait()
            raise Unavailable("NOT_READY", f"gateway {index} beside {node.name} did not come up")
        time.sleep(0.05)
    return gateway


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/live", timeout=2.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
