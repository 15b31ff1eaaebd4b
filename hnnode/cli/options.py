"""Options that many verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
NodeOption = Annotated[
    str | None,
    typer.Option(
        "--node",
        metavar="URL",
        show_default=False,
        help=two("节点地址，默认 http://127.0.0.1:20200", "node URL, default http://127.0.0.1:20200"),
    ),
]
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        show_default=False,
        help=two("节点目录，默认 ~/.hnnode/node", "home of the node, default ~/.hnnode/node"),
    ),
]
KeyDirOption = Annotated[
    Path | None,
    typer.Option(
        "--key-dir",
        metavar="DIR",
        show_default=False,
        help=two("密钥目录，默认 ~/.hnnode/keys", "key folder, default ~/.hnnode/keys"),
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        "-k",
        metavar="NAME|FILE",
        show_default=False,
        help=two("签名密钥：名称或文件，默认 $HNNODE_KEY", "signing key: name or file, default $HNNODE_KEY"),
    ),
]
PassphraseFdOption = Annotated[
    int | None,
    typer.Option(
        "--passphrase-fd",
        metavar="FD",
        show_default=False,
        help=two(
            "从这个文件描述符读口令（一行），不询问",
            "read the passphrase (one line) from this descriptor instead of asking",
        ),
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, max=600, help=two("最长等待秒数", "longest wait in seconds")),
]
