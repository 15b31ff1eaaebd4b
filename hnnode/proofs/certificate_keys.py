"""Which state a certificate of evidence shows."""

from __future__ import annotations

from hnnode_native import state_key

from hnnode.certificate import rows
from hnnode.errors import Rejected
from hnnode.ports import StateReader

COSIGNATURES_MAX = 24
"""Co-signatures in one certificate; beside those a submission rests on, the first by account."""


def certificate_keys(reader: StateReader, digest: bytes, owner: bytes, case: bytes | None) -> list[tuple[str, bytes]]:
    """(application, key) of everything a certificate has to say, the record first; at most 64.

    Raises Rejected 1005 when the record, the case or the record's submission to it is not in this state.
    """
    pair = digest + owner
    if reader.get(state_key(rows.APPLICATION, rows.RECORD + pair)) is None:
        raise Rejected("NOT_FOUND", f"record {digest.hex()} of {owner.hex()}: not in certified state")
    kinds = (rows.RECORD, rows.CIRCUMSTANCES, rows.POLICY, rows.CORRECTION)
    keys = [(rows.APPLICATION, kind + pair) for kind in kinds]
    people = {owner}
    signers: list[bytes] = []
    if case is not None:
        keys += [(rows.APPLICATION, key) for key in (rows.CASE + case, rows.PROGRESS + case, rows.ITEM + case + pair)]
        found = reader.get_many([state_key(*key) for key in keys[-3:]])
        if found[0] is None or found[2] is None:
            raise Rejected("NOT_FOUND", f"case {case.hex()}: the record was not submitted to it")
        people.add(rows.CaseRecord.decode(found[0]).court)
        signers += rows.ItemRecord.decode(found[2]).signers
    prefix = state_key(rows.APPLICATION, rows.COSIGN + pair)
    for key, _ in reader.scan(prefix, None, COSIGNATURES_MAX):
        signer = key[len(prefix) :]
        if len(signers) < COSIGNATURES_MAX and signer not in signers:
            signers.append(signer)
    keys += [(rows.APPLICATION, rows.COSIGN + pair + signer) for signer in sorted(signers)]
    return keys + [("identity", account) for account in sorted(people.union(signers))]
