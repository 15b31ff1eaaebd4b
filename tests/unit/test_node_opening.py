"""What a node makes of its configuration before its rooms are built."""

from __future__ import annotations

from hnnode_native import ValidatorSet

from hnnode.config import StorageConfig
from hnnode.crypto.keys import generate_key
from hnnode.node.opening import APART, flushing_apart


def test_validators_differ_in_their_write_buffers_and_others_keep_theirs() -> None:
    keys = [generate_key() for _ in range(7)]
    validators = ValidatorSet(0, [(key.public_key(), 1) for key in keys])
    config = StorageConfig(write_buffer_bytes=1_000_000)
    sizes = [flushing_apart(config, validators, key.account()).write_buffer_bytes for key in keys]
    assert len(set(sizes)) == 7
    assert max(sizes) == 1_000_000
    assert min(sizes) >= (1 - APART) * 1_000_000
    assert flushing_apart(config, validators, generate_key().account()) == config
    assert flushing_apart(StorageConfig(write_buffer_bytes=1), validators, keys[0].account()).write_buffer_bytes == 1
