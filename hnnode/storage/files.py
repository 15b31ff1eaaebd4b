"""Files that survive a power cut: directory fsync, atomic replacement, free space, kind of file system."""

from __future__ import annotations

import os
from pathlib import Path

from hnnode.storage.failure import STORAGE

NETWORK_FILESYSTEMS = frozenset(
    {
        "afs",
        "ceph",
        "cifs",
        "fuse.cephfs",
        "fuse.glusterfs",
        "fuse.juicefs",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "ncpfs",
    }
    | {"nfs", "nfs4", "ocfs2", "smb3", "smbfs"}
)
"""File systems on which locks or fsync do not mean what the store needs them to mean."""


def fsync_directory(path: Path) -> None:
    """Make creations, renames and removals inside `path` durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Create `path` (its parent must exist) and make the new name durable; nothing happens when it exists."""
    if path.is_dir():
        return
    path.mkdir(mode=mode)
    fsync_directory(path.parent)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data` at the position of `fd`; a short write (full disk) goes on until the error shows. Raises
    OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` so that after any crash it holds either the old or the new bytes: temporary file, fsync, rename,
    directory fsync.

    Raises OSError. Two fsyncs.
    """
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    fsync_directory(path.parent)


def disk_free_bytes(path: Path) -> int:
    """Bytes that an unprivileged process may still write on the file system of `path`."""
    with STORAGE:
        stats = os.statvfs(path)
        return stats.f_bavail * stats.f_frsize


def filesystem_type(path: Path, mountinfo: str | None = None) -> str:
    """Type of the file system that holds `path` ("ext4", "nfs4", …), "" where the system does not say.

    mountinfo: text of `/proc/self/mountinfo`, read when not given.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
        except OSError:
            return ""
    wanted = path.resolve().parts
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        mount, separator, source = line.partition(" - ")
        fields = mount.split()
        if not separator or len(fields) < 5:
            continue
        point = Path(_unescape(fields[4])).parts
        # The last of equal mount points wins: a later mount hides the earlier one.
        if len(point) >= best and wanted[: len(point)] == point:
            best, kind = len(point), source.split()[0]
    return kind


def _unescape(text: str) -> str:
    """mountinfo writes space, tab, newline and backslash as three octal digits."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
