"""A node's links to its peers, from its configuration."""

from __future__ import annotations

from hnnode_native import NativeError, SecretKey, account_of

from hnnode.config import Config
from hnnode.errors import ConfigError
from hnnode.metrics import Metrics
from hnnode.ports import Network, PeerAddress


def tcp_network(config: Config, chain_id: bytes, key: SecretKey, metrics: Metrics) -> Network:
    """Authenticated TCP links to the configured peers."""
    from hnnode.network import PeerNetwork

    return PeerNetwork(config.network, chain_id=chain_id, key=key, peers=_addresses(config), metrics=metrics)


def _addresses(config: Config) -> list[PeerAddress]:
    addresses = []
    for peer in config.peers:
        try:
            public_key = bytes.fromhex(peer.public_key)
            addresses.append(PeerAddress(peer.name, account_of(public_key), public_key, peer.host, peer.port))
        except (ValueError, NativeError) as e:
            raise ConfigError("CONFIG_INVALID", f"peers: public_key of {peer.name}: {e}") from e
    return addresses
