"""`config.md` from the structs of `hnnode.config`; every key needs a sentence here."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec

from hnnode import config

_HEAD = """# config.toml

Rendered from `hnnode/config.py` by `make docs`; do not edit. One file a node, in its home. An unknown key is refused
at start-up. Every value has a default except `name`. Names end in their unit: `_ms`, `_bytes`, `_max`. Changing a
value needs a restart of that node alone; what all nodes of a chain must share stands in `genesis.json` instead.
"""

TEXTS: dict[str, str] = {
    "name": "name of this node in logs and status",
    "peers": "nodes to connect to, one `[[peers]]` table each",
    "log_level": "debug, info, warning or error",
    "key_cache_bytes": "memory for prepared tables of registered public keys",
    "peers.name": "name of the peer in logs and status",
    "peers.public_key": "its node key, 130 hex digits; a connection that cannot prove it is refused",
    "peers.host": "where it listens",
    "peers.port": "its peer port",
    "network.host": "address the peer port binds to",
    "network.port": "peer port",
    "network.frame_bytes_max": "longest frame accepted from a peer",
    "network.queue_bytes_max": "bytes queued for one peer and channel before frames are dropped",
    "network.handshake_ms": "a handshake must be over in this time",
    "network.handshakes_pending_max": "unfinished handshakes at once",
    "network.connections_per_host_max": "connections from one address",
    "network.reconnect_ms_max": "longest pause between attempts to reach a peer",
    "network.idle_ms": "a silent connection is closed after this time",
    "network.ban_ms": "how long a faulty peer is refused",
    "gateway.host": "address the HTTP port binds to; it has no login of its own, so only a reverse proxy may widen it",
    "gateway.port": "HTTP port",
    "gateway.body_bytes_max": "longest request body",
    "gateway.batch_body_bytes_max": "longest body of `POST /v1/txs:batch`",
    "gateway.batch_count_max": "transactions in one batch request",
    "gateway.wait_ms_max": "longest `timeout_ms` of a waiting request",
    "gateway.event_streams_max": "open event streams",
    "gateway.page_limit_max": "largest `limit` of a page",
    "metrics.host": "address the metrics port binds to",
    "metrics.port": "Prometheus text at `/metrics`",
    "metrics.loop_sample_ms": "sample the event loop every so much of its CPU time for `hn_loop_samples`; 0 for not at all",
    "execution.isolated": "plugins of the node's own environment that run in processes of their own: `true`, `false` or a "
    "list of names; unset: none. Those that were taken into the home as wheels always do",
    "execution.sandbox": "`strict`: isolated plugins need no_new_privs, Landlock and seccomp of this machine; `best`: go on "
    "without what is missing, after one warning",
    "execution.block_ms_max": "a plugin's process that takes longer for a block is ended and the block tried again",
    "execution.block_cpu_ms_max": "the same for its processor time",
    "execution.hang_ms": "code that stands at one transaction for so long hangs: it is named, and may be signed to be skipped",
    "execution.query_ms_max": "a plugin's query that takes longer is refused and its process ended",
    "execution.query_wait_ms": "queries of an isolated plugin wait so long for their turn; after it they get 503 `NOT_READY`",
    "execution.queries_waiting_max": "queries of one isolated plugin that may wait; those beyond get 503 `NOT_READY`",
    "execution.query_processes": "processes of an isolated plugin that answer queries, beside the one for blocks",
    "execution.memory_bytes_max": "address space, and resident memory, of one process of a plugin",
    "mempool.pool_bytes_max": "bytes of transactions waiting to be sealed; above it submissions get 429",
    "mempool.pool_tx_count_max": "transactions waiting to be sealed",
    "mempool.account_bytes_max": "share of one account in the pool",
    "mempool.batch_tx_count_max": "a batch is sealed at this many transactions",
    "mempool.batch_bytes_max": "a batch is sealed at this many bytes",
    "mempool.admission_bytes_max": "submitted bodies that may wait for verification; above it submissions get 429",
    "mempool.door_bytes_min": "transactions of this node that may wait, however slow the chain is",
    "mempool.door_delay_ms": "above `door_bytes_min` as much may wait as the chain takes of this node in this time; the rest gets 429",
    "mempool.seal_ms": "a batch is sealed after this time at the latest",
    "mempool.seal_busy_ms": "the same while own batches wait for their block: later ones lose nothing by being fuller",
    "mempool.batch_sync_ms": "shortest time between two syncs of the batch log while batches keep coming",
    "mempool.author_batches_max": "batches of one author kept while uncommitted",
    "mempool.author_bytes_max": "bytes of one author's uncommitted batches",
    "mempool.requeue_blocks": "an own batch not included within this many blocks is sealed again",
    "mempool.waiters_max": "requests that may wait for a commit at once",
    "mempool.refuse_personal": "refuse transactions with an identity, mobile or card number in a text of their payload (3013), "
    "before they are pooled",
    "consensus.block_interval_ms": "shortest time between the starts of two blocks while transactions wait",
    "consensus.block_interval_busy_ms": "the interval grows with the time blocks take, up to this",
    "consensus.block_tx_count_wanted": "transactions that are proposed at once, whatever the interval",
    "consensus.propose_ms": "wait for a proposal in round 0",
    "consensus.propose_step_ms": "added for each further round",
    "consensus.vote_ms": "wait for the remaining votes in round 0",
    "consensus.vote_step_ms": "added for each further round",
    "consensus.rebroadcast_ms": "own votes and proposals are sent again after this time without progress",
    "consensus.cap_ms": "no timeout grows beyond this",
    "consensus.clock_skew_ms_max": "a block's time may be this far ahead of the own clock",
    "consensus.block_batches_max": "batches this node puts into one proposal",
    "storage.cache_bytes": "block cache of the database",
    "storage.write_buffer_bytes": "write buffer of the database",
    "storage.segment_bytes": "length of one file of the batch log",
    "storage.tree_cache_bytes": "memory for pages of the state tree",
    "storage.snapshots_max": "recent heights that stay readable and provable",
    "storage.disk_free_bytes_min": "below it the node takes no transactions (6004) and keeps following",
    "sync.status_ms": "how often the own height is told to peers; a fourth as often while nothing changes",
    "sync.request_ms": "a block request is given to another peer after this time",
    "sync.response_bytes_max": "longest answer to one block request",
    "sync.blocks_ahead_max": "blocks requested ahead of the applied height",
}


def sections() -> dict[str, type[msgspec.Struct]]:
    """Section name and struct, in the order of the file; the empty name is the top level."""
    found: dict[str, type[msgspec.Struct]] = {"": config.Config}
    for name, hint in get_type_hints(config.Config).items():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            found[name] = hint
    found["peers"] = config.Peer
    return found


def keys() -> dict[str, Any]:
    """`section.key` and default of every setting; `msgspec.NODEFAULT` where one is needed."""
    nested = sections().keys() - {"", "peers"}
    return {
        f"{section}.{field.name}" if section else field.name: field.default
        for section, struct in sections().items()
        for field in msgspec.structs.fields(struct)
        if section or field.name not in nested
    }


def _default(value: Any) -> str:
    if value is msgspec.NODEFAULT:
        return "required"
    if value == ():
        return "none"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def render_settings() -> str:
    parts = [_HEAD]
    everything = keys()
    for section in sections():
        heading = "Top level" if not section else f"[[{section}]]" if section == "peers" else f"[{section}]"
        parts += [f"## {heading}\n", "| key | default | meaning |", "|---|---|---|"]
        for path, default in everything.items():
            head, _, name = path.rpartition(".")
            if head == section:
                parts.append(f"| `{name}` | {_default(default)} | {TEXTS[path]} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"
