"""Queries over application `evidence`: records, co-signatures, life of a record, cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from hnnode.certificate import rows
from hnnode.errors import FatalError
from hnnode.execution.native_pages import Account, Cursor, Hash, Limit, page
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.registry import QuerySpec

COSIGNATURES_MAX = 200
CASES_MAX = 50
T = TypeVar("T")


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


class PairQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Rows about one owner's record."""

    hash: Hash
    owner: Account
    limit: Limit = 50
    after: Cursor = ""


class VerifyQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Whether a hash was preserved, and by whom."""

    hash: Hash
    limit: Limit = 50
    after: Cursor = ""


class ExistsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Whether a hash was preserved by anybody."""

    hash: Hash


class StatusQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One owner's record with all that followed."""

    hash: Hash
    owner: Account


class CaseQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One case."""

    case: Hash


class CasesQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All cases, by id."""

    limit: Limit = 50
    after: Cursor = ""


class ItemsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What was submitted to a case."""

    case: Hash
    limit: Limit = 50
    after: Cursor = ""


def _decoded(decode: Callable[[bytes], T], value: bytes) -> T:
    """Raises FatalError when the application never writes such a value: the state is then corrupt."""
    try:
        return decode(value)
    except rows.RowError as e:
        raise FatalError("STORAGE_CORRUPT", f"evidence: {e}") from e


def _stamp(stamp: rows.Stamp | rows.EvidenceRecord | rows.CosignRecord) -> dict[str, Any]:
    return {"height": stamp.height, "time_ms": stamp.time_ms, "tx_id": stamp.tx_id.hex()}


def _record(owner: bytes, subject: str, field: str, value: bytes) -> dict[str, Any]:
    record = _decoded(rows.EvidenceRecord.decode, value)
    return {
        field: subject,
        "owner": owner.hex(),
        "algorithm": record.algorithm,
        "leaf_count" if field == "root" else "size": record.size,
        "name": record.name,
        "previous": record.previous.hex() or None,
        **_stamp(record),
    }


def _records(
    view: QueryView, kind: bytes, field: str, subject: str, owner: str | None, limit: int, after: str
) -> dict[str, Any]:
    prefix = kind + bytes.fromhex(subject)
    if owner is None:
        found, following = page(view, prefix, limit, after)
        return {"items": [_record(key, subject, field, value) for key, value in found], "next": following}
    value = view.get(prefix + bytes.fromhex(owner))
    if value is None:
        raise QueryRefused("NOT_FOUND", f"{field}: no record of this owner")
    return {"items": [_record(bytes.fromhex(owner), subject, field, value)], "next": None}


def evidence_record(view: QueryView, query: RecordQuery) -> dict[str, Any]:
    return _records(view, rows.RECORD, "hash", query.hash, query.owner, query.limit, query.after)


def evidence_batch(view: QueryView, query: BatchQuery) -> dict[str, Any]:
    return _records(view, rows.BATCH, "root", query.root, query.owner, query.limit, query.after)


def evidence_exists(view: QueryView, query: ExistsQuery) -> dict[str, Any]:
    subject = bytes.fromhex(query.hash)
    kinds = (("file", rows.RECORD), ("batch", rows.BATCH))
    found = {name: bool(view.scan(kind + subject, 1)) for name, kind in kinds}
    return {"exists": any(found.values()), **found}


def evidence_verify(view: QueryView, query: VerifyQuery) -> dict[str, Any]:
    """`found` with all records of the hash, as files and as batch roots; an unknown hash is an answer, not an error."""
    files = _records(view, rows.RECORD, "hash", query.hash, None, query.limit, query.after)
    roots: dict[str, Any] = {"items": []}
    if not query.after:
        roots = _records(view, rows.BATCH, "root", query.hash, None, query.limit, "")
    return {"found": bool(files["items"] or roots["items"]), "batches": roots["items"], **files}


def _cosignatures(view: QueryView, pair: bytes, limit: int, after: str) -> tuple[list[dict[str, Any]], str | None]:
    found, following = page(view, rows.COSIGN + pair, limit, after)
    items = []
    for signer, value in found:
        record = _decoded(rows.CosignRecord.decode, value)
        items.append({"signer": signer.hex(), "role": record.role or None, **_stamp(record)})
    return items, following


def evidence_cosignatures(view: QueryView, query: PairQuery) -> dict[str, Any]:
    pair = bytes.fromhex(query.hash + query.owner)
    items, following = _cosignatures(view, pair, query.limit, query.after)
    return {"items": items, "next": following}


def evidence_certificates(view: QueryView, query: PairQuery) -> dict[str, Any]:
    prefix = rows.CERTIFICATE + bytes.fromhex(query.hash + query.owner)
    found, following = page(view, prefix, query.limit, query.after)
    items = []
    for key, value in found:
        record = _decoded(rows.CertificateRecord.decode, value)
        items.append({"certificate": key.hex(), "issuer": record.issuer.hex(), **_stamp(record.stamp)})
    return {"items": items, "next": following}


def _policy(policy: rows.Policy | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    accounts = [account.hex() for account in policy.accounts]
    return {"needed": policy.needed, "accounts": accounts, "roles": list(policy.roles)}


def _case(case: bytes, value: bytes, progress_value: bytes) -> dict[str, Any]:
    record = _decoded(rows.CaseRecord.decode, value)
    progress = _decoded(rows.ProgressRecord.decode, progress_value)
    return {
        "case": case.hex(),
        "name": record.name,
        "opener": record.opener.hex(),
        "court": record.court.hex(),
        "parties": [party.hex() for party in record.parties],
        "phases": list(record.phases),
        "phase": progress.phase,
        "policy": _policy(record.policy),
        "state": "open" if progress.archived is None else "archived",
        "items": progress.item_count,
        "matches": progress.match_count,
        "mismatches": progress.mismatch_count,
        "archived": None if progress.archived is None else _stamp(progress.archived),
        **_stamp(record.stamp),
    }


def _found_case(view: QueryView, case: bytes) -> dict[str, Any]:
    value, progress = view.get(rows.CASE + case), view.get(rows.PROGRESS + case)
    if value is None or progress is None:
        raise QueryRefused("NOT_FOUND", f"case: {case.hex()} was never opened")
    return _case(case, value, progress)


def evidence_case(view: QueryView, query: CaseQuery) -> dict[str, Any]:
    return _found_case(view, bytes.fromhex(query.case))


def evidence_cases(view: QueryView, query: CasesQuery) -> dict[str, Any]:
    found, following = page(view, rows.CASE, query.limit, query.after)
    items = [_case(case, value, view.get(rows.PROGRESS + case) or b"") for case, value in found]
    return {"items": items, "next": following}


def _item(digest: bytes, owner: bytes, value: bytes, archived: bool) -> dict[str, Any]:
    item = _decoded(rows.ItemRecord.decode, value)
    finding = item.finding
    return {
        "hash": digest.hex(),
        "owner": owner.hex(),
        "state": rows.stage_of(item, digest, archived),
        "result": None if finding is None else ("match" if finding.computed == digest else "mismatch"),
        "phase": item.phase,
        "signers": [signer.hex() for signer in item.signers],
        "finding": None
        if finding is None
        else {"computed": finding.computed.hex(), "report": finding.report.hex() or None, **_stamp(finding.stamp)},
        **_stamp(item.stamp),
    }


def evidence_case_items(view: QueryView, query: ItemsQuery) -> dict[str, Any]:
    case = bytes.fromhex(query.case)
    archived = _found_case(view, case)["archived"] is not None
    found, following = page(view, rows.ITEM + case, query.limit, query.after)
    return {"items": [_item(key[:32], key[32:], value, archived) for key, value in found], "next": following}


def evidence_status(view: QueryView, query: StatusQuery) -> dict[str, Any]:
    """`state`: `preserved`, `cosigned` once the policy is met (or anybody co-signed where there is none), then the
    state in the case it was submitted to last.
    """
    digest, owner = bytes.fromhex(query.hash), bytes.fromhex(query.owner)
    pair = digest + owner
    record = _records(view, rows.RECORD, "hash", query.hash, query.owner, 1, "")["items"][0]
    cosignatures, more = _cosignatures(view, pair, COSIGNATURES_MAX, "")
    value = view.get(rows.POLICY + pair)
    policy = None if value is None else _decoded(rows.PolicyRecord.decode, value).policy
    asked = policy or rows.Policy(1, (), ())
    counted = sum(asked.fits(bytes.fromhex(each["signer"]), each["role"] or "") for each in cosignatures)
    cases = []
    for case, _ in page(view, rows.LINK + pair, CASES_MAX, "")[0]:
        item, progress = view.get(rows.ITEM + case + pair), view.get(rows.PROGRESS + case)
        if item is not None and progress is not None:
            archived = _decoded(rows.ProgressRecord.decode, progress).archived is not None
            cases.append({"case": case.hex(), **_item(digest, owner, item, archived)})
    latest = max(cases, key=lambda case: (case["height"], case["case"]), default=None)
    state = latest["state"] if latest else "cosigned" if counted >= asked.needed else "preserved"
    return {
        "id": pair.hex(),
        "state": state,
        "record": record,
        "circumstances": _circumstances(view.get(rows.CIRCUMSTANCES + pair)),
        "policy": _policy(policy),
        "cosigned": {"needed": 0 if policy is None else policy.needed, "counted": counted, "more": more is not None},
        "cosignatures": cosignatures,
        "correction": _correction(view.get(rows.CORRECTION + pair)),
        "cases": cases,
    }


def _circumstances(value: bytes | None) -> dict[str, Any] | None:
    if value is None:
        return None
    found = _decoded(rows.CircumstancesRecord.decode, value)
    token = {"time_ms": found.token_time_ms, "hash": found.token_hash.hex(), "issuer": found.token_issuer}
    return {
        "mime": found.mime,
        "collector": found.collector,
        "environment": found.environment.hex() or None,
        "owner_ref": found.owner_ref.hex() or None,
        "token": None if found.token_time_ms is None else token,
    }


def _correction(value: bytes | None) -> dict[str, Any] | None:
    if value is None:
        return None
    found = _decoded(rows.CorrectionRecord.decode, value)
    return {"by": found.by.hex(), "reason": found.reason.hex() or None, **_stamp(found.stamp)}


EVIDENCE_QUERIES: tuple[QuerySpec, ...] = (
    QuerySpec("batch", BatchQuery, evidence_batch, "按根查询批量存证", "Preserved batch by root"),
    QuerySpec("case", CaseQuery, evidence_case, "查询事务", "One case"),
    QuerySpec("case_items", ItemsQuery, evidence_case_items, "查询事务中的证据", "Records submitted to a case"),
    QuerySpec("cases", CasesQuery, evidence_cases, "事务列表", "List of cases"),
    QuerySpec("certificates", PairQuery, evidence_certificates, "查询已出具的证明书", "Certificates issued"),
    QuerySpec("cosignatures", PairQuery, evidence_cosignatures, "查询会签", "Co-signatures of a record"),
    QuerySpec("exists", ExistsQuery, evidence_exists, "哈希是否已存证", "Whether a hash was preserved"),
    QuerySpec("record", RecordQuery, evidence_record, "按哈希查询存证", "Preserved record by hash"),
    QuerySpec("status", StatusQuery, evidence_status, "证据的全过程", "Life of one record"),
    QuerySpec("verify", VerifyQuery, evidence_verify, "核验哈希", "Verify a hash"),
)

EVIDENCE_ACTION_TITLES: dict[tuple[str, str], tuple[str, str]] = {
    ("evidence", "advance_case"): ("事务进入下一阶段", "Move a case to its next phase"),
    ("evidence", "archive_case"): ("事务归档", "Archive a case"),
    ("evidence", "collect"): ("连同取证环境存证", "Preserve a hash with its circumstances"),
    ("evidence", "cosign"): ("会签", "Co-sign a record"),
    ("evidence", "cosign_as"): ("以某角色会签", "Co-sign a record in a role"),
    ("evidence", "issue_certificate"): ("登记证明书", "Register a certificate"),
    ("evidence", "link_correction"): ("关联更正", "Link a correction"),
    ("evidence", "open_case"): ("开立事务", "Open a case"),
    ("evidence", "preserve"): ("存证", "Preserve a hash"),
    ("evidence", "preserve_batch"): ("批量存证", "Preserve a batch root"),
    ("evidence", "set_policy"): ("设定会签要求", "Ask for co-signatures"),
    ("evidence", "submit_to_case"): ("向事务提交证据", "Submit a record to a case"),
    ("evidence", "verify"): ("法院核验", "Verify a submitted record"),
}
