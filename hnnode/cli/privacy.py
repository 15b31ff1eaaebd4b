"""`hnnode privacy`: references to people, commitments to records, disclosure of single fields. No node is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from hnnode.cli import failure, words
from hnnode.cli.language import say, two
from hnnode.cli.options import OutputOption, optional
from hnnode.cli.output import Format, columns, console, emit, grid
from hnnode.cli.payload import INPUT_BYTES_MAX, read_json_argument
from hnnode.client.privacy import (
    commit,
    create_domain_keys,
    decode_disclosure,
    decode_opening,
    personal_fields,
    read_domain_keys,
    rotate_domain_keys,
)
from hnnode.crypto.keys import create_secret_file
from hnnode.errors import CODES, Rejected
from hnnode.primitives.hex_text import decode_hash

application = typer.Typer(
    name="privacy", help=two("隐私：引用、承诺、披露", "privacy: references, commitments"), no_args_is_help=True
)

KeyFileArgument = Annotated[
    Path, typer.Argument(metavar="KEYFILE", help=two("域密钥文件", "file of the domain's keys"))
]
JsonArgument = Annotated[
    str, typer.Argument(metavar="JSON", help=two("JSON 对象、@文件或 -", "a JSON object, @FILE or -"))
]


@contextmanager
def _checked() -> Iterator[None]:
    """What a caller gave wrong is the caller's fault, with the code of a wrong parameter."""
    try:
        yield
    except ValueError as e:
        raise Rejected("PARAMETER_INVALID", str(e)) from e


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(INPUT_BYTES_MAX + 1)
    if len(data) > INPUT_BYTES_MAX:
        raise Rejected("PARAMETER_INVALID", f"{path}: longer than {INPUT_BYTES_MAX} bytes")
    return data


@application.command("commit", help=two("对记录的各字段作加盐承诺", "commit to the fields of a record, with salts"))
def commit_record(
    record: JsonArgument,
    opening: Annotated[
        Path,
        typer.Option(
            "--opening",
            metavar="FILE",
            help=two("值与盐写入此新文件，自行保管", "new file for values and salts; keep it"),
        ),
    ],
    schema: Annotated[str, typer.Option("--schema", metavar="NAME", help=two("记录类型", "kind of record"))],
    row_id: Annotated[str, typer.Option("--row-id", metavar="ID", help=two("记录编号", "id of the record"))],
    output: OutputOption = Format.table,
) -> None:
    fields = orjson.loads(read_json_argument(record, "JSON"))
    with _checked():
        made = commit(fields, schema, row_id)
    create_secret_file(opening, made.encode().decode("utf-8") + "\n")
    facts = {"root": made.root.hex(), "fields": len(made.fields), "opening": str(opening)}
    titles = {
        "root": say("承诺根", "root"),
        "fields": say("字段数", "fields"),
        "opening": say("原件", "opening"),
    }
    emit(output, facts, lambda: grid((titles[name], value) for name, value in facts.items()))


@application.command("disclose", help=two("披露记录的一个字段", "disclose one field of a record"))
def disclose(
    opening: Annotated[
        Path, typer.Argument(metavar="OPENING", exists=True, dir_okay=False, help=two("承诺的原件", "the opening"))
    ],
    field: Annotated[str, typer.Option("--field", metavar="NAME", help=two("字段", "the field"))],
    to: Annotated[
        Path | None,
        optional("--to", metavar="FILE", help=two("写入新文件，默认标准输出", "new file, default standard output")),
    ] = None,
) -> None:
    with _checked():
        shown = decode_opening(_read(opening)).disclose(field).encode() + b"\n"
    if to is None:
        sys.stdout.write(shown.decode("utf-8"))
    else:
        with to.open("xb") as file:
            file.write(shown)


@application.command("verify", help=two("离线核验披露的字段", "verify a disclosed field offline"))
def verify(
    disclosure: Annotated[
        Path, typer.Argument(metavar="DISCLOSURE", exists=True, dir_okay=False, help=two("披露文件", "the disclosure"))
    ],
    root: Annotated[
        str, typer.Option("--root", metavar="HEX", help=two("链上的承诺根", "the root that stands on the chain"))
    ],
    output: OutputOption = Format.table,
) -> None:
    with _checked():
        shown = decode_disclosure(_read(disclosure))
    valid = shown.holds(decode_hash(root, "--root"))
    data = {"valid": valid, "schema": shown.schema, "row_id": shown.row_id, "field": shown.field, "value": shown.value}
    rows = [(name, str(data[name])) for name in ("schema", "row_id", "field", "value")]
    emit(output, data, lambda: grid(words.facts(rows)))
    if output is Format.table:
        text = say("承诺相符", "OK, this was committed to") if valid else say("承诺不符", "this was NOT committed to")
        console().print(text, style="bold green" if valid else "bold red")
    if not valid:
        raise typer.Exit(failure.exit_code(CODES["PROOF_PATH"]))


@application.command("key", help=two("生成或轮换域密钥", "make a domain's key, or the key of the next epoch"))
def key(
    file: KeyFileArgument,
    domain: Annotated[
        str | None,
        optional("--domain", metavar="NAME", help=two("新文件的域名称", "name of the domain, for a new file")),
    ] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help=two("增加下一期密钥", "add the next epoch's key"))] = False,
    output: OutputOption = Format.table,
) -> None:
    if rotate == (domain is not None):
        raise typer.BadParameter(say("需要 --domain 或 --rotate 之一", "want one of --domain and --rotate"))
    keys = rotate_domain_keys(file) if domain is None else create_domain_keys(file, domain)
    facts = {"domain": keys.domain, "epoch": keys.epoch, "file": str(file)}
    emit(output, facts, lambda: grid(words.facts(facts.items())))


@application.command(
    "reference", help=two("由证件号等计算引用（从标准输入读取）", "the reference of a number, read from standard input")
)
def reference(
    file: KeyFileArgument,
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="NAME", help=two("号码种类，如 citizen", "what the number is, such as citizen")),
    ] = "citizen",
    epoch: Annotated[
        int | None,
        optional("--epoch", metavar="N", help=two("密钥期，默认最新", "epoch of the key, default the newest")),
    ] = None,
    output: OutputOption = Format.table,
) -> None:
    keys = read_domain_keys(file)
    # Never an argument: those stand in the shell's history and in the list of processes.
    typed = typer.prompt(say("号码", "number"), hide_input=True) if sys.stdin.isatty() else sys.stdin.readline(1024)
    with _checked():
        made = keys.reference(kind, str(typed).rstrip("\r\n"), epoch)
    facts = {"reference": made.hex(), "domain": keys.domain, "kind": kind, "epoch": int.from_bytes(made[:2], "big")}
    emit(output, facts, lambda: grid(words.facts(facts.items())))


@application.command("check", help=two("检查载荷中有无个人号码", "look for personal numbers in a payload"))
def check(payload: JsonArgument, output: OutputOption = Format.table) -> None:
    found = [
        {"place": place, "kind": kind}
        for place, kind in personal_fields(orjson.loads(read_json_argument(payload, "JSON")))
    ]
    titles = [say("位置", "place"), say("种类", "kind")]
    emit(output, {"found": found}, lambda: columns(titles, [[one["place"], one["kind"]] for one in found]))
    if found:
        raise typer.Exit(failure.exit_code(CODES["RULE_VIOLATION"]))
