"""Takes everything from a process but memory and the socket it has: for a plugin's process, by itself, once.

    separate (before anything is imported) → imports → lock

Layers, each enough for most of what it stands against: no new privileges, an empty Landlock domain (no file, no
network), the filter of system calls, resource limits. A user and network namespace of its own is one more where the
machine allows it to ordinary users; it is not asked for.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys

from hnnode.execution.isolation import seccomp

NO_NEW_PRIVILEGES = "no_new_privs"
LANDLOCK = "landlock"
SECCOMP = "seccomp"
NAMESPACES = "namespaces"
REQUIRED = frozenset((NO_NEW_PRIVILEGES, LANDLOCK, SECCOMP))
"""What a strict sandbox has."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_LANDLOCK_VERSION = 1
_LIMITS_ZERO = (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def separate(parent: int) -> list[str]:
    """Die with the parent process, and get namespaces where that is allowed. Returns what is missing.

    To be called while the process has one thread.
    """
    if sys.platform != "linux":
        return [NAMESPACES]
    libc = _libc()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    return [] if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0 else [NAMESPACES]


def lock(memory_bytes_max: int) -> list[str]:
    """Give up everything for good. Returns what this machine could not take away."""
    os.environ.clear()
    missing = []
    if sys.platform != "linux":
        return sorted(REQUIRED)
    libc = _libc()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return sorted(REQUIRED)  # neither of the others may be had without it
    if not _landlock(libc):
        missing.append(LANDLOCK)
    for limit in _LIMITS_ZERO:
        resource.setrlimit(limit, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = memory_bytes_max if hard == resource.RLIM_INFINITY else min(memory_bytes_max, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    if not seccomp.install(libc):
        missing.append(SECCOMP)
    return missing


def _landlock(libc: ctypes.CDLL) -> bool:
    """A domain without any right on files and sockets, as far as the kernel's version knows such rights."""
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(_LANDLOCK_VERSION))
    if version < 1:
        return False
    files = (1 << 13) - 1
    for since, bit in ((2, 13), (3, 14), (5, 15)):
        files |= (version >= since) << bit
    network = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("=QQQ", files, network, scopes)[:size]
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint(0)) == 0)
    finally:
        os.close(ruleset)
