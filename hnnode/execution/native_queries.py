"""Queries over the applications built into the core: `evidence`, `governance` and `identity`."""

from __future__ import annotations

from typing import Any

import msgspec

from hnnode.execution.evidence_queries import EVIDENCE_ACTION_TITLES, EVIDENCE_QUERIES
from hnnode.execution.governance_queries import GOVERNANCE_QUERIES
from hnnode.execution.native_pages import Account, Cursor, Limit, page
from hnnode.execution.records import AccountRecord
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.registry import QuerySpec


class AccountQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One account."""

    account: Account


class AccountsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All accounts, in account order."""

    limit: Limit = 50
    after: Cursor = ""


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
    rows, following = page(view, b"", query.limit, query.after)
    return {"items": [_account(key, value) for key, value in rows], "next": following}


NATIVE_QUERIES: dict[str, tuple[QuerySpec, ...]] = {
    "evidence": EVIDENCE_QUERIES,
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
    **EVIDENCE_ACTION_TITLES,
    ("governance", "propose"): ("提出插件提案", "Propose a plugin"),
    ("governance", "vote"): ("对提案投票", "Vote on a proposal"),
    ("identity", "register"): ("登记账户", "Register an account"),
    ("identity", "revoke"): ("吊销账户", "Revoke an account"),
}
