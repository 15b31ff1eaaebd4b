"""Chinese details of errors: every row stands for a text that the product really says, and loses nothing of it."""

from __future__ import annotations

import ast
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from hnnode.details import CHARS_MAX, in_chinese, rows
from hnnode.errors import ConfigError

ROOT = Path(__file__).parents[2]
HOLE = re.compile(r"\{([a-z0-9_]+)\}")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ROOMS = ("certificate", "cli", "client", "config.py", "crypto", "kit", "packaging", "governance", "proofs", "storage")
"""Whose errors meet people who use verbs of plugins, transactions, queries, proofs and nodes."""
RAISED = {"ConfigError", "Rejected", "Unavailable", "RequestRefused", "NodeUnreachable", "ResultUnknown", "invalid"}
ENGLISH_ONLY_MAX = 4
"""Details of these rooms without Chinese: fewer is better, more is not accepted."""


def _template(node: ast.AST) -> str | None:
    """The text of a literal with `{}` for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _sources(*rooms: str) -> Iterator[ast.AST]:
    for room in rooms or (".",):
        place = ROOT / "hnnode" / room
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if file.name != "details.py":
                yield from ast.walk(ast.parse(file.read_text("utf-8")))


def _said() -> set[str]:
    """Every text of the product, Python and Rust, with `{}` for what is filled in."""
    texts = {text for node in _sources() if (text := _template(node)) is not None}
    for file in (ROOT / "native").rglob("*.rs"):
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', file.read_text("utf-8")):
            texts.add(re.sub(r"\{[^}]*\}", "{}", literal))
    return texts


def test_every_row_is_said_somewhere_and_has_both_languages() -> None:
    said = _said()
    assert [en for en, _ in rows() if HOLE.sub("{}", en) not in said] == []
    for en, zh in rows():
        assert CHINESE.search(zh), en
        assert not CHINESE.search(en), en
        assert set(HOLE.findall(zh)) == set(HOLE.findall(en)), en
    assert len({HOLE.sub("{}", en) for en, _ in rows()}) == len(rows())


@pytest.mark.parametrize(("en", "zh"), rows())
def test_every_row_is_found_by_its_own_text(en: str, zh: str) -> None:
    names = HOLE.findall(en)
    filled = {name: f"x{place}y" for place, name in enumerate(dict.fromkeys(names))}
    assert in_chinese(en.format(**filled)) == zh.format(**filled)


def test_details_of_users_rooms_without_chinese_do_not_get_more() -> None:
    known = {HOLE.sub("{}", en) for en, _ in rows()}
    missing = set()
    for node in _sources(*ROOMS):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in RAISED:
            continue
        both = any(keyword.arg == "zh" for keyword in node.keywords)
        places = node.args[:1] if getattr(node.func, "id", "") == "invalid" else node.args[1:2]
        both |= getattr(node.func, "id", "") == "invalid" and len(node.args) > 1
        for place in places:
            text = _template(place)
            if text is not None and not both and text not in known and re.search(r"[a-z]{3}", text.replace("{}", "")):
                missing.add(text)
    alone = {
        text for text in missing if " " in text and not text.endswith(": {}")
    }  # the others hold a detail of its own
    assert len(alone) <= ENGLISH_ONLY_MAX, sorted(alone)


class _Port(msgspec.Struct, forbid_unknown_fields=True):
    port: Annotated[int, Meta(ge=1, le=9)]
    name: Annotated[str, Meta(max_length=2, pattern="^[a-z]*$")] = ""


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"{}", "缺少字段 port"),
        (b'{"port": 1, "x": 2}', "没有字段 x"),
        (b'{"port": "1"}', "$.port 处：应为 int，实为 str"),
        (b'{"port": 0}', "$.port 处：应不小于 1"),
        (b'{"port": 10}', "$.port 处：应不大于 9"),
        (b'{"port": 1, "name": "abc"}', "$.name 处：长度应不大于 2"),
        (b'{"port": 1, "name": "A"}', "$.name 处：应符合格式 '^[a-z]*$'"),
    ],
)
def test_what_the_checker_of_documents_says(document: bytes, expected: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(document, type=_Port)
    assert in_chinese(str(caught.value)) == expected
    assert in_chinese(f"config.toml: {caught.value}") == f"config.toml：{expected}"


def test_what_the_operating_system_says() -> None:
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.whl")
    assert in_chinese(f"a.whl: {missing.strerror}") == "a.whl：没有这个文件或目录"
    refused = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    assert in_chinese(f"http://127.0.0.1:1/v1/status: {refused}") == "http://127.0.0.1:1/v1/status：连接被拒绝"


def test_an_error_keeps_what_was_written_at_its_place() -> None:
    assert ConfigError("CONFIG_INVALID", "a: no such file", zh="没有 a").detail_zh == "没有 a"
    assert ConfigError("CONFIG_INVALID", "a: no such file").detail_zh == "a：没有这个文件"
    assert ConfigError("CONFIG_INVALID", "nobody knows this").detail_zh == "nobody knows this"


def test_long_and_odd_texts_stay_as_they_are() -> None:
    for text in ("", ": ", "x: " * 150, "x" * (CHARS_MAX + 1), "a: no such file" + "!" * CHARS_MAX, "{path}: {x}"):
        assert in_chinese(text) == text
