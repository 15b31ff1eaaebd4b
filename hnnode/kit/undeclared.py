"""Keys that handlers read although their action's keys function does not name them, found by running the workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hnnode.execution.host import Host
from hnnode.kit.chain import Chain, Request
from hnnode.kit.order import Touched, WatchedState
from hnnode.kit.outcome import Refused
from hnnode.kit.project import table_of

if TYPE_CHECKING:
    from hnnode.ports import StateReader

SAMPLES_PER_ACTION = 5
_KEY_CHARS = 40


class _Singles(WatchedState):
    """Tells reads one by one from those that were fetched with the others of the block."""

    def __init__(self, state: StateReader, touched: Touched) -> None:
        super().__init__(state, touched)
        self.hinted: set[bytes] = set()

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.hinted.update(keys)
        return self._state.get_many(keys)


def undeclared_reads(host: Host, application: str, count: int) -> list[tuple[str, str]]:
    """(action, key) of such reads, one for each first byte of a key that the function never names: a key that follows
    from what was read before, such as a parent's, cannot be named. Only of actions that have a keys function.

    Raises: ConfigError: the plugin has no workload. AssertionError: the workload is refused or breaks an invariant.
    """
    table = table_of(host, application)
    work = host.workload(application, 1)
    chain = Chain(lambda: host, application)
    people = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
    seen: dict[str, int] = {}
    found: dict[tuple[str, bytes], str] = {}
    for wave in work.waves({name: someone.address for name, someone in people.items()}, count):
        requests = [people[item.actor].request(item.action, item.payload) for item in wave]
        for request in requests:
            row = table.actions.get(request.action)
            if row is None or row.keys is None or seen.get(request.action, 0) >= SAMPLES_PER_ACTION:
                continue
            seen[request.action] = seen.get(request.action, 0) + 1
            for key in _reads_alone(chain, request, table.prefix):
                found.setdefault((request.action, key[:1]), _shown(key))
        for start in range(0, len(requests), 50):
            for outcome in chain.block(requests[start : start + 50]):
                if not outcome.ok:
                    raise Refused(outcome)
    broken = work.violations(chain.view())
    if broken:
        raise AssertionError(f"invariant: {broken[0]}")
    return [(action, text) for (action, _), text in sorted(found.items())]


def _reads_alone(chain: Chain, request: Request, prefix: bytes) -> list[bytes]:
    touched = Touched()
    watched = _Singles(chain.state, touched)
    chain.try_alone(request, watched)
    named = {key[len(prefix) : len(prefix) + 1] for key in watched.hinted}
    own = sorted(key[len(prefix) :] for key in touched.reads if key.startswith(prefix))
    return [key for key in own if key[:1] not in named]


def _shown(key: bytes) -> str:
    text = "".join(chr(byte) if 33 <= byte < 127 else f"\\x{byte:02x}" for byte in key)
    return text if len(text) <= _KEY_CHARS else text[:_KEY_CHARS] + "…"
