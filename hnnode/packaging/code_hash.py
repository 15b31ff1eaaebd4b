"""The hash that names a plugin's code: of the files that decide what it does, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hnnode_native import tagged_hash

from hnnode.packaging.failure import invalid

CODE_SUFFIXES = (".py", ".json", ".toml")
CACHE = "__pycache__"
"""Folders that the code hash leaves out."""
CODE_FILES_MAX = 2_000
CODE_BYTES_MAX = 32 * 1024 * 1024

TaggedHash = Callable[[str, bytes], bytes]


def read_code(package: Path) -> dict[str, bytes]:
    """Files of a package folder that its code hash covers, by path relative to the folder, ascending.

    Caches, compiled copies and editor files are left out by their suffix or folder.

    Raises: ConfigError: too many files or bytes.
    """
    names = sorted(
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.suffix in CODE_SUFFIXES and CACHE not in path.parts and path.is_file()
    )
    if len(names) > CODE_FILES_MAX:
        raise invalid(f"{package.name}: got {len(names)} files, want ≤ {CODE_FILES_MAX}")
    files: dict[str, bytes] = {}
    total = 0
    for name in names:
        files[name] = (package / name).read_bytes()
        total += len(files[name])
        if total > CODE_BYTES_MAX:
            raise invalid(f"{package.name}: got more than {CODE_BYTES_MAX} bytes of code")
    return files


def hash_code(files: Mapping[str, bytes], tagged: TaggedHash = tagged_hash) -> bytes:
    """`H("hn/plugin-code/v1", files)`, files ascending by path, each `u16 length || path || u32 length || content`;
    only those with a suffix of `CODE_SUFFIXES` count.
    """
    parts = []
    for name in sorted(files):
        if name.endswith(CODE_SUFFIXES):
            named, content = name.encode("utf-8"), files[name]
            parts += [len(named).to_bytes(2, "big"), named, len(content).to_bytes(4, "big"), content]
    return tagged("hn/plugin-code/v1", b"".join(parts))
