"""Wheels as files: a zip read with suspicion and written the same way on every machine.

Reading bounds everything before it unpacks anything: size of the file, number of entries, bytes in all, form of each
path. Writing stores entries sorted, without compression and with one fixed time, so equal content gives equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from hnnode.packaging.code_hash import CODE_BYTES_MAX, CODE_FILES_MAX
from hnnode.packaging.failure import invalid

WHEEL_BYTES_MAX = CODE_BYTES_MAX + 8 * 1024 * 1024
FILES_MAX = CODE_FILES_MAX + 16
TIME = (1980, 1, 1, 0, 0, 0)
MODE = 0o644

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*){1,15}", re.ASCII)
_PATH_CHARS_MAX = 255
_S_IFMT, _S_IFREG = 0o170000, 0o100000
RECORD_LINES_MAX = FILES_MAX


def read_wheel(path: Path) -> dict[str, bytes]:
    """Every file of a wheel by its path, ascending; `RECORD` is checked and left out.

    Raises: ConfigError PLUGIN_PACKAGE_INVALID: not a zip, too large, a path that leads outside or stands twice, a link,
    or content that is not what `RECORD` says.
    """
    try:
        with path.open("rb") as file:
            data = file.read(WHEEL_BYTES_MAX + 1)
    except OSError as e:
        raise invalid(f"{path}: {e.strerror}") from e
    if len(data) > WHEEL_BYTES_MAX:
        raise invalid(f"{path.name}: larger than {WHEEL_BYTES_MAX} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _unpack(archive, path.name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError) as e:
        raise invalid(f"{path.name}: not a readable zip: {e}", f"{path.name}：不是可读的 zip 文件：{e}") from e
    return _check_record(files, path.name)


def _unpack(archive: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > FILES_MAX:
        raise invalid(f"{name}: got {len(entries)} files, want ≤ {FILES_MAX}")
    if sum(entry.file_size for entry in entries) > WHEEL_BYTES_MAX:
        raise invalid(f"{name}: unpacks to more than {WHEEL_BYTES_MAX} bytes")
    files: dict[str, bytes] = {}
    folded: set[str] = set()
    for entry in entries:
        where = entry.filename
        if len(where) > _PATH_CHARS_MAX or not _PATH.fullmatch(where) or where != entry.orig_filename:
            raise invalid(f"{name}: path {where[:80]!r} is not a plain path inside the wheel")
        if where.lower() in folded:
            raise invalid(f"{name}: {where} is there twice")
        kind = (entry.external_attr >> 16) & _S_IFMT
        if kind not in (0, _S_IFREG):
            raise invalid(f"{name}: {where} is not a regular file")
        with archive.open(entry) as member:
            content = member.read(entry.file_size + 1)
        if len(content) != entry.file_size:
            raise invalid(f"{name}: {where}: got {len(content)} bytes, the directory says {entry.file_size}")
        folded.add(where.lower())
        files[where] = content
    return dict(sorted(files.items()))


def _check_record(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    records = [where for where in files if where.endswith(".dist-info/RECORD")]
    if len(records) != 1:
        raise invalid(f"{name}: got {len(records)} RECORD files, want 1")
    record = files.pop(records[0])
    if len(record) > RECORD_LINES_MAX * (_PATH_CHARS_MAX + 80):
        raise invalid(f"{name}: RECORD is too long")
    stated: dict[str, tuple[str, str]] = {}
    for line in record.decode("utf-8", "replace").splitlines():
        where, _, rest = line.partition(",")
        digest, _, size = rest.partition(",")
        if where in stated:
            raise invalid(f"{name}: RECORD names {where[:80]} twice")
        stated[where] = (digest, size)
    stated.pop(records[0], None)
    if missing := sorted(set(stated) ^ set(files)):
        raise invalid(
            f"{name}: RECORD and content differ in {missing[0][:80]}", f"{name}：RECORD 与内容不符：{missing[0][:80]}"
        )
    for where, content in files.items():
        if stated[where] != (record_digest(content), str(len(content))):
            raise invalid(
                f"{name}: {where}: the content is not what RECORD says", f"{name}：{where} 的内容与 RECORD 不符"
            )
    return files


def record_digest(content: bytes) -> str:
    """`sha256=…` as in a wheel's RECORD."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")


def wheel_bytes(files: Mapping[str, bytes], dist_info: str) -> bytes:
    """A wheel of these files with its RECORD: the same bytes on every machine."""
    record_path = f"{dist_info}/RECORD"
    lines = [f"{where},{record_digest(content)},{len(content)}" for where, content in sorted(files.items())]
    everything = {**files, record_path: ("\n".join([*lines, f"{record_path},,"]) + "\n").encode("utf-8")}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for where, content in sorted(everything.items()):
            entry = zipfile.ZipInfo(where, TIME)
            entry.create_system = 3
            entry.external_attr = (_S_IFREG | MODE) << 16
            archive.writestr(entry, content)
    return out.getvalue()
