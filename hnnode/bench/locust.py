"""Scenario `locust`: a network of this machine under the users of `loadtests/`, started and ended by itself.

Locust runs as a process of its own Python, with gevent; this process follows the chain and joins both views.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hnnode_native as native
import uvloop

from hnnode.bench import machine, processes
from hnnode.bench.load import LoadRunner, Progress
from hnnode.bench.localnet import LocalNet
from hnnode.bench.locust_join import joined
from hnnode.bench.plan import Plan, Signer
from hnnode.bench.presigned import write_presigned
from hnnode.bench.watch import watch
from hnnode.errors import Unavailable

DRAIN_S = 5.0
OVERTIME_S = 60.0
LOG_TAIL = 2_000


@dataclass(frozen=True, slots=True)
class LocustPlan:
    """`python` has Locust; `folder` is `loadtests/`; everything of the run is written into `scratch`. `workers` 0: one
    process.
    """

    python: Path
    folder: Path
    scratch: Path
    shape: str
    users: str
    seconds: int
    peak_users: int
    workers: int
    presigned: int

    def environment(self, doors: list[str], presigned: Path) -> dict[str, str]:
        own = {
            "HN_NODES": ",".join(doors),
            "HN_PRESIGNED": str(presigned),
            "HN_SENT": str(self.scratch / "sent"),
            "HN_USERS": self.users,
            "HN_SHAPE": self.shape,
            "HN_SECONDS": str(self.seconds),
            "HN_PEAK_USERS": str(self.peak_users),
            "HN_WORKERS": str(max(1, self.workers)),
        }
        # The other Python must not see the packages of this one.
        return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | own

    def command(self, host: str) -> list[str]:
        command = [str(self.python), "-m", "locust", "-f", str(self.folder / "locustfile.py"), "--headless"]
        command += ["--host", host, "--csv", str(self.scratch / "locust"), "--csv-full-history"]
        command += ["--html", str(self.scratch / "locust.html"), "--only-summary", "--exit-code-on-error", "0"]
        return command + (["--processes", str(self.workers)] if self.workers else [])


@dataclass(slots=True)
class LocustRun:
    net: LocalNet
    keys: Mapping[str, native.SecretKey]
    plan: Plan
    own: LocustPlan
    progress: Progress
    deploy_s: Mapping[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """The result as JSON-ready data. Raises Unavailable when a node or Locust ends early."""
        runner = LoadRunner(self.net, self.progress)
        presigned = self.own.scratch / "presigned.bin"
        bundles = Signer(runner, self.keys, self.plan).sign(self.own.presigned)
        facts = {"chain_id": self.net.status(0)["chain_id"], "application": self.plan.application}
        signed = write_presigned(presigned, facts, bundles)
        del bundles
        before, disk_bytes = runner.accounts(), processes.disk_bytes(self.net.nodes[0].home)
        blocks = self.own.scratch / "blocks.bin"
        process = self._locust(presigned)
        try:
            uvloop.run(self._follow(process, blocks))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        runner.check_alive()
        after, disk_after = runner.accounts(), processes.disk_bytes(self.net.nodes[0].home)
        equal = runner.roots_equal()
        found = joined(self.own.scratch / "sent", [presigned], blocks, self.own.scratch / "locust")
        committed = max(1, found["committed"])
        cpu_s = sum(b.cpu_s - a.cpu_s for a, b in zip(before, after, strict=True))
        return {
            **found,
            "nodes": len(self.net.nodes),
            "cpu_us_per_tx": round(1e6 * cpu_s / committed, 1),
            "ledger_bytes_per_tx": round((disk_after - disk_bytes) / committed, 1),
            "state_roots_equal": equal,
            "presigned": signed,
            "deploy_s": dict(self.deploy_s),
            "machine": machine.facts(),
            "commit": machine.commit(),
            "reference": machine.reference(),
            "settings": {
                "shape": self.own.shape,
                "users": self.own.users,
                "peak_users": self.own.peak_users,
                "workers": self.own.workers,
                "seed": self.plan.seed,
            },
        }

    def _locust(self, presigned: Path) -> subprocess.Popen[bytes]:
        doors = self.net.doors()
        with (self.own.scratch / "locust.log").open("wb") as log:
            return subprocess.Popen(
                self.own.command(doors[0]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.own.scratch,
                env=self.own.environment(doors, presigned),
                start_new_session=True,
            )

    async def _follow(self, process: subprocess.Popen[bytes], blocks: Path) -> None:
        """Record the chain until Locust has ended and what it sent had time to commit."""
        ended = asyncio.Event()
        watching = asyncio.create_task(watch(self.net.nodes[0].url, blocks, ended))
        started_s = time.monotonic()
        try:
            while process.poll() is None and not watching.done():
                spent_s = time.monotonic() - started_s
                if spent_s > self.own.seconds + OVERTIME_S:
                    raise Unavailable("TIMEOUT", f"Locust did not end after {spent_s:.0f} s: {self._log()}")
                self.progress("locust", min(int(spent_s), self.own.seconds), self.own.seconds)
                await asyncio.sleep(0.2)
            if process.poll() not in (None, 0):
                raise Unavailable("NOT_READY", f"Locust ended with {process.returncode}: {self._log()}")
            await asyncio.wait((watching,), timeout=DRAIN_S)
        finally:
            ended.set()
        await watching

    def _log(self) -> str:
        return (self.own.scratch / "locust.log").read_text("utf-8", "replace")[-LOG_TAIL:]
