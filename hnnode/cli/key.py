"""`hnnode key`: SM2 keys of accounts, as encrypted PEM files of mode 600 in one folder."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from hnnode_native import SecretKey, account_of, public_key_to_pem, tagged_hash

from hnnode.cli import passphrase
from hnnode.cli.connection import get_json
from hnnode.cli.language import say, two
from hnnode.cli.options import KeyDirOption, NodeOption, OutputOption, PassphraseFdOption, optional
from hnnode.cli.output import Format, columns, emit, grid, notes
from hnnode.cli.session import key_dir, key_path, node_url
from hnnode.crypto import read_key_file, read_public_key_file, write_key_file, write_public_key_file
from hnnode.crypto.keys import generate_key
from hnnode.errors import ConfigError
from hnnode.primitives.hex_text import decode_hash

application = typer.Typer(name="key", help=two("账户密钥", "keys of accounts"), no_args_is_help=True)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=two("密钥名称", "name of the key"))]
PlainOption = Annotated[
    bool, typer.Option("--plain", help=two("不加密（只用于测试网络）", "do not encrypt (for test networks only)"))
]


def _place(name: str, directory: Path | None) -> Path:
    if not _NAME.fullmatch(name):
        detail = say(f"密钥名称 {name!r}：应为字母、数字、_、-", f"key name {name!r}: want letters, digits, _ and -")
        raise ConfigError("KEY_FILE_INVALID", detail)
    folder = key_dir(directory)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}.pem"


def save_key(path: Path, key: SecretKey, secret: str | None) -> dict[str, Any]:
    """Write NAME.pem and NAME.pub; the facts to print."""
    write_key_file(path, key, secret)
    public = path.with_suffix(".pub")
    public.unlink(missing_ok=True)  # a leftover of a removed key
    write_public_key_file(public, key.public_key())
    return _facts(path, key.public_key(), secret is not None)


def _facts(path: Path, public_key: bytes, encrypted: bool) -> dict[str, Any]:
    return {
        "name": path.stem,
        "account": account_of(public_key),
        "public_key": public_key,
        "encrypted": encrypted,
        "file": str(path),
    }


def _show(output: Format, facts: dict[str, Any]) -> None:
    rows = [
        (say("名称", "name"), facts["name"]),
        (say("账户", "account"), facts["account"].hex()),
        (say("公钥", "public key"), facts["public_key"].hex()),
        (say("加密", "encrypted"), say("是", "yes") if facts["encrypted"] else say("否", "no")),
        (say("文件", "file"), facts["file"]),
    ]
    emit(output, facts, lambda: grid(rows))


def _secret(path: Path, passphrase_fd: int | None) -> str | None:
    """What opens a key file; None for a plain one."""
    if not passphrase.is_encrypted(path):
        return None
    return passphrase.ask(say(f"{path.name} 的口令", f"passphrase of {path.name}"), passphrase_fd)


@application.command("new", help=two("生成新密钥", "make a new key"))
def new(
    name: NameArgument,
    plain: PlainOption = False,
    passphrase_fd: PassphraseFdOption = None,
    directory: KeyDirOption = None,
    output: OutputOption = Format.table,
) -> None:
    path = _place(name, directory)
    secret = None if plain else passphrase.ask_new(say("新密钥的口令", "passphrase of the new key"), passphrase_fd)
    _show(output, save_key(path, generate_key(), secret))


@application.command("list", help=two("列出密钥", "list the keys"))
def list_keys(directory: KeyDirOption = None, output: OutputOption = Format.table) -> None:
    found: list[dict[str, Any]] = []
    for path in sorted(key_dir(directory).glob("*.pem")):
        public = path.with_suffix(".pub")
        encrypted = passphrase.is_encrypted(path)
        key = read_public_key_file(public) if public.is_file() else None
        if key is None and not encrypted:
            key = read_key_file(path).public_key()
        account = None if key is None else account_of(key)
        found.append({"name": path.stem, "account": account, "encrypted": encrypted, "file": str(path)})
    titles = [say("名称", "name"), say("账户", "account"), say("加密", "encrypted"), say("文件", "file")]
    emit(
        output,
        {"keys": found},
        lambda: columns(
            titles,
            [
                [
                    k["name"],
                    "?" if k["account"] is None else k["account"].hex(),
                    say("是", "yes") if k["encrypted"] else say("否", "no"),
                    k["file"],
                ]
                for k in found
            ],
        ),
    )


@application.command("import", help=two("导入 PEM 私钥文件", "import a private key file (PEM)"))
def import_key(
    name: NameArgument,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help=two("PKCS#8 或 EC 私钥", "PKCS#8 or EC private key"))
    ],
    plain: PlainOption = False,
    passphrase_fd: PassphraseFdOption = None,
    directory: KeyDirOption = None,
    output: OutputOption = Format.table,
) -> None:
    path = _place(name, directory)
    if passphrase.is_encrypted(file):
        secret: str | None = passphrase.ask(say(f"{file.name} 的口令", f"passphrase of {file.name}"), passphrase_fd)
        key = read_key_file(file, secret)
    else:
        key = read_key_file(file)
        secret = (
            None
            if plain
            else passphrase.ask_new(say("新密钥文件的口令", "passphrase of the new key file"), passphrase_fd)
        )
    _show(output, save_key(path, key, None if plain else secret))


@application.command(
    "export",
    help=two("导出公钥（PEM）；--private 导出私钥", "export the public key (PEM); --private for the private key"),
)
def export(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help=two("密钥名称或文件", "key name or file"))],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            show_default=False,
            help=two("写入新文件，默认标准输出", "new file to write, default standard output"),
        ),
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private",
            help=two(
                "导出加密的私钥，口令不变；需要 --to",
                "export the encrypted private key under its passphrase; needs --to",
            ),
        ),
    ] = False,
    passphrase_fd: PassphraseFdOption = None,
    directory: KeyDirOption = None,
) -> None:
    path = key_path(name, directory)
    if private and to is None:
        raise typer.BadParameter(say("导出私钥需要 --to", "a private key needs --to"), param_hint="--to")
    public = path.with_suffix(".pub")
    if not private and public.is_file():
        public_key = read_public_key_file(public)
    else:
        secret = _secret(path, passphrase_fd)
        key = read_key_file(path, secret)
        public_key = key.public_key()
        if private and to is not None:
            write_key_file(to, key, secret)
    if to is None:
        sys.stdout.write(public_key_to_pem(public_key))
    else:
        if not private:
            write_public_key_file(to, public_key)
        notes().print(say(f"已写入 {to}", f"wrote {to}"), markup=False)


@application.command(
    "request",
    help=two(
        "生成账户登记申请，交给链的管理员提交",
        "make the request to register this key, for an administrator",
    ),
)
def request(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help=two("密钥名称或文件", "key name or file"))],
    organisation: Annotated[str, typer.Option("--organisation", help=two("机构名称", "name of the organisation"))],
    roles: Annotated[
        str,
        optional(
            "--roles", metavar="ROLE,ROLE", help=two("申请的角色，逗号分隔", "roles asked for, separated by commas")
        ),
    ] = "",
    chain_id: Annotated[
        str | None,
        optional("--chain-id", metavar="HEX", help=two("链标识，默认问节点", "chain id, default: ask a node")),
    ] = None,
    to: Annotated[
        Path | None,
        optional(
            "--to", metavar="FILE", help=two("写入新文件，默认标准输出", "new file to write, default standard output")
        ),
    ] = None,
    passphrase_fd: PassphraseFdOption = None,
    directory: KeyDirOption = None,
    node: NodeOption = None,
) -> None:
    """The payload of `identity register`: it proves that whoever asks holds the key of this account."""
    path = key_path(name, directory)
    chain = decode_hash(chain_id or get_json(node_url(node), "/v1/status")["chain_id"], "--chain-id")
    key = read_key_file(path, _secret(path, passphrase_fd))
    payload = {
        "public_key": key.public_key().hex(),
        "organisation": organisation,
        "roles": sorted(filter(None, roles.split(","))),
        "proof": key.sign(tagged_hash("hn/register/v1", chain + key.public_key())).hex(),
    }
    text = orjson.dumps(payload, option=orjson.OPT_INDENT_2) + b"\n"
    if to is None:
        sys.stdout.write(text.decode())
        return
    with to.open("xb") as file:
        file.write(text)
    notes().print(say(f"已写入 {to}", f"wrote {to}"), markup=False)
