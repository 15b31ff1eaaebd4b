"""Configuration of one node: `config.toml` in its home. Every queue and loop has its `*_max` here.

Unknown keys are refused, so that a typing error never becomes a silent default.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hnnode.errors import ConfigError

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]


class Peer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A node to connect to: `public_key` as 130 hex digits."""

    name: str
    public_key: str
    host: str
    port: Port


class NetworkConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 30300
    frame_bytes_max: Positive = 9 * 1024 * 1024
    queue_bytes_max: Positive = 32 * 1024 * 1024
    handshake_ms: Positive = 5_000
    handshakes_pending_max: Positive = 64
    connections_per_host_max: Positive = 64
    reconnect_ms_max: Positive = 1_000
    idle_ms: Positive = 30_000
    ban_ms: Positive = 30_000


class GatewayConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 20200
    body_bytes_max: Positive = 1024 * 1024
    batch_body_bytes_max: Positive = 4 * 1024 * 1024
    batch_count_max: Positive = 1_000
    wait_ms_max: Positive = 30_000
    event_streams_max: Positive = 256
    page_limit_max: Positive = 200


class MetricsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 26660
    loop_sample_ms: Annotated[int, Meta(ge=0, le=1_000)] = 0


class MempoolConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    pool_bytes_max: Positive = 64 * 1024 * 1024
    pool_tx_count_max: Positive = 200_000
    account_bytes_max: Positive = 32 * 1024 * 1024
    batch_tx_count_max: Positive = 2_000
    batch_bytes_max: Positive = 768 * 1024
    admission_bytes_max: Positive = 16 * 1024 * 1024
    door_bytes_min: Positive = 1024 * 1024
    door_delay_ms: Positive = 500
    seal_ms: Positive = 20
    seal_busy_ms: Positive = 60
    batch_sync_ms: Positive = 10
    author_batches_max: Positive = 256
    author_bytes_max: Positive = 64 * 1024 * 1024
    requeue_blocks: Positive = 50
    waiters_max: Positive = 100_000
    refuse_personal: bool = True


class ConsensusConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    block_interval_ms: Positive = 40
    block_interval_busy_ms: Positive = 400
    block_tx_count_wanted: Positive = 6_000
    propose_ms: Positive = 1_000
    propose_step_ms: Positive = 500
    vote_ms: Positive = 300
    vote_step_ms: Positive = 200
    rebroadcast_ms: Positive = 500
    cap_ms: Positive = 30_000
    clock_skew_ms_max: Positive = 500
    block_batches_max: Positive = 64


class StorageConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    cache_bytes: Positive = 64 * 1024 * 1024
    write_buffer_bytes: Positive = 128 * 1024 * 1024
    segment_bytes: Positive = 64 * 1024 * 1024
    tree_cache_bytes: Positive = 512 * 1024 * 1024
    snapshots_max: Positive = 4
    disk_free_bytes_min: Positive = 512 * 1024 * 1024


class SyncConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    status_ms: Positive = 500
    request_ms: Positive = 5_000
    response_bytes_max: Positive = 8 * 1024 * 1024
    blocks_ahead_max: Positive = 64


class ExecutionConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Plugins and their processes. `isolated`: all, none, or these of the plugins of the node's own environment; none
    when it is not set. Those that were installed with `hnnode plugin install` are always isolated.
    """

    isolated: bool | tuple[str, ...] | None = None
    sandbox: Literal["strict", "best"] = "strict"
    block_ms_max: Positive = 300_000
    block_cpu_ms_max: Positive = 60_000
    hang_ms: Positive = 60_000
    query_ms_max: Positive = 2_000
    query_wait_ms: Positive = 2_000
    queries_waiting_max: Positive = 256
    query_processes: Annotated[int, Meta(ge=1, le=16)] = 1
    memory_bytes_max: Annotated[int, Meta(ge=256 * 1024 * 1024)] = 1024 * 1024 * 1024

    def isolates(self, application: str, from_store: bool) -> bool:
        """Whether this application's code gets processes of its own: code from the store always does."""
        if from_store or self.isolated is None:
            return from_store
        return self.isolated if isinstance(self.isolated, bool) else application in self.isolated


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One node. `applications` names the plugins to enable beside the native ones; the genesis must agree."""

    name: str
    peers: tuple[Peer, ...] = ()
    log_level: str = "info"
    key_cache_bytes: Positive = 64 * 1024 * 1024
    network: NetworkConfig = NetworkConfig()
    gateway: GatewayConfig = GatewayConfig()
    metrics: MetricsConfig = MetricsConfig()
    mempool: MempoolConfig = MempoolConfig()
    consensus: ConsensusConfig = ConsensusConfig()
    storage: StorageConfig = StorageConfig()
    sync: SyncConfig = SyncConfig()
    execution: ExecutionConfig = ExecutionConfig()


def load_config(path: Path) -> Config:
    """Read and check `config.toml`. Raises ConfigError (9001) with the file and the field."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        return msgspec.convert(raw, Config)
    except FileNotFoundError as e:
        raise ConfigError(
            "CONFIG_INVALID", f"{path}: no such file (run `hnnode init` or `hnnode testnet` first)"
        ) from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as e:
        raise ConfigError("CONFIG_INVALID", f"{path}: {e}") from e
