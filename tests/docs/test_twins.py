"""Every guide has its Chinese twin, which shows the same commands and tells of the same things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _guides() -> Iterator[Path]:
    yield from (ROOT / "README.md", ROOT / "docs" / "start.md")
    yield from (page for page in sorted((ROOT / "docs" / "guides").glob("*.md")) if not page.name.endswith(".zh.md"))


def _twin(page: Path) -> Path:
    return page.with_name(f"{page.stem}.zh.md")


GUIDES = pytest.mark.parametrize("page", list(_guides()), ids=lambda page: page.stem)


def _blocks(text: str) -> list[tuple[str, str]]:
    """Language and content of each fenced block; comments differ between the languages, and so do the words of a diagram."""
    found = []
    for language, content in FENCED.findall(text):
        drawn = not language and re.search("[→│]", content)
        found.append((language, "diagram" if drawn else re.sub(r"\s*(?<!\S)#.*$", "", content, flags=re.MULTILINE)))
    return found


def _prose(text: str) -> str:
    return FENCED.sub("", text)


def _names(text: str) -> set[str]:
    """What stands in code type: calls without their arguments, and nothing that is said in words, such as what is hashed."""
    found = {" ".join(name.split()).partition("(")[0] for name in CODE.findall(_prose(text))}
    return {name for name in found if not re.search(r"<\d| ‖ ", name) and not CHINESE.search(name)}


@GUIDES
def test_a_guide_and_its_twin_name_each_other(page: Path) -> None:
    twin = _twin(page)
    assert f"]({twin.name})" in page.read_text("utf-8")
    assert f"]({page.name})" in twin.read_text("utf-8")
    assert len(CHINESE.findall(twin.read_text("utf-8"))) > 200


def test_no_twin_stands_alone() -> None:
    alone = [
        twin.name
        for twin in (ROOT / "docs" / "guides").glob("*.zh.md")
        if not twin.with_name(twin.name.replace(".zh.md", ".md")).exists()
    ]
    assert alone == []


@GUIDES
def test_both_languages_have_the_same_code(page: Path) -> None:
    assert _blocks(page.read_text("utf-8")) == _blocks(_twin(page).read_text("utf-8"))


@GUIDES
def test_both_languages_have_the_same_sections_tables_and_lists(page: Path) -> None:
    for line in (r"^(#+) ", r"^(\|.*\|)$", r"^(\d+\. |- )"):
        shapes = []
        for text in (page.read_text("utf-8"), _twin(page).read_text("utf-8")):
            found = re.findall(line, _prose(text), re.MULTILINE)
            shapes.append([each.count("|") if "|" in each else each for each in found])
        assert shapes[0] == shapes[1], line


@GUIDES
def test_both_languages_name_the_same_things(page: Path) -> None:
    english, chinese = (_names(text.read_text("utf-8")) for text in (page, _twin(page)))
    assert sorted(english - chinese) == []
    assert sorted(chinese - english) == []


@GUIDES
def test_a_chinese_page_leads_on_to_chinese_pages(page: Path) -> None:
    twin = _twin(page)
    targets = re.findall(r"\]\(([^)\s#]+\.md)", _prose(twin.read_text("utf-8")))
    english = [
        target
        for target in targets
        if not target.endswith(".zh.md") and target != page.name and _twin(twin.parent / target).exists()
    ]
    assert english == []
