"""`hnnode tx`: sign, submit, look up, wait."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hnnode.cli import failure
from hnnode.cli.connection import error_of, get_json
from hnnode.cli.jobs import Job, jobs_of_epcis, jobs_of_lines
from hnnode.cli.language import say, two
from hnnode.cli.options import KeyDirOption, KeyOption, NodeOption, OutputOption, PassphraseFdOption, TimeoutOption
from hnnode.cli.output import Format, columns, emit, grid, notes, value_table
from hnnode.cli.passphrase import open_signer
from hnnode.cli.payload import read_argument, read_json_argument
from hnnode.cli.session import key_path, node_url
from hnnode.cli.submission import BATCH_COUNT, VALID_BLOCKS, Ask, Submission, preserve_payload
from hnnode.crypto import FileSigner, SignedTx
from hnnode.errors import CODES, Rejected, Unavailable
from hnnode.primitives.file_hash import ALGORITHMS

application = typer.Typer(name="tx", help=two("交易", "transactions"), no_args_is_help=True)

WAITS = ("none", "accepted", "committed")
TxIdArgument = Annotated[
    str, typer.Argument(metavar="TX_ID", help=two("交易标识，64 位十六进制", "transaction id, 64 hexadecimal digits"))
]
ValidOption = Annotated[
    int,
    typer.Option(
        "--valid-blocks", min=1, help=two("最多再过多少个区块仍可入链", "may be included within so many blocks")
    ),
]


@application.command("submit", help=two("签名并提交一笔交易", "sign and submit a transaction"))
def submit(
    app: Annotated[str, typer.Argument(metavar="APP", help=two("应用", "application"))],
    action: Annotated[str, typer.Argument(metavar="ACTION", help=two("动作", "action"))],
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            exists=True,
            dir_okay=False,
            help=two("evidence preserve：对这个文件存证", "evidence preserve: the file to preserve"),
        ),
    ] = None,
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="sm3|sha256", help=two("文件的摘要算法", "hash of the file"))
    ] = "sm3",
    payload: Annotated[
        str | None,
        typer.Option("--payload", "-p", metavar="JSON|@FILE|-", show_default=False, help=two("载荷", "payload")),
    ] = None,
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    wait: Annotated[
        str, typer.Option("--wait", metavar="none|accepted|committed", help=two("等到什么程度", "what to wait for"))
    ] = "committed",
    timeout: TimeoutOption = 30.0,
    valid_blocks: ValidOption = VALID_BLOCKS,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    if wait not in WAITS:
        raise typer.BadParameter(f"{wait!r}: {' | '.join(WAITS)}", param_hint="--wait")
    if (file is None) == (payload is None):
        raise typer.BadParameter(say("--file 与 --payload 二选一", "want exactly one of --file and --payload"))
    if file is not None and (app, action) != ("evidence", "preserve"):
        raise typer.BadParameter(
            say("--file 只用于 evidence preserve", "--file is for evidence preserve"), param_hint="--file"
        )
    if algorithm not in ALGORITHMS:
        raise typer.BadParameter(f"{algorithm!r}: {' | '.join(ALGORITHMS)}", param_hint="--algorithm")
    digest: bytes | None = None
    if file is not None:
        data, digest = preserve_payload(file, algorithm)
    else:
        data = read_json_argument(payload or "", "--payload")
    signer = open_signer(key_path(key, key_dir), passphrase_fd)
    submission = Submission.to(node_url(node), valid_blocks)
    tx = submission.sign(signer, [Ask(app, action, data)])[0]
    started = time.monotonic()
    answer = submission.send(tx, wait, timeout)
    answer["took_ms"] = round((time.monotonic() - started) * 1e3, 1)
    answer["account"] = signer.account
    if digest is not None:
        answer["hash"] = digest
    emit(output, answer, lambda: grid(_answer_rows(answer)))
    _raise_failed(answer)


def _answer_rows(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [(say("交易", "tx"), answer["tx_id"]), (say("状态", "state"), answer["state"])]
    receipt = answer.get("receipt")
    if receipt:
        rows.append((say("高度", "height"), f"{receipt['height']} · {receipt['block_time']}"))
        rows += [(say("事件", "event"), f"{event['name']} {event['entity']}") for event in receipt["events"]]
    if answer.get("hash"):
        rows.append((say("摘要", "hash"), answer["hash"].hex()))
    if answer.get("replayed"):
        rows.append((say("重复提交", "replayed"), say("是", "yes")))
    if "took_ms" in answer:
        rows.append((say("用时", "took"), f"{answer['took_ms']:.0f} ms"))
    return rows


def _raise_failed(answer: dict[str, Any]) -> None:
    receipt = answer.get("receipt")
    if receipt and receipt["code"]:
        raise error_of(receipt["code"], say("已上链但执行失败", "on the chain, but it failed"), receipt["rule"])


@application.command("get", help=two("交易的状态、内容与回执", "state, content and receipt of a transaction"))
def get(tx_id: TxIdArgument, node: NodeOption = None, output: OutputOption = Format.table) -> None:
    url = node_url(node)
    found = get_json(url, f"/v1/txs/{tx_id}")
    if found["state"] in ("committed", "failed"):
        found["receipt"] = get_json(url, f"/v1/txs/{tx_id}/receipt")
    emit(
        output,
        found,
        lambda: value_table({**{k: v for k, v in found.items() if k not in ("tx", "receipt")}, **_flat(found)}),
    )


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    tx, receipt = found.get("tx") or {}, found.get("receipt") or {}
    shown = {
        k: tx[k] for k in ("sender", "application", "action", "payload", "payload_hex", "valid_until_height") if k in tx
    }
    return {**shown, **{k: receipt[k] for k in ("block_time", "steps", "events") if k in receipt}}


@application.command("wait", help=two("等一笔交易上链", "wait until a transaction is committed"))
def wait_for(
    tx_id: TxIdArgument, timeout: TimeoutOption = 30.0, node: NodeOption = None, output: OutputOption = Format.table
) -> None:
    url = node_url(node)
    deadline = time.monotonic() + timeout
    while True:
        left_ms = max(1, min(30_000, int((deadline - time.monotonic()) * 1e3)))
        found = get_json(url, f"/v1/txs/{tx_id}", wait="committed", timeout_ms=left_ms)
        if found["state"] in ("committed", "failed"):
            break
        if found["state"] in ("expired", "rejected"):
            raise error_of(found["code"], tx_id)
        if time.monotonic() >= deadline:
            raise Unavailable("TIMEOUT", f"{tx_id}: {found['state']}")
    answer = {"tx_id": tx_id, "state": found["state"], "receipt": get_json(url, f"/v1/txs/{tx_id}/receipt")}
    emit(output, answer, lambda: grid(_answer_rows(answer)))
    _raise_failed(answer)


@application.command(
    "batch",
    help=two(
        "提交一批交易：JSON 行文件，或 EPCIS 文档",
        "submit many transactions: a file of JSON lines, or an EPCIS document",
    ),
)
def batch(
    lines: Annotated[
        str | None,
        typer.Argument(
            metavar="@FILE|-",
            show_default=False,
            help=two(
                '每行一个 {"application","action","payload"[,"key"]}',
                'one {"application","action","payload"[,"key"]} a line',
            ),
        ),
    ] = None,
    epcis: Annotated[
        Path | None,
        typer.Option(
            "--epcis", exists=True, dir_okay=False, help=two("EPCIS 2.0 JSON-LD 文档", "EPCIS 2.0 JSON-LD document")
        ),
    ] = None,
    in_order: Annotated[
        bool,
        typer.Option(
            "--in-order",
            help=two(
                "前一笔上链后才发下一笔（EPCIS 总是如此）",
                "send each after the one before is committed (always so for EPCIS)",
            ),
        ),
    ] = False,
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 60.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    if (lines is None) == (epcis is None):
        raise typer.BadParameter(
            say("JSON 行文件与 --epcis 二选一", "want exactly one of a file of JSON lines and --epcis")
        )
    jobs = jobs_of_epcis(epcis) if epcis is not None else jobs_of_lines(read_argument(lines or ""))
    signers: dict[str | None, FileSigner] = {}
    for job in jobs:
        name = job.key or key
        if name not in signers:
            signers[name] = open_signer(key_path(name, key_dir), passphrase_fd)
    submission = Submission.to(node_url(node))
    started = time.monotonic()
    run = _in_order if in_order or epcis is not None else _together
    results = run(submission, jobs, [signers[job.key or key] for job in jobs], started + timeout)
    failed = [r for r in results if r["code"]]
    summary = {
        "count": len(results),
        "committed": len(results) - len(failed),
        "failed": len(failed),
        "took_ms": round((time.monotonic() - started) * 1e3, 1),
    }
    titles = [say("动作", "action"), say("交易", "tx"), say("高度", "height"), say("结果", "result")]
    rows = [
        [
            f"{r['application']} {r['action']}",
            r["tx_id"],
            r["height"] or "–",
            failure.line(r["code"], rule=r["rule"]) if r["code"] else "✓",
        ]
        for r in results
    ]
    emit(output, {"summary": summary, "results": results}, lambda: columns(titles, rows))
    if failed:
        raise typer.Exit(failure.exit_code(failed[0]["code"]))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notes(),
        transient=True,
    )


def _result(job: Job, tx: SignedTx, code: int, receipt: dict[str, Any] | None = None) -> dict[str, Any]:
    found = receipt or {}
    return {
        "application": job.ask.application,
        "action": job.ask.action,
        "tx_id": tx.tx_id.hex(),
        "height": found.get("height"),
        "code": code or found.get("code", 0),
        "rule": found.get("rule", ""),
    }


def _in_order(
    submission: Submission, jobs: list[Job], signers: list[FileSigner], deadline: float
) -> list[dict[str, Any]]:
    """Stops at the first that fails: what follows depends on it."""
    results: list[dict[str, Any]] = []
    with _bar() as bar:
        task = bar.add_task(say("提交", "submitting"), total=len(jobs))
        for job, signer in zip(jobs, signers, strict=True):
            tx = submission.sign(signer, [job.ask])[0]
            try:
                receipt = submission.send(tx, "committed", max(0.1, deadline - time.monotonic())).get("receipt")
            except Rejected as e:
                results.append(_result(job, tx, e.code, {"rule": e.rule}))
                break
            results.append(_result(job, tx, 0, receipt))
            if results[-1]["code"]:
                break
            bar.advance(task)
    return results


def _together(
    submission: Submission, jobs: list[Job], signers: list[FileSigner], deadline: float
) -> list[dict[str, Any]]:
    txs: list[SignedTx] = [
        tx for job, signer in zip(jobs, signers, strict=True) for tx in submission.sign(signer, [job.ask])
    ]
    codes: list[int] = []
    with _bar() as bar:
        task = bar.add_task(say("提交", "submitting"), total=len(txs))
        for start in range(0, len(txs), BATCH_COUNT):
            part = txs[start : start + BATCH_COUNT]
            codes += submission.send_batch(part)
            bar.advance(task, len(part))
        task = bar.add_task(say("等待上链", "waiting for blocks"), total=len(txs))
        results: list[dict[str, Any]] = []
        for job, tx, code in zip(jobs, txs, codes, strict=True):
            receipt: dict[str, Any] | None = None
            if code == 0:
                try:
                    receipt = submission.wait(tx.tx_id.hex(), deadline)["receipt"]
                except Rejected as e:
                    code = e.code
                except Unavailable:
                    code = CODES["TIMEOUT"]
            results.append(_result(job, tx, code, receipt))
            bar.advance(task)
    return results
