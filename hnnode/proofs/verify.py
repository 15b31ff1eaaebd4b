"""Offline verification of bundle files; the check itself stands in `hnnode.primitives.verdict`."""

from __future__ import annotations

from pathlib import Path

from hnnode.errors import Rejected
from hnnode.primitives.file_hash import Content
from hnnode.primitives.verdict import Verdict, judge

__all__ = ["BUNDLE_BYTES_MAX", "Verdict", "verify_file"]

BUNDLE_BYTES_MAX = 16 * 1024 * 1024


def verify_file(bundle: bytes | str | Path, file: Content | None = None, chain_id: bytes | None = None) -> Verdict:
    """Verdict on a bundle (its bytes or its path), compared with `file` when one is given (5106 when the file differs).

    Raises Rejected 5101 for a bundle over 16 MiB, OSError when a file cannot be read.
    """
    data = bundle if isinstance(bundle, bytes) else _read(Path(bundle))
    return judge(data, chain_id=chain_id, file=file)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(BUNDLE_BYTES_MAX + 1)
    if len(data) > BUNDLE_BYTES_MAX:
        raise Rejected("PROOF_MALFORMED", f"{path}: longer than {BUNDLE_BYTES_MAX} bytes")
    return data
