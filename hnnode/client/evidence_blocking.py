"""`client.evidence` of the blocking client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from hnnode.certificate.verdict import CertificateVerdict
from hnnode.client.evidence import EvidenceFlows, How, Policy, TimeToken
from hnnode.client.flows import Flows
from hnnode.client.offline import Bundle, verify_certificate, verify_proof
from hnnode.client.records import TxResult
from hnnode.client.transport import BlockingDriver
from hnnode.primitives.file_hash import Content
from hnnode.primitives.verdict import Verdict


class Evidence:
    """Preserve, co-sign, take to court, find, certify and verify files. Writes raise what `submit` raises."""

    def __init__(self, driver: BlockingDriver, flows: Flows) -> None:
        self._driver = driver
        self._client_flows = flows
        self._flows = EvidenceFlows(flows)

    # ---------------------------------------------------------------- records
    def preserve(
        self,
        file: Content | None = None,
        *,
        digest: bytes | None = None,
        algorithm: str = "sm3",
        name: str | None = None,
        previous: bytes | None = None,
        **how: Unpack[How],
    ) -> TxResult:
        """Preserve the hash of a file, or `digest`, made with `algorithm`. Doing it again changes nothing."""
        return self._driver.run(self._flows.preserve(file, digest, algorithm, name, previous, how))

    def collect(
        self,
        file: Content | None = None,
        *,
        digest: bytes | None = None,
        algorithm: str = "sm3",
        name: str | None = None,
        previous: bytes | None = None,
        mime: str | None = None,
        collector: str | None = None,
        environment: bytes | None = None,
        owner_ref: bytes | None = None,
        token: TimeToken | None = None,
        **how: Unpack[How],
    ) -> TxResult:
        """Preserve a hash together with how it was collected; circumstances cannot be stated afterwards.

        Args:
            collector: tool or organisation, never a person.  environment: 32-byte hash of its description.
            owner_ref: 34 bytes, key epoch and keyed reference of whose it is.
            token: within ten minutes of the block's time.
        """
        facts = {"name": name, "previous": previous, "mime": mime, "collector": collector}
        facts |= {"environment": environment, "owner_ref": owner_ref}
        return self._driver.run(self._flows.collect(file, digest, algorithm, facts, token, how))

    def cosign(self, digest: bytes, owner: bytes, *, role: str | None = None, **how: Unpack[How]) -> TxResult:
        """Co-sign the record that account `owner` has of `digest`, in a role the signer holds or in none."""
        return self._driver.run(self._flows.cosign(digest, owner, role, how))

    def set_policy(self, digest: bytes, policy: Policy, **how: Unpack[How]) -> TxResult:
        """Ask for co-signatures under an own record, once: no case takes it with fewer."""
        payload = {"hash": digest.hex(), "policy": policy.payload()}
        return self._driver.run(self._flows.act("set_policy", payload, how))

    def link_correction(self, digest: bytes, by: bytes, *, reason: bytes | None = None, **how: Unpack[How]) -> TxResult:
        """Say that the own record `by` corrects the own record `digest`; `reason`: hash of a document."""
        payload = {"hash": digest.hex(), "by": by.hex(), "reason": None if reason is None else reason.hex()}
        return self._driver.run(self._flows.act("link_correction", payload, how))

    def find(
        self, file: Content | None = None, *, digest: bytes | None = None, algorithm: str = "sm3"
    ) -> list[dict[str, Any]]:
        """Records of a file's hash, of all owners."""
        return self._driver.run(self._flows.find(file, digest, algorithm))

    def status(self, digest: bytes, owner: bytes) -> dict[str, Any]:
        """The life of one record: state, circumstances, policy, co-signatures, correction, cases."""
        return self._driver.run(self._flows.query("status", {"hash": digest.hex(), "owner": owner.hex()}))

    # ---------------------------------------------------------------- cases
    def open_case(
        self,
        court: bytes,
        *,
        name: str | None = None,
        parties: Sequence[bytes] = (),
        phases: Sequence[str] = (),
        policy: Policy | None = None,
        **how: Unpack[How],
    ) -> TxResult:
        """Open a case before the account `court`; its id is the transaction's. `parties` may submit beside the opener."""
        return self._driver.run(self._flows.open_case(court, name, parties, phases, policy, how))

    def advance_case(self, case: bytes, **how: Unpack[How]) -> TxResult:
        """Move a case to its next phase; for opener and court."""
        return self._driver.run(self._flows.act("advance_case", {"case": case.hex()}, how))

    def submit_to_case(
        self, case: bytes, digest: bytes, *, signers: Sequence[bytes] | None = None, **how: Unpack[How]
    ) -> TxResult:
        """Submit an own record. `signers`: co-signers it rests on; without, those that the policies count."""
        return self._driver.run(self._flows.submit_to_case(case, digest, signers, how))

    def verify_in_case(
        self,
        case: bytes,
        owner: bytes,
        digest: bytes,
        file: Content | None = None,
        *,
        computed: bytes | None = None,
        report: bytes | None = None,
        **how: Unpack[How],
    ) -> TxResult:
        """The court's finding on `file` as presented, or on the hash it computed: match or mismatch, recorded once."""
        return self._driver.run(self._flows.verify_in_case(case, owner, digest, file, computed, report, how))

    def archive_case(self, case: bytes, **how: Unpack[How]) -> TxResult:
        """Close a case in which everything is verified; for its court."""
        return self._driver.run(self._flows.act("archive_case", {"case": case.hex()}, how))

    # ---------------------------------------------------------------- certificates
    def certificate(
        self, digest: bytes, owner: bytes, *, case: bytes | None = None, timeout_s: float | None = None
    ) -> bytes:
        """Certificate of evidence about a record, with its place in `case`: a file that verifies offline."""
        return self._driver.run(self._flows.certificate(digest, owner, case, timeout_s))

    def issue_certificate(self, digest: bytes, owner: bytes, certificate: bytes, **how: Unpack[How]) -> TxResult:
        """Register that the signer issued a certificate (32-byte SM3 of its file); for notary, appraiser, court."""
        payload = {"hash": digest.hex(), "owner": owner.hex(), "certificate": certificate.hex()}
        return self._driver.run(self._flows.act("issue_certificate", payload, how))

    def verify_certificate(self, certificate: Bundle, file: Content | None = None) -> CertificateVerdict:
        """Offline: does the certificate, or the page that carries it, hold, and is it about this file?"""
        return verify_certificate(certificate, file, self._client_flows.pinned_chain_id)

    def verify(self, file: Content, bundle: Bundle) -> Verdict:
        """Offline: does the bundle prove that this very file was preserved?"""
        return verify_proof(bundle, file, self._client_flows.pinned_chain_id)
