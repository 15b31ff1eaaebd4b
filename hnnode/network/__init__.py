"""Connections to the other nodes: handshake, framing, queues, reconnecting. Payloads belong to the rooms that send
them."""

from hnnode.network.counters import Counters
from hnnode.network.network import PeerNetwork

__all__ = ["Counters", "PeerNetwork"]
