"""`hnnode tx`: sign, submit, look up, wait."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
import typer

from hnnode.cli import failure
from hnnode.cli.connection import get_json, open_client
from hnnode.cli.jobs import Job, jobs_of_document, jobs_of_epcis, jobs_of_lines
from hnnode.cli.language import say, two
from hnnode.cli.options import (
    KeyDirOption,
    KeyOption,
    NodeOption,
    OutputOption,
    PassphraseFdOption,
    TimeoutOption,
    existing,
)
from hnnode.cli.output import Format, columns, emit, grid, progress_bar, value_table
from hnnode.cli.passphrase import open_signer
from hnnode.cli.payload import read_argument, read_json_argument
from hnnode.cli.session import account_named, key_names, key_path, node_url
from hnnode.cli.words import state_name
from hnnode.client import Client, FileSigner, Receipt, SignedTx, TxFailed, TxRefused, TxResult
from hnnode.primitives.file_hash import ALGORITHMS, hash_content

application = typer.Typer(name="tx", help=two("交易", "transactions"), no_args_is_help=True)

Wait = Literal["none", "accepted", "committed"]
WAITS = ("none", "accepted", "committed")
NAME_CHARS_MAX = 200
TxIdArgument = Annotated[
    str,
    typer.Argument(metavar="TX_ID", help=two("交易标识，64 位十六进制", "transaction id, 64 hexadecimal digits")),
]


def preserve_payload(file: Path, algorithm: str) -> bytes:
    """Payload of `evidence preserve` for a file; the file itself stays where it is."""
    hashes, size = hash_content(file, [algorithm])
    name = file.name[:NAME_CHARS_MAX]
    return msgspec.json.encode({"hash": hashes[algorithm].hex(), "algorithm": algorithm, "size": size, "name": name})


@application.command("submit", help=two("签名并提交一笔交易", "sign and submit a transaction"))
def submit(
    app: Annotated[str, typer.Argument(metavar="APP", help=two("应用", "application"))],
    action: Annotated[str, typer.Argument(metavar="ACTION", help=two("动作", "action"))],
    file: Annotated[
        Path | None,
        existing("--file", two("evidence preserve：对这个文件存证", "evidence preserve: the file to preserve")),
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
        str,
        typer.Option("--wait", metavar="none|accepted|committed", help=two("等待程度", "what to wait for")),
    ] = "committed",
    timeout: TimeoutOption = 30.0,
    valid_blocks: Annotated[
        int | None,
        typer.Option(
            "--valid-blocks",
            min=1,
            show_default=False,
            help=two("再过多少个区块仍可上链", "may be included within so many blocks"),
        ),
    ] = None,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    if wait not in WAITS:
        raise typer.BadParameter(f"{wait!r}: {' | '.join(WAITS)}", param_hint="--wait")
    if (file is None) == (payload is None):
        raise typer.BadParameter(say("--file 与 --payload 二选一", "want exactly one of --file and --payload"))
    if file is not None and (app, action) != ("evidence", "preserve"):
        hint = say("--file 只用于 evidence preserve", "--file is for evidence preserve")
        raise typer.BadParameter(hint, param_hint="--file")
    if algorithm not in ALGORITHMS:
        raise typer.BadParameter(f"{algorithm!r}: {' | '.join(ALGORITHMS)}", param_hint="--algorithm")
    data = preserve_payload(file, algorithm) if file is not None else read_json_argument(payload or "", "--payload")
    signer = open_signer(key_path(key, key_dir), passphrase_fd)
    with open_client(node_url(node), signer, timeout) as client:
        tx = client.sign(app, action, [data], valid_for_blocks=valid_blocks)[0]
        started = time.monotonic()
        failed: TxFailed | None = None
        try:
            result = client.send(tx, wait=cast(Wait, wait))
        except TxFailed as e:
            failed = e
            result = TxResult(tx.tx_id.hex(), "failed", receipt=e.receipt)
    answer = _result_facts(result)
    answer["took_ms"] = round((time.monotonic() - started) * 1e3, 1)
    answer["account"] = signer.account.hex()
    if file is not None:
        answer["hash"] = msgspec.json.decode(data)["hash"]
    emit(output, answer, lambda: grid(_rows(answer)))
    if failed is not None:
        raise failed


def _result_facts(result: TxResult) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(result)
    return facts


def _rows(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        (say("交易", "tx"), answer["tx_id"]),
        (say("状态", "state"), state_name(answer["state"])),
    ]
    receipt = answer.get("receipt")
    if receipt:
        rows.append((say("高度", "height"), f"{receipt['height']} · {receipt['block_time']}"))
        rows += [(say("事件", "event"), f"{event['name']} {event['entity']}") for event in receipt["events"]]
    if "hash" in answer:
        rows.append((say("摘要", "hash"), answer["hash"]))
    if answer.get("replayed"):
        rows.append((say("重复提交", "replayed"), say("是", "yes")))
    if "took_ms" in answer:
        rows.append((say("用时", "took"), f"{answer['took_ms']:.0f} ms"))
    return rows


@application.command("get", help=two("交易的状态、内容与回执", "state, content and receipt of a transaction"))
def get(tx_id: TxIdArgument, node: NodeOption = None, output: OutputOption = Format.table) -> None:
    url = node_url(node)
    found = get_json(url, f"/v1/txs/{tx_id}")
    if found["state"] in ("committed", "failed"):
        found["receipt"] = get_json(url, f"/v1/txs/{tx_id}/receipt")
    emit(output, found, lambda: value_table(_flat(found)))


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    tx, receipt = found.get("tx") or {}, found.get("receipt") or {}
    flat = {name: value for name, value in found.items() if name not in ("tx", "receipt")}
    shown = ("sender", "application", "action", "payload", "payload_hex", "valid_until_height")
    flat |= {name: tx[name] for name in shown if tx.get(name) is not None}
    return flat | {name: receipt[name] for name in ("block_time", "steps", "events") if name in receipt}


@application.command("wait", help=two("等一笔交易上链", "wait until a transaction is committed"))
def wait_for(
    tx_id: TxIdArgument, timeout: TimeoutOption = 30.0, node: NodeOption = None, output: OutputOption = Format.table
) -> None:
    failed: TxFailed | None = None
    with open_client(node_url(node), timeout_s=timeout) as client:
        try:
            receipt: Receipt = client.wait(tx_id)
        except TxFailed as e:
            failed, receipt = e, e.receipt
    answer = _result_facts(TxResult(tx_id, receipt.status, receipt=receipt))
    emit(output, answer, lambda: grid(_rows(answer)))
    if failed is not None:
        raise failed


@application.command(
    "batch",
    help=two(
        "提交一批交易：JSON 行文件，或可导入的文档", "submit many transactions: JSON lines, or a document to import"
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
        existing(
            "--epcis",
            two(
                "EPCIS 2.0 JSON-LD 文档；每步由其角色的密钥签名",
                "EPCIS 2.0 JSON-LD document; each step is signed by the key of its role",
            ),
        ),
    ] = None,
    read_as: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="APP:FORMAT",
            show_default=False,
            help=two(
                "@FILE 为该应用可导入的文档，如 medical:relation；每步由其角色的密钥签名",
                "@FILE is a document that the application imports, such as medical:relation; each step is signed by the "
                "key of its role",
            ),
        ),
    ] = None,
    sign_as: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="ROLE=KEY",
            help=two(
                "导入时：某角色用哪个密钥，默认与角色同名",
                "of an import: the key of a role, default the key of its name",
            ),
        ),
    ] = None,
    in_order: Annotated[
        bool,
        typer.Option(
            "--in-order",
            help=two(
                "前一笔上链后才发下一笔（导入总是如此）",
                "send each after the one before is committed (always so for imports)",
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
        hint = say("JSON 行文件与 --epcis 二选一", "want exactly one of a file of JSON lines and --epcis")
        raise typer.BadParameter(hint)
    signers: dict[str, FileSigner] = {}

    def signer_of(name: str | None) -> FileSigner:
        path = key_path(name or key, key_dir)
        if str(path) not in signers:
            signers[str(path)] = open_signer(path, passphrase_fd)
        return signers[str(path)]

    imported = epcis is not None or read_as is not None
    if imported:
        keys = {name: name for name in key_names(key_dir)} | _pairs(sign_as or [])
        accounts = {role: account_named(name, key_dir) for role, name in keys.items()}
        if epcis is not None:
            jobs = jobs_of_epcis(epcis, accounts)
        else:
            importer, _, form = (read_as or "").partition(":")
            jobs = jobs_of_document(read_argument(lines or ""), accounts, importer, form)
        jobs = [replace(job, key=keys.get(job.key or "", job.key)) for job in jobs]
    else:
        jobs = jobs_of_lines(read_argument(lines or ""))
    started = time.monotonic()
    run = _in_order if in_order or imported else _together
    with open_client(node_url(node), timeout_s=timeout) as client:
        results = run(client, jobs, [signer_of(job.key) for job in jobs], started + timeout)
    failed = [r for r in results if r["code"]]
    summary = {
        "count": len(jobs),
        "committed": sum(r["height"] is not None and not r["code"] for r in results),
        "failed": len(failed),
        "took_ms": round((time.monotonic() - started) * 1e3, 1),
    }
    titles = [say("动作", "action"), say("交易", "tx"), say("高度", "height"), say("结果", "result")]
    emit(output, {"summary": summary, "results": results}, lambda: columns(titles, map(_batch_row, results)))
    if failed:
        raise typer.Exit(failure.exit_code(failed[0]["code"]))
    if summary["committed"] < len(jobs):
        raise typer.Exit(failure.TIMEOUT)


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        role, separator, name = text.partition("=")
        if not (role and separator and name):
            raise typer.BadParameter(f"{text!r}: ROLE=KEY", param_hint="--as")
        found[role] = name
    return found


def _batch_row(result: dict[str, Any]) -> list[Any]:
    if result["code"]:
        outcome = failure.line(result["code"], rule=result["rule"])
    else:
        outcome = "✓" if result["height"] is not None else result["state"]
    return [f"{result['application']} {result['action']}", result["tx_id"], result["height"] or "–", outcome]


def _outcome(
    job: Job, tx: SignedTx, state: str, code: int = 0, rule: str = "", height: int | None = None
) -> dict[str, Any]:
    return {
        "application": job.application,
        "action": job.action,
        "tx_id": tx.tx_id.hex(),
        "state": state,
        "height": height,
        "code": code,
        "rule": rule,
    }


def _in_order(
    client: Client, jobs: Sequence[Job], signers: Sequence[FileSigner], deadline: float
) -> list[dict[str, Any]]:
    """Stops at the first that fails: what follows depends on it."""
    results: list[dict[str, Any]] = []
    with progress_bar() as bar:
        task = bar.add_task(say("提交", "submitting"), total=len(jobs))
        for job, signer in zip(jobs, signers, strict=True):
            tx = client.sign(job.application, job.action, [job.payload], signer)[0]
            try:
                found = client.send(tx, timeout_s=max(0.1, deadline - time.monotonic())).receipt
            except TxFailed as e:
                results.append(_outcome(job, tx, "failed", e.code, e.rule, e.receipt.height))
                break
            except TxRefused as e:
                results.append(_outcome(job, tx, "rejected", e.code, e.rule))
                break
            results.append(_outcome(job, tx, "committed", height=None if found is None else found.height))
            bar.advance(task)
    return results


def _together(
    client: Client, jobs: Sequence[Job], signers: Sequence[FileSigner], deadline: float
) -> list[dict[str, Any]]:
    with progress_bar() as bar:
        task = bar.add_task(say("签名", "signing"), total=len(jobs))
        txs: list[SignedTx] = []
        for job, signer in zip(jobs, signers, strict=True):
            txs += client.sign(job.application, job.action, [job.payload], signer)
            bar.advance(task)
        task = bar.add_task(say("提交并等待", "submitting, waiting"), total=None)
        items = client.send_many(txs, wait="committed", timeout_s=max(0.1, deadline - time.monotonic()))
        bar.update(task, total=1, completed=1)
    return [
        _outcome(job, tx, item.state, item.code, item.rule or "", item.height)
        for job, tx, item in zip(jobs, txs, items, strict=True)
    ]
