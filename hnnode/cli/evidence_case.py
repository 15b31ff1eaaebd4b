"""`hnnode case`: cases of evidence: open, advance, submit, examine, archive, show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hnnode.cli.connection import open_client
from hnnode.cli.evidence import (
    Accounts,
    Algorithm,
    Case,
    Owner,
    Roles,
    Subject,
    account_of_text,
    accounts_of_texts,
    digest_of,
    owner_of,
    told,
    writer,
)
from hnnode.cli.language import two
from hnnode.cli.options import (
    KeyDirOption,
    KeyOption,
    NodeOption,
    OutputOption,
    PassphraseFdOption,
    TimeoutOption,
    existing,
    optional,
)
from hnnode.cli.output import Format, emit, value_table
from hnnode.cli.session import node_url
from hnnode.client import Client, Policy, TxResult
from hnnode.primitives.hex_text import decode_hash

application = typer.Typer(
    name="case",
    help=two("司法存证的事务：提交、核验、归档", "cases of evidence: submit, examine, archive"),
    no_args_is_help=True,
)


@application.command("open", help=two("开立事务", "open a case"))
def open_(
    court: Annotated[
        str, typer.Argument(metavar="COURT", help=two("法院账户或密钥名", "account, or key, of the court"))
    ],
    name: Annotated[
        str | None, optional("--name", metavar="TEXT", help=two("名称，如案号", "name, such as its number"))
    ] = None,
    party: Annotated[
        list[str] | None,
        optional(
            "--party", metavar="ACCOUNT|KEY", help=two("可提交证据的当事方，可重复", "who may submit, repeatable")
        ),
    ] = None,
    phase: Annotated[
        list[str] | None,
        optional("--phase", metavar="TEXT", help=two("阶段，按次序，可重复", "a phase, in order, repeatable")),
    ] = None,
    needed: Annotated[
        int | None,
        typer.Option(
            "--needed",
            metavar="K",
            min=1,
            max=16,
            show_default=False,
            help=two("每条证据至少几个会签", "co-signatures every record needs"),
        ),
    ] = None,
    account: Accounts = None,
    role: Roles = None,
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 30.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    asked = None if needed is None else Policy(needed, accounts_of_texts(account, key_dir), role or [])
    parties = accounts_of_texts(party, key_dir)
    with writer(key, key_dir, passphrase_fd, node, timeout) as client:
        result = client.evidence.open_case(
            account_of_text(court, key_dir), name=name, parties=parties, phases=phase or [], policy=asked
        )
    told(output, result, case=result.tx_id)


@application.command("submit", help=two("向事务提交自己的存证", "submit an own record to a case"))
def submit(
    case: Case,
    subject: Subject,
    algorithm: Algorithm = "sm3",
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 30.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    with writer(key, key_dir, passphrase_fd, node, timeout) as client:
        result = client.evidence.submit_to_case(decode_hash(case, "CASE"), digest_of(subject, algorithm))
    told(output, result)


@application.command(
    "examine",
    help=two("法院核验：由所示文件得出一致或不一致", "the court's finding on a file as presented: match or mismatch"),
)
def examine(
    case: Case,
    subject: Annotated[str, typer.Argument(metavar="HASH", help=two("存证的摘要", "the preserved hash"))],
    file: Annotated[
        Path,
        existing("--file", two("当庭所示的文件", "the file as presented")),
    ],
    owner: Owner = None,
    report: Annotated[
        str | None, optional("--report", metavar="FILE|HASH", help=two("核验报告", "report of the finding"))
    ] = None,
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 30.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    digest = decode_hash(subject, "HASH")
    with writer(key, key_dir, passphrase_fd, node, timeout) as client:
        who = owner_of(client, digest, owner, key_dir)
        document = None if report is None else digest_of(report)
        result = client.evidence.verify_in_case(decode_hash(case, "CASE"), who, digest, file, report=document)
    told(output, result)


def _on_case(name: str, zh: str, en: str, act: Callable[[Client, bytes], TxResult]) -> None:
    @application.command(name, help=two(zh, en))
    def verb(
        case: Case,
        key: KeyOption = None,
        key_dir: KeyDirOption = None,
        passphrase_fd: PassphraseFdOption = None,
        timeout: TimeoutOption = 30.0,
        node: NodeOption = None,
        output: OutputOption = Format.table,
    ) -> None:
        with writer(key, key_dir, passphrase_fd, node, timeout) as client:
            result = act(client, decode_hash(case, "CASE"))
        told(output, result)


_on_case("advance", "进入下一阶段", "move to the next phase", lambda client, case: client.evidence.advance_case(case))
_on_case("archive", "归档", "archive", lambda client, case: client.evidence.archive_case(case))


@application.command("show", help=two("事务与其中的证据", "a case and what was submitted to it"))
def show(case: Case, node: NodeOption = None, output: OutputOption = Format.table) -> None:
    arguments = {"case": decode_hash(case, "CASE").hex()}
    with open_client(node_url(node)) as client:
        found = dict(client.query("evidence", "case", arguments).result)
        found["submitted"] = client.query("evidence", "case_items", arguments).result["items"]
    emit(output, found, lambda: value_table(found))
