"""Hook specifications. A hook ships only together with a plugin that uses it.

Hooks are called once at start or by the load generator, never per transaction: a transaction reaches its handler
through the frozen table that `hn_register` filled. Every plugin has a plugin manager of its own, so hook order cannot
reach state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pluggy

from hnnode.plugin_api.migration import Migration
from hnnode.plugin_api.registry import Registry
from hnnode.plugin_api.workload import WorkItem, Workload

API_VERSION = 1
"""Raised when this package changes in a way that an existing plugin could notice."""

PROJECT = "hnnode"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """The whole contract between node and plugin."""

    @hookspec
    def hn_register(self, registry: Registry) -> None:
        """Describe the application and fill its table: actions, queries, events, rules. Called once, at start."""

    @hookspec(firstresult=True)
    def hn_migrations(self) -> Sequence[Migration] | None:
        """Steps between layouts of the application's data, forwards and backwards. Called once, at start; a step runs
        when governance replaces the code by one of another `state_version`.
        """

    @hookspec(firstresult=True)
    def hn_bench_workload(self, seed: int, flavour: str) -> Workload | None:
        """A seeded stream of valid transactions and the invariant to check afterwards, for `hnnode bench`."""

    @hookspec(firstresult=True)
    def hn_import(self, format: str, document: bytes, accounts: Mapping[str, str]) -> list[WorkItem] | None:
        """Transactions that a document of another standard asks for, in the order to submit them; None for an unknown
        format.

        `accounts` gives the account (40 hexadecimal digits) of each role or party that the document names. Raises
        QueryRefused (PARAMETER_INVALID) with the place and the reason when the document is faulty.
        """
