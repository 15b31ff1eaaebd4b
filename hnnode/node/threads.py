"""The threads of one node, each kind apart from the others so that none waits behind work that may come later."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from hnnode.node.interpreter import give_way

ADMISSION_THREADS = 2
VERIFY_THREADS = 2


class Threads:
    """Pools by task; a pool starts its threads when it is first used.

    Admission and verification are apart, so that a crowd at the door never holds up peers' batches, nor those the consensus.
    """

    def __init__(self) -> None:
        self.admission = ThreadPoolExecutor(ADMISSION_THREADS, "admission", initializer=give_way)
        self.verify = ThreadPoolExecutor(VERIFY_THREADS, "verify")
        self.hash = ThreadPoolExecutor(1, "hash")
        self.execution = ThreadPoolExecutor(1, "execution")
        self.storage = ThreadPoolExecutor(1, "storage")
        self.batch_log = ThreadPoolExecutor(1, "batch-log")
        self.consensus_log = ThreadPoolExecutor(1, "consensus-log")

    async def stop(self) -> None:
        """Wait for what they were given and end them."""
        pools: list[ThreadPoolExecutor] = list(vars(self).values())
        await asyncio.gather(*(asyncio.to_thread(pool.shutdown) for pool in pools))
