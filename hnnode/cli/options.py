"""Options that many verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hnnode.cli.language import two
from hnnode.cli.output import Format

OutputOption = Annotated[
    Format,
    typer.Option(
        "--output",
        "-o",
        help=two("输出格式：table 供人读，json 供程序读", "output format: table for people, json for programs"),
    ),
]


def optional(*names: str, metavar: str, help: str, **more: Any) -> Any:
    """An option that may be left out and then has no value of its own to show."""
    return typer.Option(*names, metavar=metavar, show_default=False, help=help, **more)


def example(*commands: str) -> str:
    """What stands below the options of a verb: commands as people type them, one a line."""
    lines = "\n".join(f"  {command}" for command in commands)
    return two(f"\b\n例：\n{lines}", f"\b\nexample:\n{lines}")  # \b: the lines are not filled


def existing(name: str, help: str) -> Any:
    """An option that names a file to read."""
    return optional(name, metavar="FILE", exists=True, dir_okay=False, help=help)


NodeOption = Annotated[
    str | None,
    optional(
        "--node",
        metavar="URL",
        help=two("节点地址，默认 http://127.0.0.1:20200", "node URL, default http://127.0.0.1:20200"),
    ),
]
HomeOption = Annotated[
    Path | None,
    optional(
        "--home", metavar="DIR", help=two("节点目录，默认 ~/.hnnode/node", "home of the node, default ~/.hnnode/node")
    ),
]
KeyDirOption = Annotated[
    Path | None,
    optional(
        "--key-dir", metavar="DIR", help=two("密钥目录，默认 ~/.hnnode/keys", "key folder, default ~/.hnnode/keys")
    ),
]
KeyOption = Annotated[
    str | None,
    optional(
        "--key",
        "-k",
        metavar="NAME|FILE",
        help=two("签名密钥：名称或文件，默认 $HNNODE_KEY", "signing key: name or file, default $HNNODE_KEY"),
    ),
]
PassphraseFdOption = Annotated[
    int | None,
    optional(
        "--passphrase-fd",
        metavar="FD",
        help=two(
            "从这个文件描述符读口令（一行），不询问",
            "read the passphrase (one line) from this descriptor instead of asking",
        ),
    ),
]
ChainIdOption = Annotated[
    str | None, optional("--chain-id", metavar="HEX", help=two("信任的链标识", "the chain id you trust"))
]
CountOption = Annotated[
    int | None,
    typer.Option("--count", min=1, show_default=False, help=two("显示这么多后结束", "end after so many")),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, max=600, help=two("最长等待秒数", "longest wait in seconds")),
]
