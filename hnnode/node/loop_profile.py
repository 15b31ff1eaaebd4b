"""What the threads of a node are called and where its event loop spends time, for whoever reads `/proc` and `/metrics`.

The interpreter keeps a thread's name to itself before 3.14; `name_threads` tells the system. `LoopProfile` samples the
first thread by its own CPU clock, so that idle time is never counted and nothing is measured between samples.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType

from hnnode.errors import ConfigError
from hnnode.metrics import LoopSamples

NAME_BYTES_MAX = 15
"""What the kernel keeps of a thread's name."""
_PACKAGE = f"{os.sep}hnnode{os.sep}"
_SIGEV_THREAD_ID = 4
_CLOCK_THREAD_CPUTIME_ID = 3


def name_threads(named: set[int]) -> None:
    """Give every new thread but the first its Python name; `named` remembers which were done. Cost: one write a new thread."""
    alive = set()
    for thread in threading.enumerate():
        number = thread.native_id
        if number is None or thread is threading.main_thread():
            continue
        alive.add(number)
        if number not in named:
            try:
                Path(f"/proc/self/task/{number}/comm").write_bytes(thread.name.encode()[:NAME_BYTES_MAX])
            except OSError:
                continue  # it ended meanwhile, or the system has no such file: the name is for readers only
    named.clear()
    named.update(alive)


class _Sigevent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("padding", ctypes.c_char * 44),
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class LoopProfile:
    """Counts, every `sample_ms` of CPU time of the calling thread, the module of this package that is running there.

    Must be made in the first thread, before its event loop. Uses SIGPROF. Raises ConfigError where the system has no
    timers of threads.
    """

    def __init__(self, samples: LoopSamples, sample_ms: int) -> None:
        self._samples = samples
        self._modules: dict[CodeType, str | None] = {}
        self._timer = ctypes.c_void_p()
        libc = ctypes.CDLL(None, use_errno=True)
        if not sys.platform.startswith("linux") or not hasattr(libc, "timer_create"):
            raise ConfigError("CONFIG_INVALID", "metrics.loop_sample_ms: this system has no timers of threads")
        self._libc = libc
        signal.signal(signal.SIGPROF, self._on_sample)
        signal.siginterrupt(signal.SIGPROF, False)
        event = _Sigevent(None, signal.SIGPROF, _SIGEV_THREAD_ID, threading.get_native_id(), b"")
        period = _Timespec(sample_ms // 1000, sample_ms % 1000 * 1_000_000)
        if libc.timer_create(_CLOCK_THREAD_CPUTIME_ID, ctypes.byref(event), ctypes.byref(self._timer)):
            raise ConfigError("CONFIG_INVALID", f"metrics.loop_sample_ms: {os.strerror(ctypes.get_errno())}")
        libc.timer_settime(self._timer, 0, ctypes.byref(_Itimerspec(period, period)), None)

    def stop(self) -> None:
        self._libc.timer_delete(self._timer)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)

    def _on_sample(self, _: int, frame: FrameType | None) -> None:
        while frame is not None:
            code = frame.f_code
            module = self._modules.get(code, "")
            if module == "":
                module = self._modules[code] = module_of(code.co_filename)
            if module is not None:
                self._samples.add(module)
                return
            frame = frame.f_back
        self._samples.add("loop")


def module_of(path: str) -> str | None:
    """`room.module` of a source file of a room; None for every other file."""
    room, _, file = path.rpartition(_PACKAGE)[2].partition(os.sep)
    if not file or _PACKAGE not in path or path.endswith(f"{os.sep}lifecycle.py") or room == "cli":
        return None
    return f"{room}.{file.removesuffix('.py').replace(os.sep, '.')}"
