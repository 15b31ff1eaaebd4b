"""Queries over `governance`: the plugin set, proposals and votes as of a height."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hnnode.execution.governance_records import (
    CLOSED_PREFIX,
    OPEN_KEY,
    SET_KEY,
    Proposal,
    closed_key,
    decode_closed,
    decode_open,
    decode_set,
    vote_prefix,
)
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.limits import PAGE_LIMIT_MAX
from hnnode.plugin_api.model import END
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.registry import QuerySpec

Limit = Annotated[int, Meta(ge=1, le=PAGE_LIMIT_MAX)]


class PluginsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The plugin set of the next height."""


class ProposalsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Closed proposals by number, and all open ones."""

    limit: Limit = 50
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


class ProposalQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One proposal and its votes, in the order of the validators' accounts."""

    number: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    limit: Limit = 100
    after: Annotated[str, Meta(pattern="^([0-9a-f]{40})?" + END)] = ""


def plugins(view: QueryView, query: PluginsQuery) -> dict[str, Any]:
    found = decode_set(view.get(SET_KEY))
    return {"for_height": view.height + 1, "plugins": [msgspec.to_builtins(plugin) for plugin in found.plugins]}


def proposals(view: QueryView, query: ProposalsQuery) -> dict[str, Any]:
    opened = decode_open(view.get(OPEN_KEY))
    rows = view.scan(CLOSED_PREFIX, query.limit, closed_key(query.after))
    closed = [decode_closed(row) for _, row in rows]
    return {
        "open": [_facts(proposal, "open") for proposal in opened.open],
        "items": [_facts(each.proposal, each.outcome) | {"power_total": each.power_total} for each in closed],
        "next": closed[-1].proposal.number if len(closed) == query.limit else None,
    }


def proposal(view: QueryView, query: ProposalQuery) -> dict[str, Any]:
    row = view.get(closed_key(query.number))
    if row is not None:
        closed = decode_closed(row)
        facts = _facts(closed.proposal, closed.outcome) | {"power_total": closed.power_total}
    else:
        opened = decode_open(view.get(OPEN_KEY)).open
        found = next((each for each in opened if each.number == query.number), None)
        if found is None:
            raise QueryRefused("NOT_FOUND", f"proposal: {query.number} was never made")
        facts = _facts(found, "open")
    prefix = vote_prefix(query.number)
    rows = view.scan(prefix, query.limit, prefix + bytes.fromhex(query.after) if query.after else None)
    votes = [{"validator": key[len(prefix) :].hex(), "approve": value == b"\x01"} for key, value in rows]
    return {**facts, "votes": votes, "next": votes[-1]["validator"] if len(votes) == query.limit else None}


def _facts(proposal: Proposal, outcome: str) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(proposal)
    code = facts.pop("code")
    return {**facts, **code, "outcome": outcome}


GOVERNANCE_QUERIES = (
    QuerySpec("plugins", PluginsQuery, plugins, "插件集合", "The plugin set"),
    QuerySpec("proposal", ProposalQuery, proposal, "查询提案", "One proposal and its votes"),
    QuerySpec("proposals", ProposalsQuery, proposals, "提案列表", "List of proposals"),
)
