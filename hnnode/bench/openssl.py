"""Reference speeds: what the `openssl` command of this machine does on one core."""

from __future__ import annotations

import re
import shutil
import subprocess


def _speed(*arguments: str, seconds: int) -> str | None:
    """Output of `openssl speed`; None when the command is absent, fails or hangs."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    try:
        run = subprocess.run(
            [openssl, "speed", "-seconds", str(seconds), *arguments],
            capture_output=True,
            text=True,
            timeout=30 + 4 * seconds,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout if run.returncode == 0 else None


def version() -> str | None:
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    try:
        run = subprocess.run([openssl, "version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return " ".join(run.stdout.split()[:2]) or None


def sm2_per_s(seconds: int = 1) -> tuple[float, float] | None:
    """SM2 signatures and verifications a second; None when the command cannot tell."""
    output = _speed("sm2", seconds=seconds)
    found = re.search(r"SM2.*?([\d.]+)\s+([\d.]+)\s*$", output, re.MULTILINE) if output else None
    return (float(found.group(1)), float(found.group(2))) if found else None


def bytes_per_s(algorithm: str, block_bytes: int, seconds: int = 1) -> float | None:
    """Bytes a second of an EVP digest or cipher on blocks of a length; None when the command cannot tell."""
    output = _speed("-evp", algorithm, "-bytes", str(block_bytes), seconds=seconds)
    found = (
        re.search(rf"^{re.escape(algorithm)}\s+([\d.]+)k\s*$", output, re.MULTILINE | re.IGNORECASE) if output else None
    )
    return 1000 * float(found.group(1)) if found else None
