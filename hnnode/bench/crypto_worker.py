"""One kernel in one process: reads a job from standard input, prints `field value` as each is measured.

A process of its own, because a process keeps the kernel it started with, and so that affinity holds for all its threads.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import hnnode_native as native

from hnnode.bench.crypto_calls import CALLS, Clock


def _value(field: str, job: dict[str, Any], clock: Clock) -> float:
    if field in CALLS:
        return CALLS[field](clock)
    return native.bench([field], job["seconds"], job["threads"], job["state_keys"])[field]


def main() -> None:
    job = json.load(sys.stdin)
    clock = Clock(job["seconds"], time.process_time if job["threads"] == 1 else time.perf_counter)
    for field in job["fields"]:
        value = _value(field, job, clock)
        if not 0 < value < math.inf:
            sys.exit(f"{field}: got {value}")
        print(field, value, flush=True)


if __name__ == "__main__":
    main()
