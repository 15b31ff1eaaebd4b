"""`hnnode plugin skip`: a transaction or a page of a migration that never ends, seen, signed by each validator, passed over by a
quorum.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from hnnode.cli.connection import get_json
from hnnode.cli.language import say, two
from hnnode.cli.options import HomeOption, NodeOption, OutputOption, TimeoutOption, example, optional
from hnnode.cli.output import Format, columns, emit, grid, notes
from hnnode.cli.session import node_home, node_url
from hnnode.cli.words import reason_text
from hnnode.config import load_config
from hnnode.errors import CODES, ConfigError, HnError
from hnnode.primitives.skip import EVERY_TX, Skip, Subject, page_id, unsigned
from hnnode.storage.home import Home

FILES_MAX = 256
application = typer.Typer(
    name="skip",
    help=two(
        "跳过使全链停住的交易，或放弃这样的迁移",
        "pass over what never ends and holds up the chain",
    ),
    no_args_is_help=True,
)

YesOption = Annotated[bool, typer.Option("--yes", "-y", help=two("不询问，直接执行", "do it without asking"))]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help=two("只显示，不执行", "show it and do nothing"))]


class SkipRefused(HnError):
    """The node, or the record itself, says no."""


def _hanging(url: str) -> list[dict[str, Any]]:
    """Entries of `plugin_troubles` that name the transaction."""
    return [each for each in get_json(url, "/v1/status")["plugin_troubles"] if each["tx_id"]]


def _home_url(place: Home, node: str | None) -> str:
    """The node of this home, unless another URL is given."""
    if node is not None:
        return node_url(node)
    gateway = load_config(place.config).gateway
    host = "127.0.0.1" if gateway.host in ("0.0.0.0", "::") else gateway.host
    return node_url(f"http://{host}:{gateway.port}")


def _rows(trouble: dict[str, Any]) -> list[tuple[str, Any]]:
    seconds = max(0, round(time.time() - trouble["since_ms"] / 1000))
    is_page = trouble["tx_id"] == page_id(trouble["height"], trouble["application"]).hex()
    return [
        (say("区块", "block"), f"{trouble['height']} · {trouble['block_hash']}"),
        (say("应用.动作", "application.action"), f"{trouble['application']}.{trouble['action']}"),
        (say("页", "page") if is_page else say("交易", "transaction"), trouble["tx_id"]),
        (say("已等待", "waits for"), f"{seconds} s · {reason_text(trouble['reason'])}"),
    ]


@application.command(
    "show", help=two("节点正卡在哪笔交易或迁移的哪一页上", "which transaction or page of a migration a node hangs at")
)
def show(node: NodeOption = None, output: OutputOption = Format.table) -> None:
    found = _hanging(node_url(node))
    titles = [
        say("高度", "height"),
        say("应用.动作", "application.action"),
        say("交易或页", "transaction or page"),
        say("原因", "reason"),
    ]
    rows = [[t["height"], f"{t['application']}.{t['action']}", t["tx_id"], reason_text(t["reason"])] for t in found]
    emit(output, {"hanging": found}, lambda: columns(titles, rows))


@application.command(
    "sign",
    help=two("以本节点密钥签署跳过，生成可传递的文件", "sign the skip with this node's key, into a file"),
    epilog=example(
        "hnnode plugin skip sign --dry-run --home net/node0",
        "hnnode plugin skip sign --home net/node0 --out node0.signed",
    ),
)
def sign(
    tx_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[TX]",
            show_default=False,
            help=two(
                "交易或页的编号（可只给开头），仅一处卡住时可省略",
                "id of the transaction or page (or its start); not needed when one hangs",
            ),
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help=two("跳过该应用在此区块中的全部交易", "skip all transactions of the application in this block"),
        ),
    ] = False,
    out: Annotated[
        Path | None,
        optional(
            "--out", metavar="FILE", help=two("签名文件的去处，默认当前目录", "where the file goes; default here")
        ),
    ] = None,
    home: HomeOption = None,
    node: NodeOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    timeout: TimeoutOption = 30.0,
    output: OutputOption = Format.table,
) -> None:
    """The running node signs, since it alone knows that it has no results of the block; afterwards it will not come to others."""
    from hnnode.governance.skips import name_of_skip, read_skip
    from hnnode.node.genesis import load_genesis
    from hnnode.node.skip_desk import SIGN

    place = Home(node_home(home))
    place.check()
    found = [each for each in _hanging(_home_url(place, node)) if each["tx_id"].startswith((tx_id or "").lower())]
    if len(found) != 1:
        detail = say(
            f"找到 {len(found)} 处卡住（hnnode plugin skip show），需恰好一处",
            f"found {len(found)} that hang (hnnode plugin skip show), want one",
        )
        raise ConfigError("PREREQUISITE_MISSING", detail)
    trouble = found[0]
    what = EVERY_TX if every else bytes.fromhex(trouble["tx_id"])
    genesis = load_genesis(place.genesis)
    subject = Subject(trouble["height"], bytes.fromhex(trouble["block_hash"]), trouble["application"], what)
    record = unsigned(genesis.chain_id, subject)
    preview = [*_rows(trouble), (say("跳过", "skips"), _what(record))]
    facts: dict[str, Any] = {"record": _facts(record), "hanging": trouble, "signed": False}
    if dry_run:
        emit(output, facts, lambda: grid(preview))
        return
    _confirm(
        preview,
        say(
            "签署后本节点不会再给出不跳过的结果，且不能撤回。签署？",
            "Once signed, this node gives no results without the skip, and nothing takes that back. Sign?",
        ),
        yes,
    )
    name = name_of_skip(record)
    _ask(place, name, SIGN, record, timeout)
    signed = read_skip(place.skips / f"{name}.signed")
    file = out or Path(f"{name}-{signed.signatures[0].validator[:8]}.signed")
    file.write_bytes(signed.encode())
    facts |= {"signed": True, "file": str(file), "validator": signed.signatures[0].validator}
    rows = [
        *preview,
        (say("签名文件", "file"), file),
        (say("下一步", "next"), f"hnnode plugin skip apply FILE… --home {place.root}"),
    ]
    emit(output, facts, lambda: grid(rows))


@application.command(
    "apply",
    help=two("合并验证者的签名文件，交给本节点", "gather signed files and give them to this node"),
    epilog=example("hnnode plugin skip apply *.signed --home net/node0"),
)
def apply(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help=two("签名文件", "files that were signed")),
    ],
    home: HomeOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    timeout: TimeoutOption = 30.0,
    output: OutputOption = Format.table,
) -> None:
    """Every file is checked before one of them counts: who sent a bad one is named."""
    from hnnode.governance.skips import gathered, name_of_skip, read_skip
    from hnnode.node.genesis import load_genesis
    from hnnode.node.skip_desk import APPLY

    place = Home(node_home(home))
    place.check()
    if len(files) > FILES_MAX:
        raise typer.BadParameter(say(f"最多 {FILES_MAX} 个文件", f"at most {FILES_MAX} files"), param_hint="FILE")
    genesis = load_genesis(place.genesis)
    skips = []
    for file in files:
        try:
            skips.append(read_skip(file))
            skips[-1].power(genesis.validators, genesis.chain_id)
        except HnError as e:
            raise SkipRefused(e.info.name, f"{file}: {e.detail}") from e
    record, power = gathered(skips, genesis.validators, genesis.chain_id)
    rows = [
        (say("区块", "block"), f"{record.height} · {record.block_hash}"),
        (say("应用", "application"), record.application),
        (say("跳过", "skips"), _what(record)),
        (say("签名", "signed by"), ", ".join(_signer(each.validator, genesis.names) for each in record.signatures)),
        (say("权重", "power"), f"{power} / {genesis.validators.quorum}"),
    ]
    facts: dict[str, Any] = {
        "record": _facts(record),
        "signers": [each.validator for each in record.signatures],
        "power": power,
        "power_needed": genesis.validators.quorum,
        "applied": False,
    }
    if dry_run:
        emit(output, facts, lambda: grid(rows))
        return
    record.check(genesis.validators, genesis.chain_id)
    _confirm(rows, say("交给本节点？", "Give it to this node?"), yes)
    _ask(place, name_of_skip(record), APPLY, record, timeout)
    facts["applied"] = True
    rows.append((say("结果", "result"), say("节点已收下", "the node has taken it")))
    emit(output, facts, lambda: grid(rows))


def _confirm(rows: list[tuple[str, Any]], question: str, yes: bool) -> None:
    if not yes:
        notes().print(grid(rows))
        typer.confirm(question, abort=True, err=True)


def _ask(place: Home, name: str, suffix: str, record: Skip, timeout: float) -> None:
    from hnnode.node.skip_desk import ask

    answer = ask(place.skips, name, suffix, record, timeout)
    if answer is None:
        detail = say(f"{place.root} 的节点没有应答", f"the node of {place.root} does not answer; does it run?")
        raise ConfigError("PREREQUISITE_MISSING", detail)
    if answer.name != "OK":
        raise SkipRefused(answer.name if answer.name in CODES else "INTERNAL_ERROR", answer.detail)


def _what(record: Skip) -> str:
    if record.subject.tx_id == EVERY_TX:
        return say(
            f"{record.application} 在此区块中的全部交易", f"all transactions of {record.application} in this block"
        )
    if record.subject.tx_id == page_id(record.height, record.application):
        return say(
            f"{record.application} 的迁移：尚未写入时旧版本继续运行，否则应用停用，直到一次升级将其修复",
            f"the migration of {record.application}: the old version runs on when nothing was written yet, else the application is "
            "disabled until an upgrade repairs it",
        )
    return record.tx_id


def _signer(account: str, names: dict[bytes, str]) -> str:
    return names.get(bytes.fromhex(account)) or account[:8]


def _facts(record: Skip) -> dict[str, Any]:
    return {
        "height": record.height,
        "block_hash": record.block_hash,
        "application": record.application,
        "tx_id": record.tx_id,
        "all": record.subject.tx_id == EVERY_TX,
    }
