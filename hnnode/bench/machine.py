"""What the numbers were measured on, and two reference speeds that let a reader compare machines."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from hnnode.bench import openssl


def cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def ram_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts() -> dict[str, Any]:
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "ram_gb": round(ram_bytes() / 2**30, 1),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "python": platform.python_version(),
    }


def commit() -> str | None:
    """Git revision of the source tree this package runs from, with `+` when it was changed; None outside a work
    tree.
    """
    git = shutil.which("git")
    if git is None:
        return None
    folder = str(Path(__file__).parent)
    try:
        revision = subprocess.run(
            [git, "-C", folder, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
        changed = subprocess.run(
            [git, "-C", folder, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if revision.returncode != 0:
        return None
    return revision.stdout.strip() + ("+" if changed.stdout.strip() else "")


def openssl_sm2_verify_per_s(seconds: int = 1) -> float | None:
    """Verifications a second of the `openssl` command on one core; None when it is absent or cannot do SM2."""
    found = openssl.sm2_per_s(seconds)
    return found[1] if found else None


def python_loops_per_s(seconds: float = 0.3) -> float:
    """Additions a second of a plain Python loop: how fast the interpreter is here and now."""
    done, chunk, started = 0, 20_000, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        total = 0
        for i in range(chunk):
            total += i
        done += chunk
    return done / spent


def reference() -> dict[str, float | None]:
    return {"openssl_sm2_verify_per_s": openssl_sm2_verify_per_s(), "python_loops_per_s": round(python_loops_per_s())}
