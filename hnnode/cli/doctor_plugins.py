"""What `hnnode doctor` says of plugins: whether the code that the chain runs, or has decided on, is on this node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hnnode_native import state_key

from hnnode.cli import failure
from hnnode.cli.language import say
from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError, HnError
from hnnode.storage.home import Home

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    check: str
    text: str


def due_plugins(home: Home, execution: ExecutionConfig) -> Iterator[Finding]:
    """From the files of the home, which are complete when its node rests: one finding for each plugin whose code is missing."""
    from hnnode.execution.governance_records import OPEN_KEY, SET_KEY, decode_open, decode_set
    from hnnode.governance import PluginSources, PluginStore
    from hnnode.node.genesis import load_genesis
    from hnnode.storage import DiskReader

    try:
        with DiskReader(home.database) as state:
            running = decode_set(state.get(state_key("governance", SET_KEY))).plugins
            opened = decode_open(state.get(state_key("governance", OPEN_KEY))).open
        quorum = load_genesis(home.genesis).validators.quorum
    except ConfigError:
        return  # no chain here yet, or the genesis is a finding of its own
    sources = PluginSources(PluginStore(home.root), execution)
    wanted = [(plugin.name, plugin.code, "") for plugin in running]
    wanted += [
        (
            each.name,
            each.code,
            say(
                f"（提案 {each.number}，高度 {each.activation_height} 起）",
                f" (proposal {each.number}, from height {each.activation_height})",
            ),
        )
        for each in opened
        if each.kind in ("activate", "upgrade") and each.power_for >= quorum
    ]
    for name, code, when in wanted:
        try:
            sources.find(name, code)
        except HnError as e:
            yield Finding("fail", "plugins", failure.describe(e)[0] + when)
