"""A plugin that breaks the first rule: it reads the environment, so one node comes to other results."""

from __future__ import annotations

import os

import msgspec

from hnnode.plugin_api import Context, Registry, hookimpl


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: str


def note(tx: Context, payload: Note) -> None:
    drift = os.environ.get("DRIFT", "") if payload.text == "drift" else ""
    tx.put(b"last", (payload.text + drift).encode())


class DriftingPlugin:
    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.action("note", Note, note, title_zh="记录", title_en="Note")


plugin = DriftingPlugin()
