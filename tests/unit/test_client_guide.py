"""The SDK guide runs as it is written, against a real server."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from hnnode.crypto import write_key_file
from hnnode.crypto.keys import generate_key
from tests.kit.live_node import LiveNode

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "sdk.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_every_example_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    key = generate_key()
    write_key_file(tmp_path / "key.pem", key)
    (tmp_path / "deed.pdf").write_bytes(b"deed of the house")
    blocks = BLOCK.findall(GUIDE.read_text("utf-8"))
    assert len(blocks) >= 8
    with LiveNode(extra_keys=[key.public_key()]) as live:
        space: dict[str, object] = {}
        for block in blocks:
            code = block.replace("http://127.0.0.1:20200", live.url)
            exec(compile(code, GUIDE.name, "exec"), space)  # noqa: S102 - the guide is ours, and running it is the test
    assert space["kept"] == "0.0.0"
    assert os.listdir(tmp_path)
