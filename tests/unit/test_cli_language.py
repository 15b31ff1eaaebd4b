"""Languages of the command line: where the choice comes from, and that every text has both halves."""

from __future__ import annotations

from typing import Any

import pytest

from hnnode.cli import language
from hnnode.cli.app import command_tree
from hnnode.cli.language import language_of, pick, take_language, two
from hnnode.cli.reference.commands import leaves


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "HNNODE_LANG": "en"}, "en"),
        ({"LANG": "", "HNNODE_LANG": "zh"}, "zh"),
    ],
)
def test_language_follows_environment_in_order(environment: dict[str, str], expected: str) -> None:
    assert language_of(environment) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--lang", "zh", "status"], ("zh", ["status"])),
        (["status", "--lang=zh", "-o", "json"], ("zh", ["status", "-o", "json"])),
        (["status", "--lang", "fr"], ("en", ["status", "--lang", "fr"])),
        (["status", "--lang"], ("en", ["status", "--lang"])),
        (["query", "--", "--lang", "zh"], ("en", ["query", "--", "--lang", "zh"])),
    ],
)
def test_lang_is_taken_from_anywhere_before_the_double_dash(
    arguments: list[str], expected: tuple[str, list[str]]
) -> None:
    assert take_language(arguments, {}) == expected


def test_pick_leaves_plain_text_alone() -> None:
    assert pick("plain", "zh") == "plain"
    assert (pick(two("甲", "a"), "zh"), pick(two("甲", "a"), "en")) == ("甲", "a")


def _texts(tree: Any) -> list[tuple[str, str]]:
    found = []
    for words, command in leaves(tree):
        found.append((" ".join(words), command.help or ""))
        found += [(f"{' '.join(words)} {p.name}", p.help or "") for p in command.params if p.name != "help"]
    return found


def test_every_verb_and_parameter_has_both_languages() -> None:
    zh, en = _texts(command_tree("zh")), _texts(command_tree("en"))
    assert [place for place, _ in zh] == [place for place, _ in en]
    for (place, chinese), (_, english) in zip(zh, en, strict=True):
        assert chinese, place
        assert english, place
        assert any("\u4e00" <= c <= "\u9fff" for c in chinese), f"{place}: {chinese!r} holds no Chinese"
        assert not any("\u4e00" <= c <= "\u9fff" for c in english), f"{place}: {english!r} holds Chinese"


def test_say_follows_set_language() -> None:
    before = language.current()
    try:
        language.set_language("zh")
        assert language.say("是", "yes") == "是"
        language.set_language("en")
        assert language.say("是", "yes") == "yes"
    finally:
        language.set_language(before)
