"""The only package a plugin imports.

A plugin is one wheel (`hnnode-<application>`, import `hn_<application>`) with one entry point of the group
`hnnode.plugins`; the entry point's name is the application it brings. The object it names has the hooks of
`hooks.py`, marked with `hookimpl`.

Rules a plugin lives by:
1. Same block and same state give the same bytes on every host. No clock, no random source, no float, no iteration
   over a set.
2. State is reached through the `Context` alone; values are integers, bytes, text, booleans and lists of them.
3. A refused transaction leaves nothing: no write, no event; its receipt holds a code and a rule id, never an
   exception's text.
4. Work is bounded by counts (`limits.py`), never by time.
"""

from hnnode.plugin_api.codec import canonical_json, decode_json
from hnnode.plugin_api.context import BlockReader, Context, QueryView, Reader, TxInfo
from hnnode.plugin_api.hooks import API_VERSION, hookimpl
from hnnode.plugin_api.migration import Migration, MigrationRefused
from hnnode.plugin_api.model import END, ModelError
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.records import Records
from hnnode.plugin_api.registry import Registry
from hnnode.plugin_api.workload import AskingWorkload, Question, WorkItem, Workload

__all__ = [
    "API_VERSION",
    "END",
    "AskingWorkload",
    "BlockReader",
    "Context",
    "Migration",
    "MigrationRefused",
    "ModelError",
    "QueryRefused",
    "QueryView",
    "Question",
    "Reader",
    "Records",
    "Registry",
    "TxInfo",
    "WorkItem",
    "Workload",
    "canonical_json",
    "decode_json",
    "hookimpl",
]
