"""How much of its count each action of a metered plugin takes, found by running samples of the plugin's workload."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from hnnode.execution.host import Host
from hnnode.execution.metering import Meter
from hnnode.execution.table import Application
from hnnode.kit.chain import Chain
from hnnode.kit.order import Touched, WatchedState
from hnnode.kit.outcome import Refused
from hnnode.kit.project import table_of
from hnnode.plugin_api.limits import TICKS_MAX

SAMPLES_PER_ACTION = 5
BLOCK_TXS = 50


@dataclass(frozen=True, slots=True)
class ActionTicks:
    """Ticks of an action's handler with the check of its payload, over the samples."""

    action: str
    samples: int
    median: int
    most: int

    @property
    def headroom(self) -> float:
        """How often the largest sample would fit into what a transaction may take."""
        return TICKS_MAX / max(1, self.most)


def ticks_of_actions(
    host: Host, application: str, flavour: str = "", *, count: int = 400, samples: int = SAMPLES_PER_ACTION
) -> list[ActionTicks]:
    """Of each action that the workload has, ascending by name. The counts are the same on every machine.

    Args:
        host: with the plugin counted in this process; it is closed to other use. count: transactions of the workload.
    Raises: ConfigError: the plugin has no such workload. ValueError: it is not metered. AssertionError: its workload is
    refused.
    """
    meters = _watched(host, application)
    work = host.workload(application, 1, flavour)
    chain = Chain(lambda: host, application)
    people = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    found: dict[str, list[int]] = {}
    for wave in work.waves({name: someone.address for name, someone in people.items()}, count):
        requests = [people[item.actor].request(item.action, item.payload) for item in wave]
        for request in requests:
            taken = found.setdefault(request.action, [])
            if len(taken) < samples:
                chain.try_alone(request, WatchedState(chain.state, Touched()))
                taken.append(meters[-1].spent)
        for start in range(0, len(requests), BLOCK_TXS):
            for outcome in chain.block(requests[start : start + BLOCK_TXS]):
                if not outcome.ok:
                    raise Refused(outcome)
    return [ActionTicks(name, len(taken), int(median(taken)), max(taken)) for name, taken in sorted(found.items())]


def _watched(host: Host, application: str) -> list[Meter]:
    """The meters of the copies that the host makes from now on, the latest alone."""
    table = table_of(host, application)
    renew = table.renew
    if renew is None:
        raise ValueError(f"{application}: its code is not metered")
    meters: list[Meter] = []

    def noted() -> Application:
        made = renew()
        meters[:] = [made.meter] if made.meter is not None else []
        return made

    host.applications[application] = replace(table, renew=noted)
    return meters
