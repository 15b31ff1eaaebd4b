"""What a node says in English stands in Chinese in the tables, and nothing is lost that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from hnnode.cli import words
from hnnode.cli.language import current, set_language
from hnnode.gateway.models import TxStateName

ENGINE = Path(__file__).parents[2] / "native" / "consensus" / "src" / "status.rs"


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    before = current()
    set_language("zh")
    yield
    set_language(before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("idle", "空闲"),
        ("halted", "已停止"),
        ("height 7 round 0 decided", "高度 7，第 0 轮，已决定"),
        (
            "height 7 round 2 propose: waiting for the proposal of 0a1b2c3d",
            "高度 7，第 2 轮，提案：等待 0a1b2c3d 的提案",
        ),
        (
            "height 7 round 2 propose: waiting for the check of 2 proposed block(s)",
            "高度 7，第 2 轮，提案：等待检查 2 个提议的区块",
        ),
        (
            "height 7 round 1 precommit: 2 of 3 precommit power, missing: 0a1b2c3d 4e5f6a7b",
            "高度 7，第 1 轮，预提交：法定权重 3，已有 2，缺 0a1b2c3d 4e5f6a7b",
        ),
        ("height 7 round 1 precommit: something new", "高度 7，第 1 轮，预提交：something new"),
        ("something new", "something new"),
        ("", ""),
    ],
)
def test_what_consensus_waits_for_is_said_in_chinese(text: str, expected: str) -> None:
    assert words.consensus_line(text) == expected
    set_language("en")
    assert words.consensus_line(text) == text


def test_the_engine_has_no_step_or_reason_that_is_not_translated() -> None:
    """Reads the engine's source: every text that it formats is one of those above."""
    source = ENGINE.read_text("utf-8")
    steps = re.search(r"fn step_name.*?\n    }\n", source, re.DOTALL)
    texts = re.search(r"fn status_text.*?\n    }\n", source, re.DOTALL)
    assert steps is not None
    assert texts is not None
    for step in set(re.findall(r'"([a-z]+)"', steps[0])):
        assert words.consensus_line(f"height 1 round 0 {step}").rpartition("，")[2] != step
    formats = re.findall(r'"\{place\}: ([^"]*)"', texts[0])
    assert len(formats) == 3
    for text in formats:
        filled = text.replace("{step}", "prevote").replace("{name}", "0a")
        line = words.consensus_line("height 1 round 0 prevote: " + re.sub(r"\{[a-z]*\}", "2", filled))
        assert not re.search("[g-z]", line), line


def test_every_state_of_a_transaction_has_a_name() -> None:
    for state in get_args(TxStateName):
        assert words.state_name(state) != state
        set_language("en")
        assert words.state_name(state) == state
        set_language("zh")


def test_facts_keep_their_values() -> None:
    found = {"home": "net", "chain_id": None, "odd": 1}
    assert list(words.facts(found.items())) == [("目录", "net"), ("链标识", "–"), ("odd", 1)]
    set_language("en")
    assert list(words.facts(found.items())) == [("home", "net"), ("chain_id", "–"), ("odd", 1)]
