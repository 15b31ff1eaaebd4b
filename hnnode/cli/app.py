"""The command tree, and what happens around every verb: language, errors, exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from hnnode.cli import (
    bench,
    block,
    dev,
    doctor,
    error,
    events,
    evidence,
    evidence_case,
    failure,
    gateway,
    key,
    network,
    node,
    plugin,
    privacy,
    proof,
    query,
    storage,
    tx,
)
from hnnode.cli.language import LANGUAGES, Language, localize, say, set_language, take_language, two
from hnnode.cli.options import optional
from hnnode.cli.output import notes
from hnnode.cli.parser_text import frame_help, show_usage_error
from hnnode.cli.session import session

application = typer.Typer(
    name="hnnode",
    help=two("河南链节点：提交、查询、证明", "Node of the Henan chains: submit, query, prove"),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for noun in (dev, tx, evidence, evidence_case, proof, block, events, key, privacy, plugin, storage, bench):
    application.add_typer(noun.application)
for verb in (network, node, gateway, doctor, query, error):
    verb.register(application)


def _show_version(wanted: bool) -> None:
    if wanted:
        error.version()
        raise typer.Exit(failure.OK)


@application.callback()
def root(
    home: Annotated[
        Path | None,
        optional("--home", envvar="HNNODE_HOME", metavar="DIR", help=two("节点目录", "home of the node")),
    ] = None,
    node_url: Annotated[
        str | None, optional("--node", envvar="HNNODE_NODE", metavar="URL", help=two("节点地址", "node URL"))
    ] = None,
    key_dir: Annotated[
        Path | None, optional("--key-dir", envvar="HNNODE_KEY_DIR", metavar="DIR", help=two("密钥目录", "key folder"))
    ] = None,
    lang: Annotated[
        str | None,
        optional(
            "--lang",
            metavar="zh|en",
            help=two("语言，默认取自 HNNODE_LANG 或系统区域", "language, default from HNNODE_LANG or the locale"),
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help=two("显示版本并结束", "show versions and exit")
        ),
    ] = False,
) -> None:
    if lang is not None:  # the valid ones were taken off before parsing
        raise typer.BadParameter(f"{lang!r}: {' | '.join(LANGUAGES)}", param_hint="--lang")
    session.home, session.node, session.key_dir = home, node_url, key_dir


def command_tree(language: Language) -> Any:
    """A fresh command tree with its texts in one language."""
    tree = typer.main.get_command(application)
    localize(tree, language)
    if language == "zh":
        frame_help(tree)
    return tree


def run(arguments: list[str] | None = None) -> None:
    """Parse and run one command; always ends in SystemExit. HNNODE_DEBUG=1 lets the traceback through."""
    language, rest = take_language(sys.argv[1:] if arguments is None else arguments)
    set_language(language)
    try:
        status = command_tree(language)(args=rest, prog_name="hnnode", standalone_mode=False)
    except TyperException as e:
        show_usage_error(e, language)
        sys.exit(e.exit_code)
    except typer.Abort:
        notes().print(say("已中止", "aborted"))
        sys.exit(failure.ERROR)
    except Exception as e:
        if os.environ.get("HNNODE_DEBUG") == "1":
            raise
        advice = failure.advice(e)
        try:
            text, status = failure.describe(e)
        except TypeError:
            text = failure.line(failure.code_named("INTERNAL_ERROR"), f"{type(e).__name__}: {e}")
            text += say("（HNNODE_DEBUG=1 显示堆栈）", " (HNNODE_DEBUG=1 shows the traceback)")
            status = failure.ERROR
        notes().print(f"hnnode: {text}", style="red", markup=False)
        if advice:
            notes().print(say(f"下一步：{advice}", f"next: {advice}"), markup=False)
    sys.exit(status if isinstance(status, int) else failure.OK)  # a verb gives nothing, `typer.Exit` its code
