"""`hnnode bench crypto`: every kernel of this processor on one pinned core, the best one on all cores, `openssl` beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import hnnode_native as native

from hnnode.bench import machine, openssl
from hnnode.bench.crypto_calls import CALLS
from hnnode.bench.crypto_targets import TARGETS, ratios

Progress = Callable[[str, int, int], None]

FIELDS: tuple[str, ...] = (*native.BENCH_FIELDS, *CALLS)
ONE_THREAD_FIELDS = frozenset(
    {"sm2_verify_single_us", "sm2_sign_single_us", "sm3_stream_MBps", "sm4_gcm_256B_per_s", "sm4_ctr_MBps"}
    | {"py_verify_single_us", "py_sm3_stream_MBps", "py_sm4_gcm_MBps"}
)
"""Fields that more cores cannot change."""
SECONDS, QUICK_SECONDS = 0.5, 0.05
STATE_KEYS, QUICK_STATE_KEYS = 10_000_000, 1_000_000
STREAM_BYTES = 1 << 20
HASH_BYTES = 64
RECORD_BYTES = 16 * 1024
STATISTIC, CLOCK = "best", "processor time on one core, wall time on all"
"""Other load makes runs slower, never faster; `openssl speed` counts processor time too, and its best run counts."""


@dataclass(frozen=True, slots=True)
class CryptoPlan:
    seconds: float
    """Given to each field."""
    kernels: tuple[str, ...]
    """The last one also gives the fields at the top of the result."""
    fields: tuple[str, ...] = FIELDS
    state_keys: int = STATE_KEYS
    quick: bool = False
    """All fields of the last kernel; of the others those of SM2, SM3 and SM4, without trees and Python calls."""


class WorkerError(Exception):
    """A measuring process ended early; the text is what it wrote to standard error."""


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@contextmanager
def pinned() -> Iterator[None]:
    """Processes started inside run on one core: the last, since the first one serves most interrupts."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _worker(kernel: str, job: dict[str, Any], on_field: Callable[[], None]) -> dict[str, float]:
    environment = {**os.environ, "HN_CRYPTO_KERNEL": kernel, "RAYON_NUM_THREADS": str(job["threads"])}
    with subprocess.Popen(
        [sys.executable, "-m", "hnnode.bench.crypto_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise WorkerError(f"{kernel}: no pipes")
        try:
            json.dump(job, process.stdin)
            process.stdin.close()
            found = {}
            for line in process.stdout:
                field, value = line.split()
                found[field] = float(value)
                on_field()
            complaint = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise WorkerError(f"{kernel}: {complaint.strip() or f'exit code {process.returncode}'}")
    return found


def _rounded(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")


def reference(seconds: int) -> dict[str, float | None]:
    """`openssl speed` on one core."""
    sm2 = openssl.sm2_per_s(seconds)
    short = openssl.bytes_per_s("sm3", HASH_BYTES, seconds)
    stream = openssl.bytes_per_s("sm3", STREAM_BYTES, seconds)
    cipher = openssl.bytes_per_s("sm4-ctr", RECORD_BYTES, seconds)
    return {
        "openssl_sm2_verify_per_s": sm2[1] if sm2 else None,
        "openssl_sm2_sign_per_s": sm2[0] if sm2 else None,
        "openssl_sm3_64B_per_s": _rounded(short / HASH_BYTES) if short else None,
        "openssl_sm3_stream_MBps": _rounded(stream / 1e6) if stream else None,
        "openssl_sm4_ctr_MBps": _rounded(cipher / 1e6) if cipher else None,
    }


def _best(first: dict[str, float | None], second: dict[str, float | None]) -> dict[str, float | None]:
    return {
        name: max((v for v in (first.get(name), value) if v is not None), default=None)
        for name, value in second.items()
    }


def fields_of(kernel: str, plan: CryptoPlan) -> tuple[str, ...]:
    """Fields that the plan wants of this kernel."""
    if plan.quick and kernel != plan.kernels[-1]:
        return tuple(field for field in plan.fields if field.startswith("sm"))
    return plan.fields


def measure(plan: CryptoPlan, progress: Progress) -> dict[str, Any]:
    """The whole result. The reference runs on the same core before the first kernel and after each, with `quick` after the
    last alone; the best of its runs counts, as for every field. About 2.5 minutes on four kernels, half a minute with `quick`.

    Raises WorkerError.
    """
    chosen, count = plan.kernels[-1], len(cores())
    parallel = [f for f in plan.fields if f not in ONE_THREAD_FIELDS] if count > 1 else []
    reference_runs = 1 if plan.quick else 1 + len(plan.kernels)
    total = sum(len(fields_of(kernel, plan)) for kernel in plan.kernels) + len(parallel) + reference_runs
    done = 0
    started = datetime.now(UTC).isoformat(timespec="seconds")

    def step(name: str) -> None:
        nonlocal done
        done += 1
        progress(name, done, total)

    def run(kernel: str, threads: int) -> dict[str, float]:
        fields = fields_of(kernel, plan) if threads == 1 else parallel
        job = {"fields": fields, "seconds": plan.seconds, "threads": threads, "state_keys": plan.state_keys}
        return {name: _rounded(value) for name, value in _worker(kernel, job, lambda: step(kernel)).items()}

    def compare() -> dict[str, float | None]:
        found = reference(max(1, round(plan.seconds)))
        step("openssl")
        return found

    kernels: dict[str, dict[str, float]] = {}
    with pinned():
        beside = {} if plan.quick else compare()
        for kernel in plan.kernels:
            kernels[kernel] = run(kernel, 1)
            if kernel == chosen or not plan.quick:
                beside = _best(beside, compare())
    all_cores = run(chosen, count) if parallel else {}
    result = {
        "scenario": "crypto",
        "started": started,
        "machine": machine.facts(),
        "commit": machine.commit(),
        "openssl": openssl.version(),
        "kernel": chosen,
        "settings": {
            "seconds": plan.seconds,
            "statistic": STATISTIC,
            "clock": CLOCK,
            "state_keys": plan.state_keys,
            "quick": plan.quick,
            "openssl_runs": reference_runs,
        },
        **beside,
        **kernels[chosen],
        "kernels": kernels,
        "all_cores": {"threads": count, **all_cores},
        "ratios": {kernel: ratios(fields, beside) for kernel, fields in (*kernels.items(), ("all_cores", all_cores))},
    }
    return {**result, "targets": [target.row(result) for target in TARGETS]}
