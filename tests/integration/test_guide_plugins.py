"""The guide for operators of plugins is run, every shell block in order, on real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hnnode.crypto import write_public_key_file
from tests.kit.guides import run_guide
from tests.kit.plugin_packages import OPERATOR, VENDOR, counter_wheel

RUN_S_MAX = 420.0


@pytest.mark.timeout(RUN_S_MAX + 60)
def test_the_guide_works_as_it_is_written(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for version in ("1.0.0", "2.0.0"):
        wheel = counter_wheel(tmp_path, version)
        wheel.rename(work / wheel.name)
    write_public_key_file(work / "vendor.pub", VENDOR.public_key)
    write_public_key_file(work / "operator.pub", OPERATOR.public_key)
    text = run_guide("plugins.md", tmp_path, work, RUN_S_MAX)
    assert "APPLICATION_DISABLED" in text
    assert text.count("layout") >= 4
