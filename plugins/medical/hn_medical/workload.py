"""Load for `hnnode bench chain --app medical`.

Flavours: `trace` (drug trace), `recognition` (reports); `""` and `chain` are half and half; `declare` is one wave of
patients' bindings that wait for nothing, for generators that keep no order. Within a wave no transaction waits for
another, so a wave succeeds in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from hn_medical.audit import violations
from hn_medical.workload_recognition import RECOGNITION_ACTORS, BindingLoad, RecognitionLoad
from hn_medical.workload_trace import TRACE_ACTORS, TraceLoad
from hnnode.plugin_api import QueryView, WorkItem, Workload

MIXED = ("", "chain")
"""The usual names of a default load."""


def make_workload(seed: int, flavour: str) -> Workload | None:
    """The workload of a flavour; None when there is none of that name."""
    if flavour in MIXED:
        return MedicalWorkload({**TRACE_ACTORS, **RECOGNITION_ACTORS}, [TraceLoad(seed), RecognitionLoad(seed)])
    if flavour == "trace":
        return MedicalWorkload(TRACE_ACTORS, [TraceLoad(seed)])
    if flavour == "recognition":
        return MedicalWorkload(RECOGNITION_ACTORS, [RecognitionLoad(seed)])
    if flavour == "declare":
        return MedicalWorkload(RECOGNITION_ACTORS, [BindingLoad(seed)])
    return None


class MedicalWorkload:
    application = "medical"

    def __init__(
        self, actors: Mapping[str, tuple[str, ...]], loads: Sequence[TraceLoad | RecognitionLoad | BindingLoad]
    ) -> None:
        self.actors = actors
        self._loads = loads

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """The loads' waves side by side."""
        share = -(-count // len(self._loads))
        for together in zip_longest(*(load.waves(accounts, share) for load in self._loads), fillvalue=[]):
            yield [item for wave in together for item in wave]

    def violations(self, view: QueryView) -> list[str]:
        """Broken invariants of the application's state."""
        return violations(view)
