"""Attestations of departments: the bulk of what the application is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hn_realestate.flows import FLOW, WORKFLOW
from hn_realestate.models import DeptAttest
from hnnode.plugin_api import Context, TxInfo

_TOLD = {item.name: (place, FLOW.waits[place]) for place, item in enumerate(FLOW.items)}
"""Item → its place, and the places of those before it."""


def attest_keys(_: TxInfo, payload: DeptAttest) -> Sequence[bytes]:
    name = payload.case.encode()
    place, waits = _TOLD[payload.item]
    keys = [WORKFLOW.key(name), WORKFLOW.opinion_key(name, place)]
    if waits:
        keys += [WORKFLOW.opinion_key(name, before) for before in waits]
    return keys


def dept_attest(tx: Context, payload: DeptAttest) -> None:
    """A department's answer on one item of a case; what it rests on stays with the department."""
    attest_many(tx, iter((payload,)))


def attest_many(tx: Context, payloads: Iterator[DeptAttest]) -> None:
    """The same for attestations that follow each other in a block: departments answer in bulk."""
    opine, unhex = WORKFLOW.opine, bytes.fromhex
    for payload in payloads:
        name, document, contract = payload.case, payload.document, payload.contract
        covered = b"" if contract is None else unhex(contract)
        opine(tx, name.encode(), payload.item, payload.passed, unhex(document), covered)
        tx.emit("realestate.attested", name, {"item": payload.item, "passed": payload.passed, "document": document})
