"""`/status`, `/live`, `/ready`, `/validators`, `/peers`, `/genesis`, `/limits`, `/errors`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from hnnode.errors import ERRORS, Unavailable
from hnnode.gateway import models
from hnnode.gateway.answer import json_answer, time_text
from hnnode.gateway.context import Context
from hnnode.ports import NodeFacts


def facts_json(facts: NodeFacts) -> dict[str, Any]:
    return {
        "chain_id": facts.chain_id.hex(),
        "chain_name": facts.chain_name,
        "role": facts.role,
        "version": facts.version,
        "account": facts.account.hex(),
        "node_name": facts.node_name,
        "validator": facts.validator,
        "height": facts.height,
        "block_hash": facts.block_hash.hex(),
        "block_time": time_text(facts.block_time_ms),
        "syncing": facts.syncing,
        "ready": facts.ready,
        "halted": facts.halted,
        "consensus": dict(facts.consensus),
        "peers_connected": facts.peers_connected,
        "peers_known": facts.peers_known,
        "pool": dict(facts.pool),
        "disk_free_bytes": facts.disk_free_bytes,
        "loop_lag_ms": facts.loop_lag_ms,
        "uptime_s": facts.uptime_s,
        "plugin_troubles": [asdict(trouble) for trouble in facts.plugin_troubles],
    }


class Limits(models.Model):
    """As in the node's configuration, where they stand under `gateway`."""

    body_bytes_max: int
    batch_body_bytes_max: int
    batch_count_max: int
    wait_ms_max: int
    event_streams_max: int
    page_limit_max: int


def _text(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def node_routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["node"])
    node, genesis = context.node, context.genesis

    @router.get("/status", response_model=models.Status, summary="Facts of this node")
    async def get_status() -> Response:
        return json_answer(facts_json(node.facts()))

    @router.get("/live", response_model=models.Live, summary="The process answers")
    async def get_live() -> Response:
        return json_answer({"live": True})

    @router.get("/ready", response_model=models.Ready, summary="The node is in step with the chain")
    async def get_ready() -> Response:
        """503 with the reason otherwise."""
        facts = node.facts()
        if facts.halted:
            raise Unavailable("NOT_READY", f"halted: {facts.halted}", retry_after_ms=10_000)
        if facts.syncing:
            raise Unavailable("SYNCING", f"at height {facts.height}", retry_after_ms=1_000)
        if not facts.ready:
            raise Unavailable("NOT_READY", f"at height {facts.height}", retry_after_ms=1_000)
        return json_answer({"ready": True, "height": facts.height})

    @router.get("/validators", response_model=models.Validators, summary="The validator set")
    async def get_validators() -> Response:
        rows = [{name: _text(value) for name, value in row.items()} for row in node.validators()]
        return json_answer({"validators": rows})

    @router.get("/peers", response_model=models.Peers, summary="Connections to other nodes")
    async def get_peers() -> Response:
        rows = [
            {
                "name": peer.name,
                "account": peer.account.hex(),
                "host": peer.host,
                "port": peer.port,
                "connected": peer.connected,
                "since_ms": peer.since_ms,
                "bytes_in": peer.bytes_in,
                "bytes_out": peer.bytes_out,
                "queued_bytes": peer.queued_bytes,
            }
            for peer in node.peers()
        ]
        return json_answer({"peers": rows})

    @router.get("/genesis", response_model=models.Genesis, summary="The fixed facts of the chain")
    async def get_genesis() -> Response:
        """`encoding` hashes to `chain_id`: a client that knows the id can check every other fact."""
        return json_answer(
            {
                "chain_id": genesis.chain_id.hex(),
                "chain_name": genesis.chain_name,
                "role": genesis.role,
                "time": time_text(genesis.time_ms),
                "validators_hash": genesis.validators_hash.hex(),
                "plugins_hash": genesis.plugins_hash.hex(),
                "state_root": genesis.state_root.hex(),
                "block_bytes_max": genesis.block_bytes_max,
                "block_tx_count_max": genesis.block_tx_count_max,
                "valid_blocks_max": genesis.valid_blocks_max,
                "encoding": genesis.encoding.hex(),
            }
        )

    @router.get("/limits", response_model=Limits, summary="Limits of requests to this node")
    async def get_limits() -> Response:
        config = context.config
        return json_answer({name: getattr(config, name) for name in Limits.model_fields})

    @router.get("/errors", response_model=models.Errors, summary="Every error code")
    async def get_errors() -> Response:
        rows = [
            {
                "code": info.code,
                "name": info.name,
                "http": info.http,
                "retryable": info.retryable,
                "message_zh": info.zh,
                "message_en": info.en,
            }
            for info in ERRORS.values()
        ]
        return json_answer({"errors": rows})

    return router
