"""The system calls that a plugin's process keeps, as a filter of the kernel (seccomp-BPF).

Memory, the one socket, locks of the interpreter and the end of the process. Anything else fails with EPERM; memory that
can be executed is refused too, so no machine code enters. A call of another architecture's table ends the process.
"""

from __future__ import annotations

import ctypes
import platform
import struct

# name → (x86_64, aarch64); None where the architecture has none
_CALLS: dict[str, tuple[int, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "exit": (60, 93),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
}
_MAPPING: dict[str, tuple[int, int]] = {"mmap": (9, 222), "mprotect": (10, 226)}

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # refuse = errno EPERM
_AT_NUMBER, _AT_ARCHITECTURE, _AT_PROTECTION = 0, 4, 16 + 2 * 8
_PROT_EXEC = 4

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def is_known() -> bool:
    """Whether the calls of this machine's architecture are known."""
    return platform.machine() in _MACHINES


def program(machine: str) -> bytes:
    """The filter for an architecture: instructions of 8 bytes in this machine's byte order.

    Raises: KeyError: the architecture is not known.
    """
    column, architecture = _MACHINES[machine]
    allowed = sorted(number for row in _CALLS.values() if (number := row[column]) is not None)
    mapping = sorted(row[column] for row in _MAPPING.values())
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _REFUSE),
    ]
    # Behind the comparisons stand: refuse, the check of a mapping (3 instructions), allow.
    count = len(allowed) + len(mapping)
    for index, number in enumerate(mapping):
        code.append((_EQUAL, count - index - 1 + 1, 0, number))
    for index, number in enumerate(allowed, len(mapping)):
        code.append((_EQUAL, count - index - 1 + 4, 0, number))
    code += [
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _AT_PROTECTION),
        (_ANY_BIT, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("code", ctypes.c_void_p))


def install(libc: ctypes.CDLL) -> bool:
    """Put this process under the filter, for good; False when the kernel or the architecture has none."""
    if not is_known():
        return False
    code = ctypes.create_string_buffer(program(platform.machine()))
    filled = _Program((len(code) - 1) // 8, ctypes.cast(code, ctypes.c_void_p))
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filled), 0, 0) == 0)
