"""The guide for vendors is run, every shell block in order, on real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.guides import block_seconds, blocks, run_guide

VENDOR_S_MAX = 120
RUN_S_MAX = 420.0


def test_both_languages_have_the_same_commands() -> None:
    assert blocks("write-a-plugin.md") == blocks("write-a-plugin.zh.md")


@pytest.mark.timeout(RUN_S_MAX + 60)
def test_the_guide_works_as_it_is_written(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    text = run_guide("write-a-plugin.md", tmp_path, work, RUN_S_MAX)
    chain_starts = next(number for number, block in enumerate(blocks("write-a-plugin.md")) if "dev up" in block)
    assert block_seconds(text, chain_starts) < VENDOR_S_MAX
    assert "both runs agree" in text
    assert "APPLICATION_DISABLED" in text
