"""A chain whose one action runs whatever a test gives it, for the pieces of `plugin_api.std`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.plugin_api import Context, QueryView, Registry, hookimpl
from hnnode.plugin_api.testing import LocalChain, Outcome


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No payload."""


class ProbePlugin:
    def __init__(self) -> None:
        self.run: Callable[[Context], object] = lambda tx: None
        self.answer: object = None

    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.action("run", Nothing, self._run, title_zh="运行", title_en="run")
        for rule in RULES:
            registry.rule(f"probe.{rule}", rule, rule)

    def _run(self, tx: Context, _: Nothing) -> None:
        self.answer = self.run(tx)


RULES = (
    *("exists", "unknown", "moved", "full", "day", "past", "span", "closed", "running", "standing", "item"),
    *("department", "opined", "early", "about", "not_due", "amount", "short", "unbalanced", "locked", "lock"),
)


class Probe:
    """`do` runs one transaction and returns "" or the rule that refused it; what it returned is in `answer`."""

    def __init__(self) -> None:
        self._plugin = ProbePlugin()
        host = Host([Plugin("probe", "1", self._plugin, Path(__file__).parent)], [], _hash)
        self.chain = LocalChain(host, "probe")
        self.outcome: Outcome | None = None

    @property
    def answer(self) -> Any:
        return self._plugin.answer

    def account(self, name: str, *roles: str) -> bytes:
        return self.chain.account(name, *roles)

    def do(self, sender: bytes, run: Callable[[Context], object]) -> str:
        self._plugin.run = run
        before = self.chain.state.dump()
        self.outcome = self.chain.submit(sender, "run", {})
        if self.outcome.ok:
            return ""
        assert self.outcome.code == 4001, self.outcome
        assert self.chain.state.dump() == before, "a refused transaction left something"
        return self.outcome.rule.removeprefix("probe.")

    def view(self) -> QueryView:
        return self.chain.view()


def _hash(tag: str, data: bytes) -> bytes:
    return hashlib.sha256(tag.encode() + b"\0" + data).digest()
