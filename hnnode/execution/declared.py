"""What functions that name keys are given: a transaction, and the rows that were fetched for it."""

from __future__ import annotations

from collections.abc import Mapping


class DeclaredTx:
    """`TxInfo` for key functions; one object stands for each transaction in turn."""

    __slots__ = ("block_time_ms", "height", "sender", "tx_id")

    def __init__(self, height: int, block_time_ms: int) -> None:
        self.height = height
        self.block_time_ms = block_time_ms
        self.tx_id = b""
        self.sender = b""


class FetchedRows:
    """`Reader` for functions that name keys: the rows that were fetched, and nothing else."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[bytes, bytes | None]) -> None:
        self._values = values

    def get(self, key: bytes, /) -> bytes | None:
        return self._values.get(key)

    def scan(self, prefix: bytes, limit: int, after: bytes | None = None) -> list[tuple[bytes, bytes]]:
        return []
