"""`hnnode dev demo`: the acceptance story, told by running it. Any step that does not hold ends it with a reason.

Four validators · real files preserved · a cold-chain shipment traced · power cut of one validator while the others go
on · it comes back and catches up to the same block · a proof verified with every node stopped · a changed file refused.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import typer

from hnnode.bench.localnet import LocalNet
from hnnode.bench.people import one_for_each_role
from hnnode.cli import failure
from hnnode.cli.connection import get_json
from hnnode.cli.dev import (
    CHAIN_NAME,
    Interrupted,
    dev_directory,
    interruptible,
    remember,
    show,
    start_network,
    stop_network,
    watch,
)
from hnnode.cli.jobs import Job, jobs_of_epcis, sample_document
from hnnode.cli.language import say
from hnnode.cli.network import make_homes
from hnnode.cli.output import columns, console
from hnnode.cli.tx import preserve_payload
from hnnode.client import Client, FileSigner
from hnnode.errors import HnError

NODES = 4
VICTIM = 3
CATCH_UP_S = 60.0
PROOF_S = 20.0
WAIT_S = 30.0
FILES_MAX = 6


class StepFailed(Exception):
    """What was expected and what happened instead."""


def expect(condition: bool, zh: str, en: str) -> None:
    if not condition:
        raise StepFailed(say(zh, en))


@dataclass(frozen=True, slots=True)
class Preserved:
    file: Path
    tx_id: str
    height: int
    took_ms: float


class Story:
    """Prints numbered steps; each method is one of them."""

    def __init__(self, directory: Path, net: LocalNet) -> None:
        self.directory = directory
        self.net = net
        self.out = console()
        self.number = 0

    def step(self, zh: str, en: str) -> None:
        self.number += 1
        self.out.print()
        self.out.print(f"{self.number}. {say(zh, en)}", style="bold cyan", markup=False)

    def tick(self, zh: str, en: str) -> None:
        self.out.print(f"   ✓ {say(zh, en)}", style="green", markup=False)

    def signer(self, name: str) -> FileSigner:
        return FileSigner(self.directory / "keys" / f"{name}.pem")

    def url(self, index: int = 0) -> str:
        return self.net.nodes[index].url

    # ---------------------------------------------------------------- steps
    def preserve(self, files: Sequence[Path]) -> list[Preserved]:
        """Preserve real files, each through another node."""
        self.step("对真实文件存证（只有摘要上链）", "preserve real files (only their hashes go on the chain)")
        signer = self.signer("writer")
        done: list[Preserved] = []
        for index, file in enumerate(files):
            url = self.url(index % NODES)
            done.append(self._preserve_one(url, signer, file))
        titles = [say("文件", "file"), say("交易", "tx"), say("高度", "height"), "ms"]
        self.out.print(columns(titles, [[p.file.name, p.tx_id[:16] + "…", p.height, f"{p.took_ms:.0f}"] for p in done]))
        self.tick(f"{len(done)} 个文件已上链", f"{len(done)} files are on the chain")
        return done

    def _preserve_one(self, url: str, signer: FileSigner, file: Path) -> Preserved:
        with Client(url, signer=signer, timeout_s=WAIT_S) as client:
            tx = client.sign("evidence", "preserve", [preserve_payload(file, "sm3")])[0]
            started = time.monotonic()
            result = client.send(tx)
            took_ms = (time.monotonic() - started) * 1e3
        receipt = result.receipt
        if receipt is None:
            raise StepFailed(say(f"{file.name} 没有上链", f"{file.name} was not committed"))
        return Preserved(file, result.tx_id, receipt.height, took_ms)

    def ship(self) -> None:
        """Every step of the EPCIS document, signed by the account of its role."""
        self.step("郑冷链：按 EPCIS 文档走完一批冷链食品", "cold chain: a shipment from an EPCIS document")
        signers = {path.stem: self.signer(path.stem) for path in sorted((self.directory / "keys").glob("*.pem"))}
        jobs = jobs_of_epcis(sample_document(), {name: signer.account for name, signer in signers.items()})
        rows = []
        with Client(self.url(), timeout_s=WAIT_S) as client:
            for job in jobs:
                result = client.submit(job.application, job.action, job.payload, signers[job.key or "importer"])
                expect(result.receipt is not None, f"{job.action} 没有上链", f"{job.action} was not committed")
                rows.append([job.action, job.key, result.receipt.height if result.receipt else "", "✓"])
        self.out.print(columns([say("动作", "action"), say("签名者", "signed by"), say("高度", "height"), ""], rows))
        self._show_trace(jobs, signers)

    def _show_trace(self, jobs: Sequence[Job], signers: Mapping[str, FileSigner]) -> None:
        batch = next(payload["batch"] for job in jobs if "batch" in (payload := orjson.loads(job.payload)))
        with Client(self.url(1), timeout_s=WAIT_S) as client:
            items = client.query("coldchain", "trace_forward", {"batch": batch}).result["items"]
        names = {signer.account.hex(): name for name, signer in signers.items()}
        shown = ("batch", "steps", "code", "status", "city", "initial_grams", "grams")
        rows = [[*(item[field] for field in shown), names.get(item["holder"], item["holder"])] for item in items]
        self.out.print(columns([*shown, "holder"], rows))
        self.tick(f"批次 {batch} 可追溯", f"batch {batch} can be traced")

    def lose_one(self, file: Path) -> None:
        """SIGKILL one validator; the other three must go on."""
        name = self.net.nodes[VICTIM].name
        self.step(
            f"断电：强制结束 {name}（SIGKILL），其余三个继续出块", f"power cut: kill {name} (SIGKILL), three go on"
        )
        before = int(self.net.status(0)["height"])
        pid = self.net.kill(VICTIM)
        self.tick(f"进程 {pid} 已被强制结束", f"process {pid} is dead")
        rows = []
        for number in range(4):
            part = self.directory / f"after-power-cut-{number}.txt"
            part.write_text(f"{file.name} {number} {time.time_ns()}\n", "utf-8")
            done = self._preserve_one(self.url(number % (NODES - 1)), self.signer("writer"), part)
            rows.append([part.name, done.height, f"{done.took_ms:.0f}"])
        self.out.print(columns([say("文件", "file"), say("高度", "height"), "ms"], rows))
        heights = [int(self.net.status(i)["height"]) for i in range(NODES) if i != VICTIM]
        expect(min(heights) > before, f"高度没有增长：{heights}", f"the height did not grow: {heights}")
        self.tick(f"高度 {before} → {max(heights)}，无需人工", f"height {before} → {max(heights)}, with nobody's help")

    def bring_back(self) -> None:
        """Restart it; it must reach the same height, block hash and state root."""
        name = self.net.nodes[VICTIM].name
        self.step(f"重启 {name}，它自己追上来", f"restart {name}: it catches up by itself")
        started = time.monotonic()
        self.net.start(VICTIM)
        self.net.wait_ready([VICTIM], CATCH_UP_S)
        deadline = started + CATCH_UP_S
        while True:
            found = [self.net.status(i) for i in range(NODES)]
            same = len({(s["height"], s["block_hash"]) for s in found}) == 1
            if same or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        height = found[0]["height"]
        blocks = [get_json(self.url(i), f"/v1/blocks/{height}") for i in range(NODES)] if same else []
        titles = [say("节点", "node"), say("高度", "height"), say("区块", "block"), say("状态根", "state root")]
        rows = [
            [n.name, b["height"], b["block_hash"][:24] + "…", b["state_root"][:24] + "…"]
            for n, b in zip(self.net.nodes, blocks, strict=False)
        ]
        self.out.print(columns(titles, rows))
        roots = {(b["block_hash"], b["state_root"]) for b in blocks}
        expect(len(roots) == 1, f"节点不一致：{found}", f"the nodes differ: {found}")
        took = time.monotonic() - started
        self.tick(f"四个节点完全一致，用时 {took:.1f} 秒", f"four nodes agree, after {took:.1f} s")

    def take_proof(self, done: Preserved) -> Path:
        self.step(f"取 {done.file.name} 的证明文件", f"fetch the proof of {done.file.name}")
        path = self.directory / f"{done.file.name}.proof"
        with Client(self.url(VICTIM), timeout_s=PROOF_S) as client:
            path.write_bytes(client.proof(done.tx_id))
        self.tick(f"{path.name}：{path.stat().st_size} 字节", f"{path.name}: {path.stat().st_size} bytes")
        return path

    def verify(self, proof: Path, file: Path, chain_id: str) -> None:
        """In a process of its own, with no node running."""
        self.step("停止全部节点后离线核验", "stop every node, then verify offline")
        stop_network(self.net)
        expect(not any(node.running for node in self.net.nodes), "仍有节点在运行", "a node still runs")
        self.tick("没有节点在运行", "no node runs")
        status = self._verify_process(proof, file, chain_id)
        expect(status == 0, f"核验失败，退出码 {status}", f"verification failed, exit code {status}")
        self.tick("证明成立，文件一致", "the proof holds and the file is the preserved one")

    def refuse_changed(self, proof: Path, file: Path, chain_id: str) -> None:
        self.step("把文件副本改动一个字节", "change one byte of a copy of the file")
        copy = self.directory / f"changed-{file.name}"
        shutil.copyfile(file, copy)
        data = bytearray(copy.read_bytes())
        data[len(data) // 2] ^= 1
        copy.write_bytes(data)
        status = self._verify_process(proof, copy, chain_id)
        expect(
            status == failure.REJECTED,
            f"应被拒绝（退出码 4），实际 {status}",
            f"want a refusal (exit code 4), got {status}",
        )
        self.tick("已被拒绝，退出码 4", "refused, exit code 4")

    def _verify_process(self, proof: Path, file: Path, chain_id: str) -> int:
        command = [sys.executable, "-m", "hnnode.cli", "--lang", say("zh", "en"), "proof", "verify", str(proof)]
        command += ["--file", str(file), "--chain-id", chain_id]
        self.out.print(f"   $ hnnode {' '.join(command[5:])}", style="dim", markup=False)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        for line in (ended.stdout + ended.stderr).splitlines():
            self.out.print(f"     {line}", markup=False)
        return ended.returncode


def sample_files(directory: Path) -> list[Path]:
    """Real files: those of the work tree this runs in, otherwise the modules of this package."""
    wanted = ["README.md", "LICENSE", "ARCHITECTURE.md", "SECURITY.md", "docs/start.md", "docs/reference/formats.md"]
    found = [path for name in wanted if (path := Path(name)).is_file() and path.stat().st_size]
    if not found:
        found = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stat().st_size]
    return found[:FILES_MAX]


def run_demo(*, once: bool) -> None:
    """Tell the story; without `once` start the network again afterwards and stay until Ctrl-C. Raises typer.Exit(1) on a failed step."""
    out = console()
    started = time.monotonic()
    with interruptible():
        try:
            with dev_directory(None, keep=False) as directory:
                _tell(directory, once, started)
        except Interrupted:
            out.print(say("已中断", "interrupted"), style="yellow")
            raise typer.Exit(failure.INTERRUPTED) from None
        except (StepFailed, HnError) as e:
            reason = str(e) if isinstance(e, StepFailed) else failure.describe(e)[0]
            out.print(f"   ✗ {reason}", style="bold red", markup=False)
            raise typer.Exit(failure.ERROR) from None


def _tell(directory: Path, once: bool, started: float) -> None:
    out = console()
    applications = ["coldchain", "evidence"]
    homes = make_homes(directory, NODES, CHAIN_NAME, "city", applications, one_for_each_role(applications))
    net = LocalNet.of(homes)
    story = Story(directory, net)
    story.step("启动四个验证节点", "start four validators")
    net = story.net = start_network(homes)
    try:
        took = time.monotonic() - started
        story.tick(f"就绪，用时 {took:.1f} 秒", f"ready after {took:.1f} s")
        chain_id = remember(net, directory, "writer").chain_id
        preserved = story.preserve(sample_files(directory))
        story.ship()
        story.lose_one(preserved[0].file)
        story.bring_back()
        proof = story.take_proof(preserved[0])
        story.verify(proof, preserved[0].file, chain_id)
        story.refuse_changed(proof, preserved[0].file, chain_id)
        out.print()
        out.print(
            say(
                f"全部成立，共 {time.monotonic() - started:.0f} 秒。",
                f"All of it holds, {time.monotonic() - started:.0f} s in all.",
            ),
            style="bold green",
        )
        if not once:
            again = time.monotonic()
            net.start_all()
            net.wait_ready()
            show(net, remember(net, directory, "writer"), time.monotonic() - again)
            watch(net)
    finally:
        stop_network(net)
