"""Values of application `evidence`, read by whoever checks a certificate: exactly what the core writes, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hnnode_native import state_key
from hypothesis import given
from hypothesis import strategies as st

from hnnode.certificate import rows
from tests.kit.evidence_story import DIGEST, told

DECODERS: dict[bytes, Any] = {
    rows.RECORD: rows.EvidenceRecord,
    rows.COSIGN: rows.CosignRecord,
    rows.CIRCUMSTANCES: rows.CircumstancesRecord,
    rows.POLICY: rows.PolicyRecord,
    rows.CORRECTION: rows.CorrectionRecord,
    rows.CERTIFICATE: rows.CertificateRecord,
    rows.CASE: rows.CaseRecord,
    rows.PROGRESS: rows.ProgressRecord,
    rows.ITEM: rows.ItemRecord,
}


@pytest.fixture(scope="module")
def written() -> dict[bytes, list[bytes]]:
    """Every value that a chain with one whole story holds, by kind."""
    story, _ = told()
    story.send(story.owner, "preserve", {"hash": "aa" * 32, "algorithm": "sha256", "previous": DIGEST.hex()})
    story.send(story.owner, "link_correction", {"hash": DIGEST.hex(), "by": "aa" * 32, "reason": "bb" * 32})
    pair = {"hash": DIGEST.hex(), "owner": story.owner.account.hex()}
    story.send(story.notary, "issue_certificate", {**pair, "certificate": "cc" * 32})
    prefix = state_key("evidence", b"")
    found: dict[bytes, list[bytes]] = {}
    for key, value in story.node.chain.state().rows.items():
        if key.startswith(prefix):
            found.setdefault(key[len(prefix) : len(prefix) + 1], []).append(value)
    return found


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_each_value_decodes_and_no_cut_of_it(written: dict[bytes, list[bytes]], kind: bytes) -> None:
    for value in written[kind]:
        DECODERS[kind].decode(value)
        wrong = [value[:cut] for cut in range(len(value))] + [value + b"\0", b"\x09" + value[1:]]
        for bad in wrong:
            with pytest.raises(rows.RowError):
                DECODERS[kind].decode(bad)


@given(st.sampled_from(sorted(DECODERS)), st.binary(max_size=300))
def test_nothing_else_is_raised(kind: bytes, value: bytes) -> None:
    for data in (value, b"\1" + value):
        with suppress(rows.RowError):
            DECODERS[kind].decode(data)
