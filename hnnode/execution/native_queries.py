"""Queries over the applications built into the core: `evidence`, `governance` and `identity`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hnnode.execution.governance_queries import GOVERNANCE_QUERIES
from hnnode.execution.records import AccountRecord, CosignRecord, EvidenceRecord
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.limits import PAGE_LIMIT_MAX
from hnnode.plugin_api.model import END
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.registry import QuerySpec

Hash = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, min_length=64, max_length=64)]
Account = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, min_length=40, max_length=40)]
Limit = Annotated[int, Meta(ge=1, le=PAGE_LIMIT_MAX)]
Cursor = Annotated[str, Meta(pattern="^([0-9a-f]{2})*" + END, max_length=512)]


class RecordQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A preserved hash, of one owner or of all."""

    hash: Hash
    owner: Account | None = None
    limit: Limit = 50
    after: Cursor = ""


class BatchQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A preserved batch root, of one owner or of all."""

    root: Hash
    owner: Account | None = None
    limit: Limit = 50
    after: Cursor = ""


class CosignQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Co-signatures under one owner's record."""

    hash: Hash
    owner: Account
    limit: Limit = 50
    after: Cursor = ""


class VerifyQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Whether a hash was preserved, and by whom."""

    hash: Hash
    limit: Limit = 50
    after: Cursor = ""


class AccountQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One account."""

    account: Account


class AccountsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All accounts, in account order."""

    limit: Limit = 50
    after: Cursor = ""


def _page(view: QueryView, prefix: bytes, limit: int, after: str) -> tuple[list[tuple[bytes, bytes]], str | None]:
    """Rows under a prefix, keys without it, and the cursor of the next page."""
    rows = view.scan(prefix, limit, prefix + bytes.fromhex(after) if after else None)
    cut = len(prefix)
    page = [(key[cut:], value) for key, value in rows]
    return page, page[-1][0].hex() if len(page) == limit else None


def _record(owner: bytes, subject: str, field: str, value: bytes) -> dict[str, Any]:
    record = EvidenceRecord.decode(value)
    return {
        field: subject,
        "owner": owner.hex(),
        "algorithm": record.algorithm,
        "leaf_count" if field == "root" else "size": record.size,
        "name": record.name,
        "previous": record.previous.hex() or None,
        "height": record.height,
        "time_ms": record.time_ms,
        "tx_id": record.tx_id.hex(),
    }


def _records(
    view: QueryView, kind: bytes, field: str, subject: str, owner: str | None, limit: int, after: str
) -> dict[str, Any]:
    prefix = kind + bytes.fromhex(subject)
    if owner is None:
        rows, following = _page(view, prefix, limit, after)
        return {"items": [_record(key, subject, field, value) for key, value in rows], "next": following}
    value = view.get(prefix + bytes.fromhex(owner))
    if value is None:
        raise QueryRefused("NOT_FOUND", f"{field}: no record of this owner")
    return {"items": [_record(bytes.fromhex(owner), subject, field, value)], "next": None}


def evidence_record(view: QueryView, query: RecordQuery) -> dict[str, Any]:
    return _records(view, b"r", "hash", query.hash, query.owner, query.limit, query.after)


def evidence_batch(view: QueryView, query: BatchQuery) -> dict[str, Any]:
    return _records(view, b"b", "root", query.root, query.owner, query.limit, query.after)


def evidence_verify(view: QueryView, query: VerifyQuery) -> dict[str, Any]:
    """`found` with all records of the hash, as files and as batch roots; an unknown hash is an answer, not an error."""
    files = _records(view, b"r", "hash", query.hash, None, query.limit, query.after)
    roots = _records(view, b"b", "root", query.hash, None, query.limit, "") if not query.after else {"items": []}
    return {"found": bool(files["items"] or roots["items"]), "batches": roots["items"], **files}


def evidence_cosignatures(view: QueryView, query: CosignQuery) -> dict[str, Any]:
    prefix = b"c" + bytes.fromhex(query.hash) + bytes.fromhex(query.owner)
    rows, following = _page(view, prefix, query.limit, query.after)
    items = []
    for signer, value in rows:
        record = CosignRecord.decode(value)
        items.append(
            {"signer": signer.hex(), "height": record.height, "time_ms": record.time_ms, "tx_id": record.tx_id.hex()}
        )
    return {"items": items, "next": following}


def _account(account: bytes, value: bytes) -> dict[str, Any]:
    record = AccountRecord.decode(value)
    return {
        "account": account.hex(),
        "public_key": record.public_key.hex(),
        "active": record.active,
        "since_height": record.since_height,
        "organisation": record.organisation,
        "roles": list(record.roles),
    }


def identity_account(view: QueryView, query: AccountQuery) -> dict[str, Any]:
    account = bytes.fromhex(query.account)
    value = view.get(account)
    if value is None:
        raise QueryRefused("NOT_FOUND", f"account: {query.account} is not registered")
    return _account(account, value)


def identity_accounts(view: QueryView, query: AccountsQuery) -> dict[str, Any]:
    rows, following = _page(view, b"", query.limit, query.after)
    return {"items": [_account(key, value) for key, value in rows], "next": following}


NATIVE_QUERIES: dict[str, tuple[QuerySpec, ...]] = {
    "evidence": (
        QuerySpec("batch", BatchQuery, evidence_batch, "按根查询批量存证", "Preserved batch by root"),
        QuerySpec("cosignatures", CosignQuery, evidence_cosignatures, "查询会签", "Co-signatures of a record"),
        QuerySpec("record", RecordQuery, evidence_record, "按哈希查询存证", "Preserved record by hash"),
        QuerySpec("verify", VerifyQuery, evidence_verify, "核验哈希", "Verify a hash"),
    ),
    "governance": GOVERNANCE_QUERIES,
    "identity": (
        QuerySpec("account", AccountQuery, identity_account, "查询账户", "One account"),
        QuerySpec("accounts", AccountsQuery, identity_accounts, "账户列表", "List of accounts"),
    ),
}

NATIVE_TITLES: dict[str, tuple[str, str]] = {
    "evidence": ("司法存证", "Evidence preservation"),
    "governance": ("插件治理", "Governance of plugins"),
    "identity": ("身份账户", "Identity and accounts"),
}
ACTION_TITLES: dict[tuple[str, str], tuple[str, str]] = {
    ("evidence", "preserve"): ("存证", "Preserve a hash"),
    ("evidence", "preserve_batch"): ("批量存证", "Preserve a batch root"),
    ("evidence", "cosign"): ("会签", "Co-sign a record"),
    ("governance", "propose"): ("提出插件提案", "Propose a plugin"),
    ("governance", "vote"): ("对提案投票", "Vote on a proposal"),
    ("identity", "register"): ("登记账户", "Register an account"),
    ("identity", "revoke"): ("吊销账户", "Revoke an account"),
}
