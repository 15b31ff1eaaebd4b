"""Sign state: the floor never falls, never gets lost in silence, and is durable before it is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hnnode.errors import FatalError
from hnnode.storage.sign_state import SignState


def test_the_floor_rises_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "sign.state"
    state = SignState.create(path)
    assert (state.floor(), state.reset, state.save_count) == (0, False, 1)
    state.reserve(16)
    state.reserve(16)
    state.reserve(3)
    assert (state.floor(), state.save_count) == (16, 2)
    again = SignState.load(path)
    assert (again.floor(), again.reset) == (16, False)
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["sign.state"]


def test_reset_is_remembered_until_the_floor_rises(tmp_path: Path) -> None:
    path = tmp_path / "sign.state"
    SignState.create(path).reserve(32)
    SignState.load(path).mark_reset()
    state = SignState.load(path)
    assert (state.floor(), state.reset) == (32, True)
    state.reserve(32)
    assert SignState.load(path).reset
    state.reserve(48)
    assert not SignState.load(path).reset


def test_a_missing_state_is_refused_and_an_existing_one_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sign.state"
    with pytest.raises(FatalError, match=r"6006.*missing"):
        SignState.load(path)
    SignState.create(path)
    with pytest.raises(FatalError, match="exists"):
        SignState.create(path)


def test_every_flipped_bit_and_every_other_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sign.state"
    SignState.create(path).reserve(1234567)
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(data)
        with pytest.raises(FatalError, match="6006"):
            SignState.load(path)
    for data in (b"", whole[:-1], whole + b"\x00"):
        path.write_bytes(data)
        with pytest.raises(FatalError, match="6006"):
            SignState.load(path)


def test_the_file_and_its_directory_are_synced_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the directory fsync a power cut brings the old floor back."""
    path = tmp_path / "sign.state"
    state = SignState.create(path)
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(fd: int) -> None:
        steps.append("fsync " + os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        real_fsync(fd)

    def rename(old: Path, new: Path) -> None:
        steps.append("rename")
        real_rename(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    state.reserve(16)
    assert steps == ["fsync sign.state.new", "rename", f"fsync {tmp_path.name}"]


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_failed_reservation_raises_and_the_old_floor_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "sign.state"
    state = SignState.create(path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(FatalError, match="6001"):
            state.reserve(16)
    assert state.floor() == 0
    assert SignState.load(path).floor() == 0
