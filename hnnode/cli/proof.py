"""`hnnode proof`: fetch a proof bundle, verify one offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hnnode.cli import failure
from hnnode.cli.connection import open_client
from hnnode.cli.language import current, say, two
from hnnode.cli.options import ChainIdOption, NodeOption, OutputOption, TimeoutOption, existing
from hnnode.cli.output import Format, columns, console, emit, notes
from hnnode.cli.session import node_url
from hnnode.cli.tx import TxIdArgument
from hnnode.primitives.hex_text import decode_hash
from hnnode.proofs import verify_file

application = typer.Typer(name="proof", help=two("证明", "proofs"), no_args_is_help=True)


@application.command("get", help=two("获取一笔交易的证明文件", "fetch the proof of a transaction"))
def get(
    tx_id: TxIdArgument,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            "-o",
            metavar="FILE",
            show_default=False,
            help=two(
                "写入的文件，默认为标识前 16 位加 .proof", "file to write, default the id's first 16 digits and .proof"
            ),
        ),
    ] = None,
    timeout: TimeoutOption = 10.0,
    node: NodeOption = None,
) -> None:
    decode_hash(tx_id, "TX_ID")
    with open_client(node_url(node), timeout_s=timeout) as client:
        bundle = client.proof(tx_id)
    path = to or Path(f"{tx_id[:16]}.proof")
    path.write_bytes(bundle)
    notes().print(say(f"已写入 {path}（{len(bundle)} 字节）", f"wrote {path} ({len(bundle)} bytes)"), markup=False)


@application.command("verify", help=two("离线核验证明文件，不需要节点", "verify a proof file offline, no node needed"))
def verify(
    proof: Annotated[
        Path, typer.Argument(metavar="PROOF", exists=True, dir_okay=False, help=two("证明文件", "proof file"))
    ],
    file: Annotated[
        Path | None,
        existing("--file", two("与存证核对的文件", "file to compare with the preserved hash")),
    ] = None,
    chain_id: ChainIdOption = None,
    output: OutputOption = Format.table,
) -> None:
    trusted = None if chain_id is None else decode_hash(chain_id, "--chain-id")
    verdict = verify_file(proof, file, trusted)
    data = verdict.to_json()
    rows = [["✓" if r["passed"] else "✗", r["name"], r[f"message_{current()}"]] for r in data["reasons"]]
    emit(output, data, lambda: columns(["", say("检查", "check"), say("结果", "result")], rows))
    if output is Format.table:
        text = say("证明成立", "OK, the proof holds") if verdict.valid else say("证明不成立", "the proof does NOT hold")
        console().print(text, style="bold green" if verdict.valid else "bold red")
    if not verdict.valid:
        raise typer.Exit(failure.exit_code(verdict.code))
