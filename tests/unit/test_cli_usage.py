"""What the argument parser says by itself: usage errors and the frame of help, in both languages."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pytest

import hnnode
from hnnode.cli import app, failure, plugin_store
from hnnode.cli.app import command_tree
from hnnode.cli.parser_text import help_in_chinese, in_chinese
from hnnode.cli.reference.commands import leaves


def ended(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        app.run(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code, capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "chinese", "english"),
    [
        (["nosuch"], "没有命令 'nosuch'", "No such command"),
        (["statu"], "没有命令 'statu'，是否想用 'status'", "Did you mean"),
        (["tx", "nosuch"], "没有命令 'nosuch'", "No such command"),
        (["tx", "get"], "缺少参数 'TX_ID'", "Missing argument"),
        (["bench", "presign", "a"], "缺少选项 '--key'", "Missing option"),
        (["tx", "get", "a", "b"], "多余的参数：b", "unexpected extra argument"),
        (["--bogus"], "没有选项 --bogus", "No such option"),
        (["status", "--nod", "x"], "没有选项 --nod，相近的有 --node", "Possible options"),
        (["status", "--node"], "选项 '--node' 需要一个值", "requires an argument"),
        (["bench", "chain", "--idle=x"], "选项 '--idle' 不带值", "does not take a value"),
        (["dev", "up", "--nodes", "abc"], "'--nodes' / '-n' 的值无效：应为整数", "valid integer"),
        (["dev", "up", "--nodes", "99"], "的值无效：应不大于 16", "less than or equal to 16"),
        (["dev", "up", "--nodes", "0"], "的值无效：应不小于 1", "greater than or equal to 1"),
        (["tx", "wait", "a", "--timeout", "x"], "的值无效：应为数字", "valid number"),
        (["status", "-o", "xml"], "的值无效：'xml' 不在 'table', 'json' 之中", "is not one of"),
        (["bench", "compare", "/none", "/none"], "'A' 的值无效：'/none' 不存在", "does not exist"),
        (["bench", "compare", "/", "/"], "'A' 的值无效：'/' 是目录", "is a directory"),
        (["bench", "chain", "--overload", "x"], "--overload 的值无效：'x': 2,5,10", "Invalid value for --overload"),
        (["tx", "submit", "evidence", "preserve"], "值无效：--file 与 --payload 二选一", "want exactly one of"),
    ],
)
def test_a_usage_error_is_told_in_the_language_asked_for(
    arguments: list[str], chinese: str, english: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, text = ended(["--lang", "zh", *arguments], capfd)
    assert code == failure.USAGE
    assert f"错误：{chinese}" in text or chinese in text.partition("错误：")[2]
    assert not re.search(r"Error|Usage|Invalid|Missing|Option |Input", text), text
    code, text = ended(["--lang", "en", *arguments], capfd)
    assert code == failure.USAGE
    assert english in text
    assert not re.search("[\u4e00-\u9fff]", text), text


def test_usage_and_the_way_to_help_stand_before_the_error(capfd: pytest.CaptureFixture[str]) -> None:
    _, text = ended(["--lang", "zh", "tx", "get"], capfd)
    lines = text.splitlines()
    assert lines[0].startswith("用法：hnnode tx get ")
    assert lines[1] == "帮助：hnnode tx get --help"
    assert lines[-1] == "错误：缺少参数 'TX_ID'"


def test_a_group_alone_shows_its_help(capfd: pytest.CaptureFixture[str]) -> None:
    code, text = ended(["--lang", "zh", "tx"], capfd)
    assert code == failure.USAGE
    assert "命令：" in text
    assert "错误" not in text


def test_what_no_pattern_knows_stays_as_it_is() -> None:
    assert in_chinese("Something new.") == "Something new."
    assert in_chinese("Invalid value for 'A': something new") == "'A' 的值无效：something new"
    assert in_chinese("Invalid value: 原文") == "值无效：原文"


def test_help_is_framed_in_its_language() -> None:
    for language, heading in (("zh", "用法："), ("en", "Usage: ")):
        tree = command_tree("zh" if language == "zh" else "en")
        for command in (tree, tree.commands["tx"], tree.commands["bench"].commands["compare"]):
            with command.make_context("hnnode", [], resilient_parsing=True) as context:
                text = command.get_help(context)
            assert text.startswith(heading)
            assert bool(re.search(r"^(Options|Arguments|Commands):$|\[required\]|\[default:", text, re.M)) == (
                language == "en"
            )
    assert help_in_chinese("Usage: a\n\nOptions:\n  -x  Usage: stays inside\n").endswith("  -x  Usage: stays inside\n")


def test_every_help_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """In columns of a terminal, where a Chinese letter takes two; and no command is described in half a sentence."""
    monkeypatch.setenv("COLUMNS", "80")

    def look(command: Any, name: str, parent: Any) -> None:
        with command.make_context(name, [], resilient_parsing=True, parent=parent) as context:
            for line in command.get_help(context).splitlines():
                assert sum(2 if east_asian_width(letter) in "WF" else 1 for letter in line) <= 80, (name, line)
                assert not line.endswith("...") or line.startswith(("Usage: ", "用法：")), (name, line)
            for child, verb in getattr(command, "commands", {}).items():
                look(verb, child, context)

    for tree in (command_tree("zh"), command_tree("en")):
        look(tree, "hnnode", None)


def test_a_plugin_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = {"version": "2.0", "api_version": 1, "state_version": 3, "code_hash": "ab" * 32}
    facts = {"name": "demo", "code": code, "status": "migrating", "since_height": 7, "proposal": 4, "data_version": 2}
    moving = {"phase": "move", "rows": 9}
    record = {**facts, "migration": moving, "fault": "row 8"}
    monkeypatch.setattr(plugin_store, "governance_query", lambda url, query: {"plugins": [record]})
    trouble = {"application": "demo", "action": "go", "tx_id": "ab" * 32, "height": 9, "reason": "no answer"}
    monkeypatch.setattr(plugin_store, "get_json", lambda url, path: {"plugin_troubles": [trouble]})
    for language, words in (
        ("zh", ("迁移中", "代码的数据版本", "move，已处理 9 行", "row 8", "（无）", "区块 9 停在 demo.go abab")),
        (
            "en",
            (
                "migrating",
                "data version of the code",
                "move, 9 rows",
                "row 8",
                "(none)",
                "block 9 hangs at demo.go abab",
            ),
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            app.run(
                ["--lang", language, "plugin", "info", "demo", "--home", str(tmp_path), "--node", "http://127.0.0.1:1"]
            )
        said = capfd.readouterr().out
        assert ended.value.code == 0
        assert all(word in said for word in (*words, "ab" * 32))
        assert "{" not in said


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "plugin", "list"]])
def test_versions_are_shown_without_a_verb(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app.run(arguments)
    assert ended.value.code == 0
    assert hnnode.__version__ in capfd.readouterr().out


def test_examples_name_verbs_and_options_that_there_are() -> None:
    tree, count = command_tree("en"), 0
    for words, command in leaves(tree):
        for line in (command.epilog or "").split("\n")[2:]:
            given = shlex.split(line)[1:]
            assert tuple(given[: len(words)]) == words, line
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            assert {word for word in given if word.startswith("-")} <= known, line
            assert len(line) <= 76, line
            count += 1
    assert count > 10
