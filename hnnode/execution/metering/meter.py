"""The count of a plugin's work. One meter belongs to one loaded copy of the code and one thread."""

from __future__ import annotations

from typing import Any, NoReturn

from hnnode.errors import CODES
from hnnode.plugin_api.limits import BLOCK_TICKS_MAX, DEPTH_MAX, STEP_TICKS, TICKS_MAX
from hnnode.plugin_api.outcome import TxRefused

STEPS_EXCEEDED = CODES["STEPS_EXCEEDED"]
UNBOUND = 1 << 60


class Meter:
    """`cell` = [ticks left, calls that may still nest]; a new one for each transaction, so that what an earlier one left
    behind counts on its own.
    """

    __slots__ = ("_block_left", "_given", "cell", "exceeded")

    def __init__(self) -> None:
        self.exceeded = False
        self._block_left = self._given = UNBOUND
        self.cell = [UNBOUND, DEPTH_MAX]

    def begin_block(self) -> None:
        """A block begins: its transactions share `BLOCK_TICKS_MAX`."""
        self._block_left, self._given = BLOCK_TICKS_MAX, 0
        self.cell = [0, DEPTH_MAX]
        self.exceeded = False

    def begin(self, ticks: int = TICKS_MAX) -> None:
        """A transaction begins."""
        self._block_left -= self._given - max(self.cell[0], 0)
        self._given = max(0, min(ticks, self._block_left))
        self.cell = [self._given, DEPTH_MAX]
        self.exceeded = False

    def go_on(self) -> None:
        """The next transaction begins within the same call, that of a batch handler, which holds the cell."""
        left = max(self.cell[0], 0)
        self._block_left -= self._given - left
        self._given = self.cell[0] = max(0, min(TICKS_MAX, self._block_left))
        self.exceeded = False

    def spend(self, steps: int) -> None:
        """Steps of the transaction that ends, for the block's count: reads take time that no loop of the code shows."""
        self._block_left -= STEP_TICKS * steps

    def begin_alone(self, ticks: int) -> None:
        """Work outside of a block begins: loading, a query, a hook of a tool."""
        self._block_left = UNBOUND
        self._given = ticks
        self.cell = [ticks, DEPTH_MAX]
        self.exceeded = False

    @property
    def spent(self) -> int:
        """Ticks of what was begun last."""
        return self._given - max(self.cell[0], 0)

    def charge(self, ticks: int) -> None:
        """Count work that no loop of the code shows. Raises: TxRefused: there is too much."""
        cell = self.cell
        cell[0] -= ticks
        if cell[0] < 0:
            self.over()

    def tick(self) -> bool:
        """One turn of a comprehension; always true."""
        cell = self.cell
        cell[0] -= 1
        if cell[0] < 0:
            self.over()
        return True

    def enter(self) -> list[int]:
        """A call begins; the caller gives its depth back to the cell it gets."""
        cell = self.cell
        cell[0] -= 1
        cell[1] -= 1
        if cell[0] < 0 or cell[1] < 0:
            self.over()
        return cell

    def paused(self, cell: list[int], held: list[int], value: Any) -> Any:
        """A generator is about to rest at a `yield`: meanwhile it is no call that nests. Whether and when it ends, if
        nobody goes on with it, depends on the interpreter's memory.
        """
        cell[1] += 1
        held[0] = 0
        return value

    def resumed(self, cell: list[int], held: list[int], sent: Any) -> Any:
        """A generator goes on; it gives back what it holds when it ends."""
        cell[1] -= 1
        held[0] = 1
        if cell[1] < 0:
            self.over()
        return sent

    def over(self) -> NoReturn:
        """The end of this transaction, whatever its code does next."""
        self.exceeded = True
        self.cell[0] = -1
        raise TxRefused(STEPS_EXCEEDED)
