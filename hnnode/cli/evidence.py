"""`hnnode evidence`: preserve, co-sign, take to court, certify; check a certificate offline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from hnnode.certificate.page import STATES
from hnnode.cli import failure, words
from hnnode.cli.connection import open_client
from hnnode.cli.language import current, say, two
from hnnode.cli.options import (
    ChainIdOption,
    KeyDirOption,
    KeyOption,
    NodeOption,
    OutputOption,
    PassphraseFdOption,
    TimeoutOption,
    existing,
    optional,
)
from hnnode.cli.output import Format, columns, console, emit, grid, notes, value_table
from hnnode.cli.passphrase import open_signer
from hnnode.cli.session import account_named, key_path, node_url
from hnnode.client import Client, Policy, TxResult, certificate_page, verify_certificate
from hnnode.primitives.file_hash import ALGORITHMS, hash_content
from hnnode.primitives.hex_text import decode_account, decode_hash

application = typer.Typer(
    name="evidence",
    help=two("司法存证：存证、会签、证明书", "evidence: preserve, co-sign, certify"),
    no_args_is_help=True,
)

HASH_DIGITS, ACCOUNT_DIGITS = 64, 40
Subject = Annotated[
    str,
    typer.Argument(
        metavar="FILE|HASH", help=two("文件，或其摘要（64 位十六进制）", "a file, or its hash in 64 digits")
    ),
]
Case = Annotated[str, typer.Argument(metavar="CASE", help=two("事务标识，64 位十六进制", "id of the case, 64 digits"))]
Algorithm = Annotated[
    str, typer.Option("--algorithm", metavar="sm3|sha256", help=two("文件的摘要算法", "hash of the file"))
]
Owner = Annotated[
    str | None,
    optional(
        "--owner",
        metavar="ACCOUNT|KEY",
        help=two("存证账户；只有一个时可省略", "account that preserved it; may be left out when there is only one"),
    ),
]
Accounts = Annotated[
    list[str] | None,
    optional(
        "--account", metavar="ACCOUNT|KEY", help=two("可计入的会签账户，可重复", "account that counts, repeatable")
    ),
]
Roles = Annotated[
    list[str] | None,
    optional("--role", metavar="ROLE", help=two("可计入的会签角色，可重复", "role that counts, repeatable")),
]


def digest_of(subject: str, algorithm: str = "sm3") -> bytes:
    """Hash of a file, or the hash itself."""
    if algorithm not in ALGORITHMS:
        raise typer.BadParameter(f"{algorithm!r}: {' | '.join(ALGORITHMS)}", param_hint="--algorithm")
    path = Path(subject)
    if len(subject) != HASH_DIGITS or path.exists():
        if not path.is_file():
            raise typer.BadParameter(say(f"{subject}：既不是文件也不是摘要", f"{subject}: neither a file nor a hash"))
        return hash_content(path, [algorithm])[0][algorithm]
    return decode_hash(subject, "HASH")


def account_of_text(text: str, key_dir: Path | None) -> bytes:
    return decode_account(text, "ACCOUNT") if len(text) == ACCOUNT_DIGITS else account_named(text, key_dir)


def accounts_of_texts(texts: list[str] | None, key_dir: Path | None) -> list[bytes]:
    return [account_of_text(text, key_dir) for text in texts or []]


def owner_of(client: Client, digest: bytes, owner: str | None, key_dir: Path | None) -> bytes:
    """The account given, or the only one that preserved the hash."""
    if owner is not None:
        return account_of_text(owner, key_dir)
    found = sorted({item["owner"] for item in client.evidence.find(digest=digest)})
    if len(found) != 1:
        listed = ", ".join(found) or say("无", "none")
        hint = say(f"请用 --owner 指定存证账户：{listed}", f"name the account with --owner: {listed}")
        raise typer.BadParameter(hint, param_hint="--owner")
    return bytes.fromhex(found[0])


@contextmanager
def writer(
    key: str | None, key_dir: Path | None, passphrase_fd: int | None, node: str | None, timeout: float
) -> Iterator[Client]:
    with open_client(node_url(node), open_signer(key_path(key, key_dir), passphrase_fd), timeout) as client:
        yield client


def told(output: Format, result: TxResult, **more: str) -> None:
    """What became of a write."""
    facts: dict[str, Any] = {**more, **msgspec.to_builtins(result)}
    rows: list[tuple[str, Any]] = list(words.facts(more.items()))
    rows += [(say("交易", "tx"), result.tx_id), (say("状态", "state"), words.state_name(result.state))]
    if result.receipt is not None:
        rows.append((say("高度", "height"), f"{result.receipt.height} · {result.receipt.block_time}"))
        rows += [(say("事件", "event"), f"{event.name} {event.entity}") for event in result.receipt.events]
    emit(output, facts, lambda: grid(rows))


@application.command(
    "preserve", help=two("对文件存证，可连同取证环境", "preserve a file, with its circumstances if given")
)
def preserve(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help=two("文件", "file"))],
    algorithm: Algorithm = "sm3",
    name: Annotated[
        str | None, optional("--name", metavar="TEXT", help=two("名称，默认为文件名", "name, default the file's"))
    ] = None,
    previous: Annotated[
        str | None, optional("--previous", metavar="HASH", help=two("所续的存证", "record that this one continues"))
    ] = None,
    mime: Annotated[str | None, optional("--mime", metavar="TYPE", help=two("媒体类型", "media type"))] = None,
    collector: Annotated[
        str | None,
        optional(
            "--collector",
            metavar="TEXT",
            help=two("采集工具或单位，不写人名", "tool or organisation that collected, never a person"),
        ),
    ] = None,
    environment: Annotated[
        str | None,
        optional(
            "--environment",
            metavar="FILE|HASH",
            help=two("取证环境的描述或其 SM3", "description of the environment, or its SM3"),
        ),
    ] = None,
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 30.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    digest = digest_of(str(file), algorithm)
    earlier = None if previous is None else decode_hash(previous, "--previous")
    named = file.name if name is None else name
    with writer(key, key_dir, passphrase_fd, node, timeout) as client:
        if mime is None and collector is None and environment is None:
            result = client.evidence.preserve(file, algorithm=algorithm, name=named, previous=earlier)
        else:
            facts = None if environment is None else digest_of(environment)
            result = client.evidence.collect(
                file,
                algorithm=algorithm,
                name=named,
                previous=earlier,
                mime=mime,
                collector=collector,
                environment=facts,
            )
    told(output, result, hash=digest.hex())


@application.command("cosign", help=two("会签一条存证", "co-sign a record"))
def cosign(
    subject: Subject,
    owner: Owner = None,
    role: Annotated[
        str | None, optional("--role", metavar="ROLE", help=two("以此角色会签", "co-sign in this role"))
    ] = None,
    algorithm: Algorithm = "sm3",
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 30.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    digest = digest_of(subject, algorithm)
    with writer(key, key_dir, passphrase_fd, node, timeout) as client:
        result = client.evidence.cosign(digest, owner_of(client, digest, owner, key_dir), role=role)
    told(output, result)


@application.command("policy", help=two("设定一条存证所需的会签", "say which co-signatures an own record needs"))
def policy(
    subject: Subject,
    needed: Annotated[int, typer.Argument(metavar="K", min=1, max=16, help=two("至少几个会签", "how many at least"))],
    account: Accounts = None,
    role: Roles = None,
    algorithm: Algorithm = "sm3",
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 30.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    asked = Policy(needed, accounts_of_texts(account, key_dir), role or [])
    with writer(key, key_dir, passphrase_fd, node, timeout) as client:
        result = client.evidence.set_policy(digest_of(subject, algorithm), asked)
    told(output, result)


@application.command("correct", help=two("把一条存证更正为另一条", "say that one own record corrects another"))
def correct(
    subject: Subject,
    by: Annotated[
        str, typer.Argument(metavar="BY", help=two("更正后的文件或摘要", "the file, or hash, that is right"))
    ],
    algorithm: Algorithm = "sm3",
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    timeout: TimeoutOption = 30.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    with writer(key, key_dir, passphrase_fd, node, timeout) as client:
        result = client.evidence.link_correction(digest_of(subject, algorithm), digest_of(by, algorithm))
    told(output, result)


@application.command("status", help=two("一条存证的全过程", "the life of a record"))
def status(
    subject: Subject,
    owner: Owner = None,
    algorithm: Algorithm = "sm3",
    key_dir: KeyDirOption = None,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    digest = digest_of(subject, algorithm)
    with open_client(node_url(node)) as client:
        found = client.evidence.status(digest, owner_of(client, digest, owner, key_dir))
    emit(output, found, lambda: value_table(found))


@application.command(
    "certificate",
    help=two("获取证明书：可打印的页面与可离线核验的文件", "fetch a certificate: a page to print and a file to verify"),
)
def certificate(
    subject: Subject,
    owner: Owner = None,
    case: Annotated[
        str | None, optional("--case", metavar="CASE", help=two("连同在此事务中的状态", "with its place in this case"))
    ] = None,
    to: Annotated[
        Path | None,
        optional(
            "--to",
            metavar="NAME",
            help=two(
                "文件名（不含扩展名），默认为摘要前 16 位", "name without suffix, default the hash's first 16 digits"
            ),
        ),
    ] = None,
    algorithm: Algorithm = "sm3",
    key_dir: KeyDirOption = None,
    timeout: TimeoutOption = 10.0,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    digest = digest_of(subject, algorithm)
    which = None if case is None else decode_hash(case, "--case")
    with open_client(node_url(node), timeout_s=timeout) as client:
        data = client.evidence.certificate(digest, owner_of(client, digest, owner, key_dir), case=which)
        found = client.evidence.verify_certificate(data)
    facts = found.require()
    place = to or Path(digest.hex()[:16])
    file, page = place.with_name(f"{place.name}.hncert"), place.with_name(f"{place.name}.html")
    file.write_bytes(data)
    page.write_bytes(certificate_page(facts, data))
    summary = {**found.to_json()["certificate"], "file": str(file), "page": str(page)}
    shown = [
        (say("状态", "state"), say(STATES[facts.state][0], facts.state)),
        (say("证明文件", "file"), file),
        (say("页面", "page"), page),
    ]
    emit(output, summary, lambda: grid(shown))


@application.command(
    "verify", help=two("离线核验证明书或其页面，不需要节点", "verify a certificate or its page offline, no node needed")
)
def verify(
    proof: Annotated[
        Path,
        typer.Argument(
            metavar="CERTIFICATE", exists=True, dir_okay=False, help=two("证明文件或页面", "its file or its page")
        ),
    ],
    file: Annotated[
        Path | None,
        existing("--file", two("所证明的文件", "the file it is about")),
    ] = None,
    chain_id: ChainIdOption = None,
    output: OutputOption = Format.table,
) -> None:
    trusted = None if chain_id is None else decode_hash(chain_id, "--chain-id")
    found = verify_certificate(proof, file, trusted)
    data = found.to_json()
    rows = [["✓" if r["passed"] else "✗", r["name"], r[f"message_{current()}"]] for r in data["reasons"]]
    emit(output, data, lambda: columns(["", say("检查", "check"), say("结果", "result")], rows))
    if output is Format.table:
        text = (
            say("证明成立", "OK, the certificate holds")
            if found.valid
            else say("证明不成立", "the certificate does NOT hold")
        )
        console().print(text, style="bold green" if found.valid else "bold red")
        if file is None and found.valid:
            notes().print(say("未与文件核对：请用 --file", "no file was compared: give it with --file"))
    if not found.valid:
        raise typer.Exit(failure.exit_code(found.code))
