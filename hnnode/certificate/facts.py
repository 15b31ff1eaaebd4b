"""What a certificate's state proofs say about its subject, in one piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hnnode_native import NativeError, decode_account_record

from hnnode.certificate import rows
from hnnode.primitives.verdict import Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """A registered account as the certified state has it."""

    account: bytes
    public_key: bytes
    active: bool
    organisation: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cosignature:
    signer: bytes
    record: rows.CosignRecord


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """The record's place in a case."""

    case: bytes
    record: rows.CaseRecord
    progress: rows.ProgressRecord
    item: rows.ItemRecord
    state: str
    """`submitted`, `match`, `mismatch` or `archived`."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Everything proven about one record; `state` is the record's furthest."""

    digest: bytes
    owner: bytes
    state: str
    record: rows.EvidenceRecord
    circumstances: rows.CircumstancesRecord | None
    policy: rows.PolicyRecord | None
    counted: int
    """Co-signatures here that the policy counts; without a policy all."""
    correction: rows.CorrectionRecord | None
    cosignatures: tuple[Cosignature, ...]
    case: CaseFacts | None
    people: dict[bytes, Person]
    chain_id: bytes
    chain_name: str
    height: int
    block_hash: bytes
    time_ms: int
    """The header that certifies all of it: the chain as it stood when the block before it had been executed."""
    signer_count: int
    signer_power: int
    total_power: int


class Unproven(ValueError):
    """The bundle does not say something that a certificate has to say; the text names it in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def facts_of(verdict: Verdict, digest: bytes, owner: bytes, case: bytes | None) -> CertificateFacts:
    """Facts about the subject from a bundle that holds.

    Raises Unproven: something is left out, or is not what the application writes.
    """
    proven = _Proven(verdict)
    pair = digest + owner
    record = proven.present(rows.RECORD + pair, rows.EvidenceRecord.decode, "存证记录", "the record")
    circumstances = proven.known(
        rows.CIRCUMSTANCES + pair, rows.CircumstancesRecord.decode, "取证环境", "circumstances"
    )
    policy = proven.known(rows.POLICY + pair, rows.PolicyRecord.decode, "会签要求", "the policy")
    correction = proven.known(rows.CORRECTION + pair, rows.CorrectionRecord.decode, "更正", "a correction")
    cosignatures = tuple(proven.cosignatures(rows.COSIGN + pair))
    asked = policy.policy if policy is not None else rows.Policy(1, (), ())
    counted = sum(asked.fits(each.signer, each.record.role) for each in cosignatures)
    stands = None if case is None else _case(proven, case, pair, digest)
    state = stands.state if stands is not None else "cosigned" if counted >= asked.needed else "preserved"
    people = proven.people()
    if owner not in people:
        raise Unproven("证明中没有存证账户的登记", "the owner's registration is left out")
    if stands is not None and not set(stands.item.signers) <= {each.signer for each in cosignatures}:
        raise Unproven("证明中缺少提交所依据的会签", "a co-signature that the submission rests on is left out")
    return CertificateFacts(
        digest=digest,
        owner=owner,
        state=state,
        record=record,
        circumstances=circumstances,
        policy=policy,
        counted=counted,
        correction=correction,
        cosignatures=cosignatures,
        case=stands,
        people=people,
        chain_id=verdict.chain_id,
        chain_name=verdict.chain_name,
        height=verdict.heights[-1],
        block_hash=verdict.block_hashes[-1],
        time_ms=verdict.times_ms[-1],
        signer_count=verdict.signer_count,
        signer_power=verdict.signer_power,
        total_power=verdict.total_power,
    )


def _case(proven: _Proven, case: bytes, pair: bytes, digest: bytes) -> CaseFacts:
    record = proven.present(rows.CASE + case, rows.CaseRecord.decode, "事务", "the case")
    progress = proven.present(rows.PROGRESS + case, rows.ProgressRecord.decode, "事务进度", "the case's progress")
    item = proven.present(rows.ITEM + case + pair, rows.ItemRecord.decode, "向事务的提交", "the submission to the case")
    return CaseFacts(case, record, progress, item, rows.stage_of(item, digest, progress.archived is not None))


class _Proven:
    """State of a bundle by key."""

    def __init__(self, verdict: Verdict) -> None:
        self._values = {(state.application, state.key): state.value for state in verdict.states}

    def known(self, key: bytes, decode: Callable[[bytes], T], zh: str, en: str) -> T | None:
        """The value, or None when it is proven that there is none."""
        if (rows.APPLICATION, key) not in self._values:
            raise Unproven(f"证明对{zh}只字未提", f"the bundle does not say whether there is {en}")
        value = self._values[rows.APPLICATION, key]
        if value is None:
            return None
        try:
            return decode(value)
        except rows.RowError as e:
            raise Unproven(f"{zh}无法解码", f"{en} does not decode: {e}") from e

    def present(self, key: bytes, decode: Callable[[bytes], T], zh: str, en: str) -> T:
        found = self.known(key, decode, zh, en)
        if found is None:
            raise Unproven(f"状态中没有{zh}", f"{en} is proven not to be there")
        return found

    def cosignatures(self, prefix: bytes) -> list[Cosignature]:
        found = []
        for (application, key), value in sorted(self._values.items()):
            if application == rows.APPLICATION and key.startswith(prefix) and value is not None:
                record = self.present(key, rows.CosignRecord.decode, "会签", "a co-signature")
                found.append(Cosignature(key[len(prefix) :], record))
        return found

    def people(self) -> dict[bytes, Person]:
        found = {}
        for (application, key), value in self._values.items():
            if application != "identity" or value is None:
                continue
            try:
                public_key, active, _, organisation, roles = decode_account_record(value)
            except NativeError as e:
                raise Unproven("账户登记无法解码", f"an account's registration does not decode: {e}") from e
            found[key] = Person(key, public_key, active, organisation, tuple(roles))
        return found


def to_json(facts: CertificateFacts) -> dict[str, Any]:
    """JSON-ready summary of what is proven."""
    case = facts.case
    return {
        "hash": facts.digest.hex(),
        "algorithm": facts.record.algorithm,
        "owner": facts.owner.hex(),
        "organisation": name_of(facts, facts.owner),
        "state": facts.state,
        "name": facts.record.name,
        "size": facts.record.size,
        "tx_id": facts.record.tx_id.hex(),
        "height": facts.record.height,
        "time_ms": facts.record.time_ms,
        "corrected_by": facts.correction.by.hex() if facts.correction else None,
        "cosignatures": [
            {
                "signer": each.signer.hex(),
                "organisation": name_of(facts, each.signer),
                "role": each.record.role or None,
                "time_ms": each.record.time_ms,
            }
            for each in facts.cosignatures
        ],
        "cosigned": {"needed": facts.policy.policy.needed if facts.policy else 0, "counted": facts.counted},
        "case": None if case is None else {"case": case.case.hex(), "name": case.record.name, "state": case.state},
        "certified_height": facts.height,
        "certified_time_ms": facts.time_ms,
    }


def name_of(facts: CertificateFacts, account: bytes) -> str:
    """Organisation of an account, empty when the certificate does not hold its registration."""
    person = facts.people.get(account)
    return "" if person is None else person.organisation
