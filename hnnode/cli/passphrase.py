"""Passphrases: from a file descriptor for programs, from the terminal for people, never from arguments or the
environment.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from hnnode.cli.language import say
from hnnode.crypto import FileSigner
from hnnode.errors import ConfigError

LENGTH_MIN = 8
LENGTH_MAX = 1_024


def is_encrypted(path: Path) -> bool:
    """The PEM label says so; a file that cannot be read is reported by whoever reads the key."""
    try:
        with path.open("rb") as file:
            return b"BEGIN ENCRYPTED PRIVATE KEY" in file.read(4_096)
    except OSError:
        return False


def ask(what: str, descriptor: int | None, *, twice: bool = False) -> str:
    """One passphrase. Raises ConfigError 9006 when there is neither a descriptor nor a terminal, 2004 when it is
    empty or differs.
    """
    if descriptor is not None:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            text = file.readline(LENGTH_MAX + 2).decode("utf-8", "strict").rstrip("\r\n")
    elif sys.stdin.isatty():
        text = getpass.getpass(f"{what}: ", stream=sys.stderr)
        if twice and getpass.getpass(say("再输入一次: ", "once more: "), stream=sys.stderr) != text:
            raise ConfigError("KEY_FILE_INVALID", say("两次口令不一致", "the passphrases differ"))
    else:
        raise ConfigError(
            "PREREQUISITE_MISSING",
            say(
                "需要口令：请用 --passphrase-fd 或在终端中运行",
                "a passphrase is needed: use --passphrase-fd or a terminal",
            ),
        )
    if not text or len(text) > LENGTH_MAX:
        raise ConfigError("KEY_FILE_INVALID", say("口令为空或过长", "the passphrase is empty or too long"))
    return text


def ask_new(what: str, descriptor: int | None) -> str:
    """A passphrase for a new file, at least LENGTH_MIN characters. Raises ConfigError 2004 for a shorter one."""
    text = ask(what, descriptor, twice=True)
    if len(text) < LENGTH_MIN:
        detail = say(f"口令至少 {LENGTH_MIN} 个字符", f"a passphrase needs at least {LENGTH_MIN} characters")
        raise ConfigError("KEY_FILE_INVALID", detail)
    return text


def open_signer(path: Path, descriptor: int | None) -> FileSigner:
    """The key of a file, asking for its passphrase when it is encrypted."""
    secret = ask(say(f"{path.name} 的口令", f"passphrase of {path.name}"), descriptor) if is_encrypted(path) else None
    return FileSigner(path, secret)
