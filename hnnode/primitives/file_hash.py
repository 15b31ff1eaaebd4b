"""Hashes of files as `evidence` preserves them: `sm3` (GB/T 32905) or `sha256`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from hnnode_native import Sm3

from hnnode.errors import Rejected

ALGORITHMS = ("sm3", "sha256")
Content = str | Path | bytes | BinaryIO
"""A path, the bytes themselves, or an open binary file (read from where it stands)."""
_PIECE_BYTES = 1 << 20


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


def hash_content(content: Content, algorithms: Iterable[str] = ("sm3",)) -> tuple[dict[str, bytes], int]:
    """({algorithm: hash}, size in bytes), reading the content once in pieces of 1 MiB.

    Raises Rejected 1009 for an unknown algorithm, OSError when the file cannot be read.
    """
    hashes: dict[str, _Hash] = {}
    for name in algorithms:
        if name not in ALGORITHMS:
            raise Rejected("PARAMETER_INVALID", f"algorithm: got {name[:40]!r}, want one of {', '.join(ALGORITHMS)}")
        hashes[name] = Sm3() if name == "sm3" else hashlib.sha256()
    if isinstance(content, bytes):
        size = _feed(hashes, [content])
    elif isinstance(content, str | Path):
        with Path(content).open("rb") as file:
            size = _feed(hashes, iter(lambda: file.read(_PIECE_BYTES), b""))
    else:
        size = _feed(hashes, iter(lambda: content.read(_PIECE_BYTES), b""))
    return {name: h.digest() for name, h in hashes.items()}, size


def _feed(hashes: dict[str, _Hash], pieces: Iterable[bytes]) -> int:
    size = 0
    for piece in pieces:
        size += len(piece)
        for h in hashes.values():
            h.update(piece)
    return size
