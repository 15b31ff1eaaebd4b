"""Evidence (存证) with typed arguments: what to preserve is a file or its hash; the file never leaves this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from hnnode.client.errors import RequestRefused
from hnnode.client.flows import Flows, Wait
from hnnode.client.records import TxResult
from hnnode.client.steps import Call, Deadline, Flow, Work, call
from hnnode.crypto import Signer
from hnnode.primitives.file_hash import Content, hash_content

APPLICATION = "evidence"
SIGNERS_MAX = 16
"""Co-signers that one submission may name."""


class How(TypedDict, total=False):
    """What every write takes: who signs (default: the client's signer), what to wait for (default: `committed`), how long."""

    signer: Signer | None
    wait: Wait
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Policy:
    """At least `needed` co-signatures, by these accounts or by accounts in these roles; by anybody when both are empty."""

    needed: int
    accounts: Sequence[bytes] = ()
    roles: Sequence[str] = ()

    def payload(self) -> dict[str, Any]:
        return {"needed": self.needed, "accounts": [a.hex() for a in self.accounts], "roles": list(self.roles)}


@dataclass(frozen=True, slots=True)
class TimeToken:
    """A time stated by somebody else: Unix milliseconds, SM3 of the token, its issuer."""

    time_ms: int
    digest: bytes
    issuer: str = ""


class EvidenceFlows:
    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    def act(self, action: str, payload: dict[str, Any], how: How) -> Flow[TxResult]:
        """Submit; what is None in the payload is left out."""
        given = {name: value for name, value in payload.items() if value is not None}
        signer, wait, timeout_s = how.get("signer"), how.get("wait", "committed"), how.get("timeout_s")
        return (yield from self._flows.submit(APPLICATION, action, given, signer, wait, None, timeout_s))

    def preserve(
        self,
        file: Content | None,
        digest: bytes | None,
        algorithm: str,
        name: str | None,
        previous: bytes | None,
        how: How,
    ) -> Flow[TxResult]:
        subject = yield from self._subject(file, digest, algorithm)
        payload = {**subject, "name": name, "previous": _hex(previous)}
        return (yield from self.act("preserve", payload, how))

    def collect(
        self,
        file: Content | None,
        digest: bytes | None,
        algorithm: str,
        facts: dict[str, Any],
        token: TimeToken | None,
        how: How,
    ) -> Flow[TxResult]:
        subject = yield from self._subject(file, digest, algorithm)
        stated = {name: _hex(value) if isinstance(value, bytes) else value for name, value in facts.items()}
        if token is not None:
            stated["token"] = {"time_ms": token.time_ms, "hash": token.digest.hex(), "issuer": token.issuer}
        return (yield from self.act("collect", {**subject, **stated}, how))

    def cosign(self, digest: bytes, owner: bytes, role: str | None, how: How) -> Flow[TxResult]:
        payload = {"hash": digest.hex(), "owner": owner.hex(), "role": role}
        return (yield from self.act("cosign" if role is None else "cosign_as", payload, how))

    def open_case(
        self,
        court: bytes,
        name: str | None,
        parties: Sequence[bytes],
        phases: Sequence[str],
        policy: Policy | None,
        how: How,
    ) -> Flow[TxResult]:
        payload: dict[str, Any] = {"court": court.hex(), "name": name, "parties": [party.hex() for party in parties]}
        payload |= {"phases": list(phases), "policy": None if policy is None else policy.payload()}
        return (yield from self.act("open_case", payload, how))

    def submit_to_case(self, case: bytes, digest: bytes, signers: Sequence[bytes] | None, how: How) -> Flow[TxResult]:
        """Without `signers` the submission rests on those that the policies count, or else on the first there are."""
        if signers is None:
            who = how.get("signer") or self._flows.signer
            if who is None:
                raise RequestRefused("PARAMETER_INVALID", "signer: got none, give one to the client or to the call")
            named = yield from self._signers_for(case, digest, who.account)
        else:
            named = [signer.hex() for signer in signers]
        payload = {"case": case.hex(), "hash": digest.hex(), "signers": named}
        return (yield from self.act("submit_to_case", payload, how))

    def _signers_for(self, case: bytes, digest: bytes, owner: bytes) -> Flow[list[str]]:
        status = yield from self.query("status", {"hash": digest.hex(), "owner": owner.hex()})
        asked = [status["policy"], (yield from self.query("case", {"case": case.hex()}))["policy"]]

        def fits(each: dict[str, Any]) -> bool:
            policies = [policy for policy in asked if policy is not None]
            return any(each["signer"] in policy["accounts"] or each["role"] in policy["roles"] for policy in policies)

        found = sorted(status["cosignatures"], key=lambda each: not fits(each))
        return [each["signer"] for each in found[:SIGNERS_MAX]]

    def verify_in_case(
        self,
        case: bytes,
        owner: bytes,
        digest: bytes,
        file: Content | None,
        computed: bytes | None,
        report: bytes | None,
        how: How,
    ) -> Flow[TxResult]:
        """The court's finding: the hash of what was presented, compared with the preserved one on the chain."""
        if file is not None:
            record = yield from self.query("record", {"hash": digest.hex(), "owner": owner.hex()})
            text, _ = yield from self._hashed(file, record["items"][0]["algorithm"])
        elif computed is not None:
            text = computed.hex()
        else:
            raise RequestRefused("PARAMETER_INVALID", "file: got neither a file nor a computed hash")
        payload = {"case": case.hex(), "hash": digest.hex(), "owner": owner.hex(), "computed": text}
        return (yield from self.act("verify", {**payload, "report": _hex(report)}, how))

    def query(self, name: str, arguments: dict[str, Any]) -> Flow[dict[str, Any]]:
        answer = yield from self._flows.query(APPLICATION, name, arguments)
        result: dict[str, Any] = answer.result
        return result

    def find(self, file: Content | None, digest: bytes | None, algorithm: str) -> Flow[list[dict[str, Any]]]:
        """Records of a hash, of all owners."""
        if file is not None:
            text, _ = yield from self._hashed(file, algorithm)
        elif digest is not None:
            text = digest.hex()
        else:
            raise RequestRefused("PARAMETER_INVALID", "file: got neither a file nor a digest")
        items: list[dict[str, Any]] = (yield from self.query("verify", {"hash": text}))["items"]
        return items

    def certificate(self, digest: bytes, owner: bytes, case: bytes | None, timeout_s: float | None) -> Flow[bytes]:
        """Waits until the newest results are certified: one block."""
        deadline = Deadline.after(self._flows.timeout_s if timeout_s is None else timeout_s)
        given: dict[str, str | int] = {} if case is None else {"case": case.hex()}
        path = f"/evidence/{digest.hex()}/{owner.hex()}/certificate"
        return (yield from call(Call("GET", path, given), deadline)).content

    def _subject(self, file: Content | None, digest: bytes | None, algorithm: str) -> Flow[dict[str, Any]]:
        subject: dict[str, Any] = {}
        if file is not None:
            subject["hash"], subject["size"] = yield from self._hashed(file, algorithm)
        if digest is not None:
            if subject.get("hash", digest.hex()) != digest.hex():
                raise RequestRefused("PARAMETER_INVALID", "digest: not the file's hash")
            subject["hash"] = digest.hex()
        if "hash" not in subject:
            raise RequestRefused("PARAMETER_INVALID", "file: got neither a file nor a digest")
        return {**subject, "algorithm": algorithm}

    def _hashed(self, file: Content, algorithm: str) -> Flow[tuple[str, int]]:
        hashes, size = yield Work(lambda: hash_content(file, [algorithm]))
        return hashes[algorithm].hex(), size


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
