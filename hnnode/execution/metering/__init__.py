"""Counts the work of a plugin's code, the same on every node and interpreter.

    source → `rewrite` (ticks, wrappers, refusals) → `loader` (modules with `guard`'s builtins and imports) → `Meter`

The count decides results; time and memory never do. What the rewriting cannot bound is refused when the code is loaded,
with file, line and reason.
"""

from hnnode.execution.metering.loader import load_modules
from hnnode.execution.metering.meter import Meter
from hnnode.execution.metering.sizes import event_counter

__all__ = ["Meter", "event_counter", "load_modules"]
