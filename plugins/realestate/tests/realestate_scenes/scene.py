"""What the scenes share: the register of them, names, and a grant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

UNIT = "411502001003GB00001F00010101"
OTHER_UNIT = "411502001003GB00001F00010102"
CITIZEN = "11010519491231002X"
DOC = "ab" * 32
GRANT = "cd" * 16
HOUR_MS = 3_600_000
SCENES: dict[str, Callable[[Any], None]] = {}


def scene(test: Callable[[Any], None]) -> Callable[[Any], None]:
    SCENES[test.__name__] = test
    return test


def person(name: str) -> str:
    return "0001" + hashlib.sha256(f"person {name}".encode()).hexdigest()


def parts(**shares: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"holder": person(name), "share": share, "of": of} for name, (share, of) in shares.items()]


def granted(w: Any, **more: Any) -> bytes:
    """A grant of zhang's to the bank, good for an hour; returns zhang's account."""
    owner: bytes = w.chain.account("owner")
    w.ok(w.police, "bind_holder", holder=person("zhang"), account=owner.hex())
    terms = {"grant": GRANT, "holder": person("zhang"), "grantee": w.bank.hex(), "purpose": "loan"}
    w.ok(owner, "grant", **{**terms, "until_ms": w.chain.time_ms + HOUR_MS, **more})
    return owner
