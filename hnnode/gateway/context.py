"""What every route needs, put together once."""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.config import GatewayConfig
from hnnode.gateway.readers import Readers
from hnnode.gateway.receipts import ReceiptReader
from hnnode.gateway.streams import Streams
from hnnode.ports import Node
from hnnode.primitives.genesis import GenesisFacts


@dataclass(frozen=True, slots=True)
class Context:
    node: Node
    config: GatewayConfig
    genesis: GenesisFacts
    readers: Readers
    receipts: ReceiptReader
    streams: Streams

    def close(self) -> None:
        """End event streams and reading threads. On the event loop."""
        self.streams.stop()
        self.readers.close()
