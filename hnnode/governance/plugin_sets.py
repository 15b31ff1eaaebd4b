"""Which plugins run at which height. The set of height h is a function of the state after block h−1 alone, so a node
that executes old blocks again runs the old code at the old heights.

    start: state → `open` · every block: `page`, execution, `follow` → what the next height runs

Threads: `open`, `page` and `follow` on the one that executes blocks; everything else from any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from hnnode_native import BlockResult, ValidatorSet, state_key

from hnnode.errors import ConfigError, invariant
from hnnode.execution.executor import NOTHING_SKIPPED, go_on
from hnnode.execution.governance_records import OPEN_KEY, SET_KEY, OpenProposals, PluginSet, decode_open, decode_set
from hnnode.execution.migrating import FAULT_SKIPPED
from hnnode.governance.finding import PluginSources
from hnnode.governance.pages import Page, next_page
from hnnode.governance.running import HostOf, Running, load_running, make_host
from hnnode.primitives.skip import EVERY_TX, Skipped, page_id

if TYPE_CHECKING:
    from hnnode.ports import StateReader

APPLICATION = "governance"
ADVANCE_BLOCKS_MAX = 10_000
"""An accepted proposal this near makes the chain go on without transactions until it counts."""
KEPT_BLOCKS = 2
"""A host that was replaced answers queries for so many blocks more."""

log = structlog.get_logger("governance")


class PluginSets:
    """The plugin set of one node as its chain goes on."""

    def __init__(self, sources: PluginSources, validators: ValidatorSet, host_of: HostOf = make_host) -> None:
        """validators: of the genesis; their votes count."""
        self._sources = sources
        self._validators = validators
        self._host_of = host_of
        self._running: Running | None = None
        self._before: Running | None = None
        self._open = OpenProposals()

    @property
    def running(self) -> Running:
        """What the next height runs."""
        invariant(self._running is not None, "plugins are asked for before they were loaded")
        assert self._running is not None
        return self._running

    def open(self, state: StateReader, height: int) -> None:
        """Load what runs after block `height`, whose state this is. Raises ConfigError PLUGIN_MISSING and others."""
        self._open = decode_open(state.get(state_key(APPLICATION, OPEN_KEY)))
        plugins = decode_set(state.get(state_key(APPLICATION, SET_KEY)))
        self._running = load_running(plugins, height + 1, self._validators, self._sources, self._host_of)

    def page(
        self, state: StateReader, height: int, skipped: Skipped = NOTHING_SKIPPED, again: Callable[[], None] = go_on
    ) -> Page | None:
        """Page of the migration in block `height`; None while none runs. One that is skipped ends the migration, and no code of the
        plugin sees it. Arguments as for `Executor.execute_block`, and what `again` raises passes through.
        """
        running = self.running
        plugin = running.plugins.migrating()
        if plugin is None:
            return None
        item = page_id(height, plugin.name)
        if {item, EVERY_TX} & skipped.get(plugin.name, frozenset()):
            return Page(plugin.name, (), 0, fault=FAULT_SKIPPED)
        return next_page(plugin, running.host, running.former, state, item, again)

    def follow(self, height: int, result: BlockResult) -> ConfigError | None:
        """Block `height` is written: switch to what the next one runs. An error means that this node cannot go on to it."""
        if self._before is not None and height >= self.running.first_height + KEPT_BLOCKS:
            self._before.close()
            self._before = None
        row = result.written(APPLICATION, OPEN_KEY)
        if row is not None:
            self._open = decode_open(row)
        row = result.written(APPLICATION, SET_KEY)
        if row is None:
            return None
        plugins, now = decode_set(row), self.running
        try:
            if _code_of(plugins) == _code_of(now.plugins):
                self._running = replace(now, plugins=plugins)  # a page of a migration
            else:
                fresh = load_running(plugins, height + 1, self._validators, self._sources, self._host_of)
                if self._before is not None:
                    self._before.close()
                self._before, self._running = now, fresh
                log.info("plugin set", height=height + 1, plugins=[" ".join(each) for each in _code_of(plugins)])
        except ConfigError as e:
            return e
        return None

    def plugins_hash(self, height: int) -> bytes:
        """What the header of this height carries: the running one or, while a switch is being made, the one before."""
        running = self.running  # first: a switch sets the one before together with a later one
        before = self._before
        if before is not None and height < running.first_height:
            return before.plugins_hash
        return running.plugins_hash

    def wants_block(self, height: int) -> bool:
        """Whether the chain at this height should go on although nobody sends anything: a migration runs, or an accepted
        proposal is about to count.
        """
        if self._before is not None and height < self.running.first_height:
            return True  # the first header that carries the new set
        if self.running.plugins.migrating() is not None:
            return True
        total = self._validators.total_power
        return any(
            3 * proposal.power_for > 2 * total and proposal.activation_height - height <= ADVANCE_BLOCKS_MAX
            for proposal in self._open.open
        )

    def close(self) -> None:
        """End all processes of plugins."""
        for each in (self._before, self._running):
            if each is not None:
                each.close()


def _code_of(plugins: PluginSet) -> list[tuple[str, ...]]:
    """What of a set decides what is loaded and who may be called."""
    return [
        (p.name, p.code.version, p.status, p.code.code_hash, p.migration.from_.code_hash if p.migration else "")
        for p in plugins.plugins
    ]
