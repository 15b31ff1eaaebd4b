"""No number of a person into the pool: what stands in a block stands there for good (decision 0025).

It is a policy of this node's door alone. Batches of other validators are never looked through: a proposer could stall the chain.
"""

from __future__ import annotations

from collections.abc import Callable

from hnnode_native import PersonalScan

from hnnode.ports import Applications


class PersonalDoor:
    """The scan for the applications that run now. Any thread."""

    def __init__(self, applications: Callable[[], Applications]) -> None:
        """applications: another object after each change of the plugins."""
        self._applications = applications
        self._made: tuple[Applications, PersonalScan] | None = None

    def scan(self) -> PersonalScan:
        """Made anew when the plugins changed. Asked once a call of admission."""
        running = self._applications()
        made = self._made
        if made is None or made[0] is not running:
            exempt = [(name, action, list(fields)) for name, action, fields in running.exempt_fields()]
            made = self._made = (running, PersonalScan(exempt))
        return made[1]
