"""Python SDK: `Client` and `AsyncClient` over HTTP, signers, typed errors, offline verification.

Depends on nothing of a node: only on httpx, msgspec and the compiled core for signatures and proofs.
"""

from hnnode.client.asynchronous import AsyncClient, AsyncEvidence
from hnnode.client.blocking import Client, Evidence
from hnnode.client.errors import (
    AccountRefused,
    ApiError,
    NodeBusy,
    NodeUnreachable,
    NotFound,
    ProofRefused,
    RequestRefused,
    ResultUnknown,
    TxExpired,
    TxFailed,
    TxRefused,
)
from hnnode.client.offline import verify_proof
from hnnode.client.records import Block, Event, Genesis, ItemResult, QueryAnswer, Receipt, Status, TxResult, TxState
from hnnode.crypto import FileSigner, MemorySigner, SignedTx, Signer
from hnnode.primitives.verdict import Verdict

__all__ = [
    "AccountRefused",
    "ApiError",
    "AsyncClient",
    "AsyncEvidence",
    "Block",
    "Client",
    "Event",
    "Evidence",
    "FileSigner",
    "Genesis",
    "ItemResult",
    "MemorySigner",
    "NodeBusy",
    "NodeUnreachable",
    "NotFound",
    "ProofRefused",
    "QueryAnswer",
    "Receipt",
    "RequestRefused",
    "ResultUnknown",
    "SignedTx",
    "Signer",
    "Status",
    "TxExpired",
    "TxFailed",
    "TxRefused",
    "TxResult",
    "TxState",
    "Verdict",
    "verify_proof",
]
