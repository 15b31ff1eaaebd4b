"""Determinism lint: the syntax trees of a plugin's modules, searched for what two hosts could see differently.

A gate for quality, not a sandbox: what gets past it is contained when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hnnode.kit.findings import Finding
from hnnode.kit.lint import calls, imports, loops, names, sets, state
from hnnode.kit.lint.module import Code, Module

Check = Callable[[Code, Module], Iterator[Finding]]
ON_CHAIN: tuple[Check, ...] = (
    imports.check,
    names.check,
    sets.check,
    state.check,
    loops.check,
    calls.check,
)
OFF_CHAIN: tuple[Check, ...] = (imports.check, names.check_host)


def lint(code: Code) -> list[Finding]:
    """Findings of all modules, ascending by place."""
    found: set[Finding] = set(code.broken)
    for module in code.modules.values():
        for check in OFF_CHAIN if module.off_chain else ON_CHAIN:
            found.update(check(code, module))
    return sorted(found)
