"""`/txs/{id}`: state, receipt, proof."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from hnnode.errors import CODES, Rejected
from hnnode.gateway import models
from hnnode.gateway.answer import code_name, json_answer
from hnnode.gateway.body import OCTETS
from hnnode.gateway.context import Context
from hnnode.gateway.documents import OCTETS_ANSWER
from hnnode.gateway.outcome import TX_EXPIRED, final_code
from hnnode.gateway.parameters import HEIGHT_MAX, TimeoutMs, TxId, WaitFor
from hnnode.gateway.problem import problem
from hnnode.gateway.views import read_tx
from hnnode.ports import TxLocation, TxStatus, Wait

Deadline = Annotated[
    int | None,
    Query(
        ge=0,
        le=HEIGHT_MAX,
        description="`valid_until_height` of the transaction: past it an unknown one is `expired` for good",
    ),
]


def tx_routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["transactions"])
    node = context.node

    async def status_of(tx_id: bytes, wait: Wait, timeout_ms: int) -> TxStatus:
        if wait == "none":
            return node.mempool.status(tx_id)
        return await node.mempool.wait(tx_id, wait, min(timeout_ms, context.config.wait_ms_max))

    @router.get("/txs/{tx_id}", response_model=models.TxState, summary="State of a transaction")
    async def get_tx(
        tx_id: TxId, wait: WaitFor = "none", timeout_ms: TimeoutMs = 5_000, valid_until_height: Deadline = None
    ) -> Response:
        """404: unknown here. With `valid_until_height`, an unknown one past that height is `expired` for good."""
        key = bytes.fromhex(tx_id)
        # Read before the status: what is unknown after the chain has passed its last height can never be committed.
        height = (await context.readers.run(node.chain.tip)).height if valid_until_height is not None else 0
        status = await status_of(key, wait, timeout_ms)
        if status.state == "unknown":
            if valid_until_height is not None and height >= valid_until_height:
                status = TxStatus(key, "expired", code=TX_EXPIRED)
            else:
                return problem(
                    CODES["NOT_FOUND"],
                    f"transaction {tx_id.lower()}: unknown to this node",
                    tx_id=key,
                    instance=f"/v1/txs/{tx_id.lower()}",
                    extra={"state": "unknown"},
                )
        code = final_code(status) if status.state in ("expired", "rejected") else status.code
        answer: dict[str, Any] = {
            "tx_id": key.hex(),
            "state": status.state,
            "height": status.height,
            "tx_index": status.tx_index,
            "code": code,
            "name": code_name(code),
            "rule": status.rule,
            "tx": None,
        }
        if status.height is not None and status.tx_index is not None:
            answer["tx"] = await context.readers.run(read_tx, node.chain, TxLocation(status.height, status.tx_index))
        return json_answer(answer)

    @router.get("/txs/{tx_id}/receipt", response_model=models.Receipt, summary="Receipt of a committed transaction")
    async def get_receipt(tx_id: TxId) -> Response:
        """404 while it is not committed."""
        key = bytes.fromhex(tx_id)
        location = (await context.readers.run(node.chain.tx_locations, [key]))[0]
        if location is None:
            raise Rejected("NOT_FOUND", f"transaction {tx_id.lower()}: not in a committed block of this node")
        return json_answer(await context.receipts.get(location.height, location.tx_index))

    @router.get(
        "/txs/{tx_id}/proof",
        response_class=Response,
        responses=OCTETS_ANSWER,
        summary="Proof bundle of a transaction and its receipt",
    )
    async def get_proof(tx_id: TxId) -> Response:
        """Verifies offline. 503 NOT_READY until the next block certifies the results."""
        bundle = await context.readers.run(node.proofs.tx, bytes.fromhex(tx_id))
        return Response(bundle, 200, {"Content-Disposition": f'attachment; filename="{tx_id.lower()}.proof"'}, OCTETS)

    return router
