"""Load for `hnnode bench chain --app medical`.

Flavours: `""` or `mix` sends as many transactions of the drug trace as of the recognition of reports, and the queries of the
trace; `trace` and `recognition` are one of the two. `chain` is half and half without a query and with more packs dispensed,
`declare` one wave of patients' bindings that wait for nothing, for generators that keep no order. Within a wave no
transaction waits for another, so a wave succeeds in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from hn_medical.audit import violations
from hn_medical.workload_recognition import RECOGNITION_ACTORS, BindingLoad, RecognitionLoad
from hn_medical.workload_trace import QUERY_PERCENT, TRACE_ACTORS, TraceLoad
from hnnode.plugin_api import QueryView, Question, WorkItem, Workload

MIX_PERCENT = 8
"""Half of the transactions are of the trace, so its queries are about half the share."""
ALL_ACTORS = {**TRACE_ACTORS, **RECOGNITION_ACTORS}


def make_workload(seed: int, flavour: str) -> Workload | None:
    """The workload of a flavour; None when there is none of that name."""
    match flavour or "mix":
        case "mix":
            return MedicalWorkload("mix", ALL_ACTORS, [TraceLoad(seed), RecognitionLoad(seed)], MIX_PERCENT)
        case "chain":
            return MedicalWorkload(flavour, ALL_ACTORS, [TraceLoad(seed, asks=False), RecognitionLoad(seed)])
        case "trace":
            return MedicalWorkload(flavour, TRACE_ACTORS, [TraceLoad(seed)], QUERY_PERCENT)
        case "recognition":
            return MedicalWorkload(flavour, RECOGNITION_ACTORS, [RecognitionLoad(seed)])
        case "declare":
            return MedicalWorkload(flavour, RECOGNITION_ACTORS, [BindingLoad(seed)])
    return None


class MedicalWorkload:
    application = "medical"

    def __init__(
        self,
        flavour: str,
        actors: Mapping[str, tuple[str, ...]],
        loads: Sequence[TraceLoad | RecognitionLoad | BindingLoad],
        query_percent: int = 0,
    ) -> None:
        self.flavour = flavour
        self.actors = actors
        self.query_percent = query_percent
        self._loads = loads

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """The loads' waves side by side."""
        share = -(-count // len(self._loads))
        for together in zip_longest(*(load.waves(accounts, share) for load in self._loads), fillvalue=[]):
            yield [item for wave in together for item in wave]

    def question(self, item: WorkItem) -> Question | None:
        """Only the trace is asked."""
        trace = self._loads[0]
        return trace.question(item) if isinstance(trace, TraceLoad) else None

    def violations(self, view: QueryView) -> list[str]:
        """Broken invariants of the application's state."""
        return violations(view)
