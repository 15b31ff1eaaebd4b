"""Python SDK: `Client` and `AsyncClient` over HTTP, signers, typed errors, offline verification.

Depends on nothing of a node: only on httpx, msgspec and the compiled core for signatures and proofs.
"""

from hnnode.certificate.facts import CertificateFacts
from hnnode.certificate.verdict import CertificateVerdict
from hnnode.client.asynchronous import AsyncClient
from hnnode.client.blocking import Client
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
from hnnode.client.evidence import Policy, TimeToken
from hnnode.client.evidence_asynchronous import AsyncEvidence
from hnnode.client.evidence_blocking import Evidence
from hnnode.client.offline import certificate_page, verify_certificate, verify_proof
from hnnode.client.records import (
    Block,
    Event,
    Genesis,
    ItemResult,
    QueryAnswer,
    Receipt,
    Schema,
    Status,
    TxResult,
    TxState,
)
from hnnode.crypto import FileSigner, MemorySigner, SignedTx, Signer
from hnnode.primitives.verdict import Verdict

__all__ = [
    "AccountRefused",
    "ApiError",
    "AsyncClient",
    "AsyncEvidence",
    "Block",
    "CertificateFacts",
    "CertificateVerdict",
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
    "Policy",
    "ProofRefused",
    "QueryAnswer",
    "Receipt",
    "RequestRefused",
    "ResultUnknown",
    "Schema",
    "SignedTx",
    "Signer",
    "Status",
    "TimeToken",
    "TxExpired",
    "TxFailed",
    "TxRefused",
    "TxResult",
    "TxState",
    "Verdict",
    "certificate_page",
    "verify_certificate",
    "verify_proof",
]
