"""`hnnode plugin diff`: what two nodes had different after one block, from the file that a node kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hnnode.cli.language import say, two
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format, columns, console, emit
from hnnode.errors import ConfigError
from hnnode.node.differences import summary

FILE_BYTES_MAX = 256 * 1024 * 1024
_FIELDS = ("code", "rule", "steps", "events", "write_set_digest")
_SHOWN_CHARS = 60


def diff(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help=two("节点目录下 data/differences 中的文件", "a file of data/differences in a home")
        ),
    ],
    output: OutputOption = Format.table,
) -> None:
    document = read(file)
    if output is Format.json:
        emit(output, {"summary": summary(document), **document}, lambda: "")
        return
    console().print(f"{say('高度', 'height')} {document['height']}  {say('对方', 'peer')} {document['peer'][:16]}")
    console().print(summary(document))
    console().print()
    console().print(columns(_tx_titles(), [row for each in document["transactions"] for row in _tx_rows(each)]))
    if document["keys"]:
        console().print()
        titles = [say("应用", "application"), say("键", "key"), say("本节点", "this node"), say("对方", "peer")]
        console().print(columns(titles, [_key_row(each) for each in document["keys"]]))
    for count, listed, what in (
        (document["transaction_count"], document["transactions"], say("笔交易", "transactions")),
        (document["key_count"], document["keys"], say("个键", "keys")),
    ):
        if count is not None and count > len(listed):
            console().print(say(f"另有 {count - len(listed)} {what}不同", f"{count - len(listed)} more {what} differ"))


def read(file: Path) -> dict[str, Any]:
    """Raises ConfigError (PREREQUISITE_MISSING) for a file that is not there or is something else."""
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError("PREREQUISITE_MISSING", f"{file}: larger than {FILE_BYTES_MAX} bytes")
        document: dict[str, Any] = json.loads(file.read_bytes())
        summary(document)
        for transaction in document["transactions"]:
            list(_tx_rows(transaction))
        for key in document["keys"]:
            _key_row(key)
        return document
    except OSError as e:
        raise ConfigError("PREREQUISITE_MISSING", f"{file}: {e.strerror}") from e
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
        raise ConfigError("PREREQUISITE_MISSING", f"{file}: not a file of differences: {type(e).__name__} {e}") from e


def _tx_titles() -> list[str]:
    return [
        say("序号", "index"),
        say("应用.动作", "application.action"),
        say("交易", "transaction"),
        say("项", "field"),
        say("本节点", "this node"),
        say("对方", "peer"),
    ]


def _tx_rows(transaction: dict[str, Any]) -> list[list[str]]:
    own, other = transaction["own"], transaction["other"]
    head = [
        str(transaction["index"]),
        f"{transaction['application']}.{transaction['action']}",
        transaction["tx_id"][:16],
    ]
    if own is None or other is None:
        absent = say("无", "absent")
        return [[*head, say("回执", "receipt"), absent if own is None else "…", absent if other is None else "…"]]
    changed = [name for name in _FIELDS if own[name] != other[name]]
    rows = [["", "", "", name, _short(own[name]), _short(other[name])] for name in changed]
    if rows:
        rows[0][:3] = head
    return rows


def _key_row(key: dict[str, Any]) -> list[str]:
    def side(name: str) -> str:
        if name not in key:
            return say("未写", "not written")
        return say("删除", "deleted") if key[name] is None else _short(key[name])

    return [key["application"], _short(key["key"]), side("own"), side("other")]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
