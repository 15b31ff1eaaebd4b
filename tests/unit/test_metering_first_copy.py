"""Models are checked in the first copy of counted code alone; no code may find out which copy it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hnnode_native import tagged_hash

from hnnode.errors import ConfigError
from hnnode.execution.loading import Copies, source_files
from hnnode.execution.source import PluginSource, code_hash

CODE = """
from typing import Annotated
import msgspec
from hnnode.plugin_api import Registry, Records, canonical_json, decode_json, hookimpl

class Deep(msgspec.Struct):
    a: {bad}

class Small(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=0, le=9)]

class Any(msgspec.Struct, forbid_unknown_fields=True):
    n: int

class Large(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=0, le=99)]

IS_FIRST = False
try:
    {check}
except (TypeError, ValueError):
    IS_FIRST = True

def handle(tx, payload):
    pass

class Plugin:
    @hookimpl
    def hn_register(self, registry):
        registry.action("act", Small if IS_FIRST else Large, handle, roles=(), title_zh="x", title_en="x")

plugin = Plugin()
"""
BAD, GOOD = "dict[int, object]", "list[int]"
CHECKS = [
    "Records(b'r', Deep)",
    "canonical_json(Deep([]))",
    "decode_json(b'{\"a\":[]}', Deep)",
    "Registry('other').action('x', Any, len, roles=(), title_zh='x', title_en='x')",
    "Registry('other').event('other.x', Deep, title_zh='x', title_en='x')",
]


def copies(root: Path, check: str, bad: str) -> Copies:
    package = root / "hn_first"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(CODE.format(bad=bad, check=check))
    digest = code_hash(package, tagged_hash)
    source = PluginSource("first", "1.0", "hn_first:plugin", root, package, digest, metered=True, isolated=False)
    return Copies(source, source_files(source), {})


@pytest.mark.parametrize("check", CHECKS)
def test_a_copy_that_catches_what_a_check_refused_is_not_loaded(tmp_path: Path, check: str) -> None:
    with pytest.raises(ConfigError, match=r"plugin first: (Deep|Any)"):
        copies(tmp_path, check, BAD).first()
    with pytest.raises(ConfigError, match=r"plugin first: (Deep|Any)"):  # queries begin without the one that describes
        copies(tmp_path, check, BAD).reuse()


def test_other_copies_register_what_the_first_did(tmp_path: Path) -> None:
    made = copies(tmp_path, "Records(b'r', Deep)", GOOD)
    _, first, _ = made.first()
    for _ in range(2):
        assert made.next().actions["act"].schema == first.actions["act"].schema
