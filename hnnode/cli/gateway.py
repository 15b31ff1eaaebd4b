"""`hnnode gateway`: a door of its own in front of one or several nodes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from hnnode.cli.language import two
from hnnode.cli.parent import ParentOption, StopWithParentOption, follow_parent
from hnnode.cli.session import node_url

DEFAULT_PORT = 20_700


def gateway(
    node: Annotated[
        list[str] | None,
        typer.Option(
            "--node",
            metavar="URL",
            show_default=False,
            help=two(
                "节点地址；可重复，前一个不可用时用后一个，默认 http://127.0.0.1:20200",
                "node URL; repeat it for more to fall back on, in order, default http://127.0.0.1:20200",
            ),
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help=two("监听地址", "address to listen on"))
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65_535,
            help=two(
                "监听端口，可与同机其他网关共用；0 表示任选空闲端口",
                "port to listen on, may be shared with other gateways of this machine; 0 takes any",
            ),
        ),
    ] = DEFAULT_PORT,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=1,
            max=256,
            help=two(
                "同一端口上的进程数；异常退出的自动重启", "processes on that port; one that dies is started again"
            ),
        ),
    ] = 1,
    chain_id: Annotated[
        str | None,
        typer.Option(
            "--chain-id",
            metavar="HEX",
            show_default=False,
            help=two(
                "只为这条链服务，默认取最先连上的节点的链",
                "serve this chain only, default that of the first node reached",
            ),
        ),
    ] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", metavar="debug|info|warning|error", help=two("日志级别", "log level"))
    ] = "info",
    stop_with_parent: StopWithParentOption = False,
    parent: ParentOption = None,
    share: Annotated[
        int,
        typer.Option("--share", min=1, hidden=True, help=two("分担本机的进程数", "processes that share this machine")),
    ] = 1,
) -> None:
    from hnnode.proxy.process import GatewaySettings, run_gateway
    from hnnode.proxy.workers import Workers

    follow_parent(stop_with_parent, parent)
    urls = tuple(node) if node else (node_url(None),)
    settings = GatewaySettings(urls, host, port, _chain_id(chain_id), share, log_level)
    if workers == 1:
        raise typer.Exit(run_gateway(settings))

    def command(bound: int) -> list[str]:
        given = ["--host", host, "--port", str(bound), "--log-level", log_level, "--share", str(workers)]
        given += [part for url in urls for part in ("--node", url)]
        if chain_id is not None:
            given += ["--chain-id", chain_id]
        return [sys.executable, "-m", "hnnode.cli", "gateway", *given, "--parent", str(os.getpid())]

    raise typer.Exit(Workers(settings, workers, command).run())


def _chain_id(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise typer.BadParameter(f"{text[:80]!r}: 64 hex", param_hint="--chain-id")
    return found


def register(application: typer.Typer) -> None:
    application.command(
        "gateway",
        help=two(
            "网关：在节点前验证签名、合批转发，可任意多个",
            "gateways in front of nodes: verify, bundle, forward",
        ),
    )(gateway)
