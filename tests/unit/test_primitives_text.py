"""Text forms and byte forms at the edges of the node."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path

import pytest
from hnnode_native import sm3
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import CODES, ConfigError, Rejected
from hnnode.primitives.file_hash import hash_content
from hnnode.primitives.frames import count_frames, encode_frames
from hnnode.primitives.genesis import read_genesis
from hnnode.primitives.hex_text import decode_account, decode_hash, decode_hex
from hnnode.primitives.position import INDEX_MAX, format_position, parse_position
from tests.kit.memory_node import START_MS, VALID_BLOCKS_MAX, MemoryNode


@given(st.binary(max_size=80))
def test_hexadecimal_is_read_in_both_cases(data: bytes) -> None:
    assert decode_hex(data.hex(), "x") == decode_hex(data.hex().upper(), "x") == data


@pytest.mark.parametrize("text", ["0", "0x00", "de ad", "zz", "\u0660\u0660", "00\n", " 00", "é0", "-1"])
def test_other_text_is_no_hexadecimal(text: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode_hex(text, "field")
    assert caught.value.code == CODES["PARAMETER_INVALID"]
    assert "field" in caught.value.detail


def test_hashes_and_accounts_have_one_length() -> None:
    assert decode_hash("ab" * 32, "x") == b"\xab" * 32
    assert decode_account("ab" * 20, "x") == b"\xab" * 20
    for text in ("ab" * 31, "ab" * 33, "", "ab" * 20):
        with pytest.raises(Rejected):
            decode_hash(text, "x")


@given(st.integers(0, 2**63 - 1), st.integers(0, INDEX_MAX), st.integers(0, INDEX_MAX))
def test_positions_survive_their_text(height: int, tx_index: int, event_index: int) -> None:
    assert parse_position(format_position(height, tx_index, event_index)) == (height, tx_index, event_index)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "1.2.x",
        " 1.2.3",
        "1.2.3\n",
        "-1.0.0",
        "1..3",
        "٣.0.0",
        f"{2**63}.0.0",
        "1.4294967296.0",
    ],
)
def test_other_text_is_no_position(text: str) -> None:
    with pytest.raises(Rejected):
        parse_position(text)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=20))
def test_frames_are_counted_as_they_were_made(items: list[bytes]) -> None:
    data = encode_frames(items)
    assert count_frames(data, 20) == len(items)
    for cut in range(1, min(4, len(data))):
        with pytest.raises(Rejected):
            count_frames(data + b"\xff" * cut, 40)


def test_frames_are_bounded() -> None:
    for data, name in (
        (b"", "REQUEST_MALFORMED"),
        (b"\x00\x00\x00", "REQUEST_MALFORMED"),
        (struct.pack(">I", 2**32 - 1), "REQUEST_MALFORMED"),
        (encode_frames([b""] * 3), "BATCH_TOO_LARGE"),
    ):
        with pytest.raises(Rejected) as caught:
            count_frames(data, 2)
        assert caught.value.info.name == name


def test_genesis_facts_are_read_and_junk_is_refused() -> None:
    node = MemoryNode()
    facts = read_genesis(node.genesis())
    assert (facts.chain_id, facts.chain_name, facts.role) == (node.chain_id, "hn_memory", "main")
    assert (facts.time_ms, facts.valid_blocks_max, facts.block_bytes_max) == (START_MS, VALID_BLOCKS_MAX, 1 << 20)
    assert facts.validators_hash == node.validator_set.hash
    good = node.genesis()
    for data in (b"", b"\x01", good[:-1], good + b"\x00", b"\x02" + good[1:], good[:11] + b"\x09" + good[12:]):
        with pytest.raises(ConfigError):
            read_genesis(data)
    node.events.close()


def test_files_are_hashed_in_pieces_once(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    path = tmp_path / "file"
    path.write_bytes(content)
    for source in (content, path, str(path), io.BytesIO(content)):
        hashes, size = hash_content(source, ["sm3", "sha256"])
        assert size == len(content)
        assert hashes == {"sm3": sm3(content), "sha256": hashlib.sha256(content).digest()}
    with pytest.raises(Rejected):
        hash_content(b"", ["md5"])
    with pytest.raises(OSError):
        hash_content(tmp_path / "none")
