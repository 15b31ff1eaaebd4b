"""A process that ends with the one that started it.

The parent's id is looked at again and again: an orphan is adopted by another process. A signal of the kernel's
(PR_SET_PDEATHSIG) would come when the thread that started the process ends, not when its process does.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Annotated

import typer

from hnnode.cli.language import say, two
from hnnode.cli.options import optional
from hnnode.cli.output import notes

POLL_S = 0.5

StopWithParentOption = Annotated[
    bool,
    typer.Option(
        "--stop-with-parent",
        help=two("启动本进程的进程结束时一并停止", "stop when the process that started this one ends"),
    ),
]
ParentOption = Annotated[
    int | None,
    optional(
        "--parent",
        metavar="PID",
        min=1,
        help=two(
            "同 --stop-with-parent，并给出启动者的进程号：它在本进程启动途中结束也不会错过（shell 中为 $$）",
            "as --stop-with-parent, with the starter's process id: its end is not missed while this one starts ($$ in a shell)",
        ),
    ),
]


def follow_parent(stop_with_parent: bool, parent: int | None) -> None:
    """Send this process SIGTERM once its parent is another one than `parent`, also when it is so already. Without an id it is the
    parent of this moment that counts: one that ended before is missed.
    """
    if stop_with_parent or parent is not None:
        known = os.getppid() if parent is None else parent
        threading.Thread(target=_follow, args=(known,), name="parent", daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    notes().print(say(f"父进程 {parent} 已结束", f"the parent process {parent} has ended"), markup=False)
    os.kill(os.getpid(), signal.SIGTERM)
