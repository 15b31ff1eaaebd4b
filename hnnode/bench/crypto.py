"""`hnnode bench crypto`: every kernel of this processor on one pinned core, the best one on all cores, `openssl` beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import hnnode_native as native

from hnnode.bench import machine, openssl
from hnnode.bench.crypto_calls import CALLS

Progress = Callable[[str, int, int], None]

FIELDS: tuple[str, ...] = (*native.BENCH_FIELDS, *CALLS)
BIG_TREE = "state_tree_updates_per_s"
ONE_THREAD_FIELDS = frozenset(
    {"sm2_verify_single_us", "sm2_sign_single_us", "sm3_stream_MBps", "sm4_gcm_256B_per_s", "sm4_ctr_MBps", BIG_TREE}
    | {"py_verify_single_us", "py_sm3_stream_MBps", "py_sm4_gcm_MBps", "py_state_tree_1M_updates_per_s"}
)
"""Fields that more cores cannot change, and the one whose preparation takes longest."""
STREAM_BYTES = 1 << 20
HASH_BYTES = 64


@dataclass(frozen=True, slots=True)
class CryptoPlan:
    seconds: float
    """Given to each field."""
    kernels: tuple[str, ...]
    """The last one also gives the fields at the top of the result."""
    fields: tuple[str, ...] = FIELDS
    state_keys: int = 10_000_000


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
    return {
        "openssl_sm2_verify_per_s": sm2[1] if sm2 else None,
        "openssl_sm2_sign_per_s": sm2[0] if sm2 else None,
        "openssl_sm3_64B_per_s": _rounded(short / HASH_BYTES) if short else None,
        "openssl_sm3_stream_MBps": _rounded(stream / 1e6) if stream else None,
    }


def _best(first: dict[str, float | None], second: dict[str, float | None]) -> dict[str, float | None]:
    return {
        name: max((v for v in (value, second[name]) if v is not None), default=None) for name, value in first.items()
    }


def fields_of(kernel: str, plan: CryptoPlan) -> tuple[str, ...]:
    """The biggest tree is grown once, on the kernel of the top fields."""
    return tuple(f for f in plan.fields if f != BIG_TREE or kernel == plan.kernels[-1])


def measure(plan: CryptoPlan, progress: Progress) -> dict[str, Any]:
    """The whole result. The reference runs before and after, and the better of both counts, as for every field.

    Raises WorkerError.
    """
    chosen, count = plan.kernels[-1], len(cores())
    parallel = [f for f in plan.fields if f not in ONE_THREAD_FIELDS] if count > 1 else []
    total = sum(len(fields_of(kernel, plan)) for kernel in plan.kernels) + len(parallel)
    done = 0

    def run(kernel: str, fields: Sequence[str], threads: int) -> dict[str, float]:
        nonlocal done

        def on_field() -> None:
            nonlocal done
            done += 1
            progress(kernel, done, total)

        job = {"fields": fields, "seconds": plan.seconds, "threads": threads, "state_keys": plan.state_keys}
        return {name: _rounded(value) for name, value in _worker(kernel, job, on_field).items()}

    reference_seconds = max(1, round(plan.seconds))
    with pinned():
        before = reference(reference_seconds)
        kernels = {kernel: run(kernel, fields_of(kernel, plan), 1) for kernel in plan.kernels}
        beside = _best(before, reference(reference_seconds))
    all_cores = run(chosen, parallel, count) if parallel else {}
    return {
        "scenario": "crypto",
        "machine": machine.facts(),
        "commit": machine.commit(),
        "openssl": openssl.version(),
        "kernel": chosen,
        "seconds": plan.seconds,
        "state_keys": plan.state_keys,
        **beside,
        **kernels[chosen],
        "kernels": kernels,
        "all_cores": {"threads": count, **all_cores},
    }
