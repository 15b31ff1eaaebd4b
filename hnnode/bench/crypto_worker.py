"""One kernel in one process: reads a job from standard input, prints `field value` as each is measured.

A process of its own, because a process keeps the kernel it started with, and so that affinity holds for all its threads.
"""

from __future__ import annotations

import json
import math
import sys

import hnnode_native as native

from hnnode.bench.crypto_calls import CALLS


def main() -> None:
    job = json.load(sys.stdin)
    for field in job["fields"]:
        if field in CALLS:
            value = CALLS[field](job["seconds"])
        else:
            value = native.bench([field], job["seconds"], job["threads"], job["state_keys"])[field]
        if not 0 < value < math.inf:
            sys.exit(f"{field}: got {value}")
        print(field, value, flush=True)


if __name__ == "__main__":
    main()
