"""Methods of the interface's own objects that go through what they are given, a record above all."""

from __future__ import annotations

from types import FunctionType

from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.records import Records
from hnnode.plugin_api.std import calendar, consent, evidence, holds, ledger, registry, trace, workflow

_MODULES = (calendar, consent, evidence, holds, ledger, registry, trace, workflow)
HOST_METHODS = frozenset(
    function
    for module in _MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__ == module.__name__
    for name, function in vars(kind).items()
    if isinstance(function, FunctionType) and not name.startswith("_")
) | {Records.put, Records.encode, Records.get_many, QueryView.get_many}
"""A call of one of these counts its arguments. The others take keys and bytes, whose length is bounded."""
