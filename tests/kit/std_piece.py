"""Runs pieces of the library on the node's own executor: one action whose payload names what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.plugin_api import Context, Registry, hookimpl
from hnnode.plugin_api.testing import LocalChain, Outcome


class Step(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`names` and `numbers` mean what the step makes of them."""

    do: str
    names: Annotated[list[str], Meta(max_length=64)] = []
    numbers: Annotated[list[Annotated[int, Meta(ge=-(2**53), le=2**53)]], Meta(max_length=64)] = []


Steps = dict[str, Callable[[Context, list[bytes], list[int]], None]]


class Piece:
    """A plugin `piece` whose rules are the values of rule structs."""

    def __init__(self, steps: Steps, rules: list[str]) -> None:
        self._steps = steps
        self._rules = rules

    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.action("run", Step, self._run, title_zh="执行", title_en="Run")
        for rule in self._rules:
            registry.rule(rule, rule, rule)

    def _run(self, tx: Context, step: Step) -> None:
        self._steps[step.do](tx, [name.encode() for name in step.names], step.numbers)


def rules_of(kind: Any) -> Any:
    """A rule struct with `piece.<field>` for each of its fields."""
    return kind(**{name: f"piece.{name}" for name in kind.__slots__})


class PieceChain:
    """A chain with the piece; accounts by name. The rule of a refusal comes without its prefix."""

    def __init__(self, steps: Steps, *rules: Any) -> None:
        ids = sorted({getattr(each, name) for each in rules for name in each.__slots__})
        plugin = Plugin("piece", "1", Piece(steps, ids), Path(__file__).parent)
        self.host = Host([plugin], [], lambda tag, data: hashlib.sha256(tag.encode() + data).digest())
        self.chain = LocalChain(self.host, "piece")
        self.people = {name: self.chain.account(name) for name in ("ann", "bob", "cat")}

    def do(self, person: str, step: str, names: list[str] | None = None, numbers: list[int] | None = None) -> Outcome:
        payload = {"do": step, "names": names or [], "numbers": numbers or []}
        return self.chain.submit(self.people[person], "run", payload)

    def refusal(self, person: str, step: str, names: list[str] | None = None, numbers: list[int] | None = None) -> str:
        """The rule that refused, empty when it went through. A handler's fault fails the test."""
        outcome = self.do(person, step, names, numbers)
        assert outcome.code in (0, 4001), outcome
        return outcome.rule.removeprefix("piece.")
