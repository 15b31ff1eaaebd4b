"""How the threads of a node share the interpreter and the processor: the event loop first, the crowd at the door last."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path

SWITCH_INTERVAL_S = 0.001
"""After this time a thread that runs Python gives the interpreter to one that waits. With the default of 5 ms the event loop, which lets
go of it at every turn, came 28 ms late in the median beside two busy threads on two loaded cores; with 1 ms it was 10 ms."""
GC_THRESHOLDS = (20_000, 20, 20)
"""A block's rows are many objects and no cycles: looking through them for cycles at every 700 new ones finds nothing."""
ADMISSION_NICENESS = 5
"""Of the admission threads: on a busy machine votes and blocks go before new transactions."""


BACKGROUND_NICENESS = 10
"""Of the database's own threads, which sort and merge files: a memtable that fills meanwhile has room for seconds of blocks."""


def prefer_event_loop() -> None:
    """Once a process, before its threads start."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)


def settle() -> None:
    """Once the node is built: what lives until its end is never looked through again. A full collection took 56 ms before, with every
    thread waiting, and takes none of that after."""
    gc.collect()
    gc.freeze()


def give_way() -> None:
    """Initializer of a thread that yields to the others of this machine. Without effect where threads have no priority of their own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), ADMISSION_NICENESS)


def background_gives_way(seen: set[str]) -> None:
    """The same for the threads of the database that started since the last call; `seen` remembers the threads looked at."""
    if sys.platform != "linux":
        return
    tasks = set(os.listdir("/proc/self/task"))
    for task in tasks - seen:
        try:
            if Path(f"/proc/self/task/{task}/comm").read_bytes().startswith(b"rocksdb:"):
                os.setpriority(os.PRIO_PROCESS, int(task), BACKGROUND_NICENESS)
        except OSError:
            continue  # it ended meanwhile
    seen.clear()
    seen.update(tasks)
