"""Blocks and transactions as the API shows them. All functions block: call them in a reading thread."""

from __future__ import annotations

from typing import Any

from hnnode_native import Batch, Certificate, Receipt, Tx, Value

from hnnode.gateway.answer import embedded, time_text
from hnnode.ports import Chain, StoredBlock, TxLocation


def tx_view(data: bytes) -> dict[str, Any]:
    """A signed transaction."""
    tx = Tx.decode(data)
    return {
        "tx_id": tx.tx_id.hex(),
        "sender": tx.sender.hex(),
        "nonce": tx.nonce,
        "valid_until_height": tx.valid_until_height,
        "application": tx.application,
        "action": tx.action,
        **embedded(tx.payload, "payload"),
        "signature": tx.signature.hex(),
    }


def read_tx(chain: Chain, location: TxLocation) -> dict[str, Any]:
    return tx_view(chain.tx(location))


def block_view(chain: Chain, block: StoredBlock, *, full: bool) -> dict[str, Any]:
    """A block's header; with `full` also its certificate, batches and transactions."""
    value = Value.decode(block.value)
    header = value.header
    view: dict[str, Any] = {
        "height": header.height,
        "block_hash": block.block_hash.hex(),
        "block_time": time_text(header.time_ms),
        "time_ms": header.time_ms,
        "chain_id": header.chain_id.hex(),
        "proposer": header.proposer.hex(),
        "parent_hash": header.parent_hash.hex(),
        "batches_root": header.batches_root.hex(),
        "tx_root": header.tx_root.hex(),
        "validators_hash": header.validators_hash.hex(),
        "next_validators_hash": header.next_validators_hash.hex(),
        "plugins_hash": header.plugins_hash.hex(),
        "receipts_root": header.receipts_root.hex(),
        "state_root": header.state_root.hex(),
        "outbox_root": header.outbox_root.hex(),
        "tx_count": block.tx_count,
        "batch_count": len(block.batches),
    }
    if full:
        certificate = Certificate.decode(block.certificate)
        view["header_hex"] = value.header_bytes.hex()
        view["certificate"] = {
            "round": certificate.round,
            "signers": certificate.signers,
            "certificate_hex": block.certificate.hex(),
        }
        view["batches"] = [
            {"digest": digest.hex(), "author": author.hex(), "seq": seq, "tx_count": count}
            for (digest, author, seq), (_, count, _) in zip(value.batches, block.batches, strict=True)
        ]
        view["txs"] = _txs(chain, block)
    return view


def _txs(chain: Chain, block: StoredBlock) -> list[dict[str, Any]]:
    txs: list[dict[str, Any]] = []
    for _, count, location in block.batches:
        batch = Batch.decode(chain.batch(location))
        txs += (tx_view(batch.tx(index)) for index in range(count))
    return txs


def read_block(chain: Chain, height: int, *, full: bool) -> dict[str, Any] | None:
    block = chain.block(height)
    return None if block is None else block_view(chain, block, full=full)


def read_blocks(chain: Chain, start: int | None, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """Up to `limit` blocks from `start` (the tip when None) downwards, and the height to go on with."""
    tip = chain.tip().height
    height = tip if start is None else min(start, tip)
    views: list[dict[str, Any]] = []
    while height >= 1 and len(views) < limit:
        view = read_block(chain, height, full=False)
        if view is None:
            # Blocks below were never on this node (it joined from a snapshot).
            return views, None
        views.append(view)
        height -= 1
    return views, height if height >= 1 else None


ID_AND_CODE = slice(1, 37)
"""Of a receipt: `u8 version ‖ tx_id ‖ u32 code` come first (formats §11)."""


def read_results(chain: Chain, height: int) -> list[dict[str, Any]] | None:
    """(tx id, code) of every transaction in block order, without bodies; None above the tip. Cost: one read, one decode a receipt."""
    if not 0 < height <= chain.tip().height:
        return None
    receipts = (Receipt.decode(data) for data in chain.receipts(height))
    return [{"tx_id": receipt.tx_id.hex(), "code": receipt.code} for receipt in receipts]


def read_results_binary(chain: Chain, height: int) -> bytes | None:
    """As `read_results`, 36 bytes a transaction: `tx_id ‖ u32 code` (big-endian)."""
    if not 0 < height <= chain.tip().height:
        return None
    return b"".join([receipt[ID_AND_CODE] for receipt in chain.receipts(height)])
