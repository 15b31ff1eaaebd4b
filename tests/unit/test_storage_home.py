"""Home, lock and files: permissions, one process, local file systems only, atomic replacement."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hnnode.errors import ConfigError, FatalError
from hnnode.storage import files
from hnnode.storage.home import Home, check_key_permissions
from hnnode.storage.lock import HomeLock

MOUNTINFO = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / /srv rw shared:5 master:1 - xfs /dev/vdb rw
31 22 0:27 / /mnt/share\\040one rw - nfs4 server:/export rw
32 31 0:28 / /mnt/share\\040one/local rw - ext4 /dev/vdc rw
33 22 0:29 / /srv rw - btrfs /dev/vdd rw
garbage line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/node", "ext4"),
        ("/srv/node", "btrfs"),
        ("/srvx/node", "ext4"),
        ("/mnt/share one/node", "nfs4"),
        ("/mnt/share one/local/node", "ext4"),
    ],
)
def test_the_longest_and_latest_mount_point_decides(path: str, kind: str) -> None:
    assert files.filesystem_type(Path(path), MOUNTINFO) == kind


def test_this_machine_has_a_file_system() -> None:
    assert files.filesystem_type(Path("/proc/self")) == "proc"
    assert files.filesystem_type(Path("/"), "") == ""


def test_create_makes_private_directories(tmp_path: Path) -> None:
    home = Home(tmp_path / "node")
    home.create()
    home.create()
    for path in (home.root, home.data, home.database, home.batches, home.consensus):
        assert path.stat().st_mode & 0o777 == 0o700
    home.check()


def test_a_missing_home_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="9006"):
        Home(tmp_path / "none").check()


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hnnode.storage.home.filesystem_type", lambda path: "nfs4")
    with pytest.raises(ConfigError, match="nfs4"):
        Home(tmp_path).check()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o601, 0o666])
def test_an_open_key_file_is_refused(tmp_path: Path, mode: int) -> None:
    home = Home(tmp_path)
    home.key.write_text("key")
    home.key.chmod(0o600)
    home.check()
    home.key.chmod(mode)
    for check in (home.check, lambda: check_key_permissions(home.key)):
        with pytest.raises(ConfigError, match=r"2005.*600"):
            check()


def test_one_process_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = HomeLock(path)
    with pytest.raises(ConfigError, match=rf"6005.*process {os.getpid()}"):
        HomeLock(path)
    code = f"from pathlib import Path; from hnnode.storage.lock import HomeLock; HomeLock(Path({str(path)!r}))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert second.returncode != 0
    assert "DATABASE_LOCKED" in second.stderr
    lock.release()
    lock.release()
    HomeLock(path).release()


def test_write_atomic_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_atomic(path, b"one" * 1000)
    files.write_atomic(path, b"two", 0o644)
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_free_space_is_told_and_a_missing_path_is_a_failure(tmp_path: Path) -> None:
    assert files.disk_free_bytes(tmp_path) > 0
    with pytest.raises(FatalError, match="6001"):
        files.disk_free_bytes(tmp_path / "none")
