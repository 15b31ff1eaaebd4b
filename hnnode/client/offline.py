"""What a client can check without any node."""

from __future__ import annotations

from pathlib import Path

from hnnode.certificate.facts import CertificateFacts
from hnnode.certificate.page import render
from hnnode.certificate.verdict import CertificateVerdict, judge_certificate
from hnnode.errors import Rejected
from hnnode.primitives.file_hash import Content
from hnnode.primitives.hex_text import decode_hash
from hnnode.primitives.verdict import Verdict, judge

Bundle = bytes | str | Path
"""A proof bundle, or the path of one."""
TxId = str | bytes
BUNDLE_BYTES_MAX = 16 * 1024 * 1024


def verify_proof(bundle: Bundle, file: Content | None = None, chain_id: bytes | None = None) -> Verdict:
    """Verdict on a proof bundle; with `file` also that it proves the preservation of this file (5106 when it differs).

    Give the `chain_id` you trust: without it the verdict holds for whatever chain the bundle names.
    Raises Rejected 5101 for a bundle over 16 MiB, OSError when a file cannot be read.
    """
    return judge(_bytes_of(bundle), chain_id=chain_id, file=file)


def verify_certificate(
    certificate: Bundle, file: Content | None = None, chain_id: bytes | None = None
) -> CertificateVerdict:
    """Verdict on a certificate of evidence, given as its file or as its page; with `file` also that it is about this file.

    Give the `chain_id` you trust: without it the verdict holds for whatever chain the certificate names.
    Raises Rejected 5101 for one over 16 MiB, OSError when a file cannot be read.
    """
    return judge_certificate(_bytes_of(certificate), file, chain_id)


def certificate_page(facts: CertificateFacts, certificate: bytes) -> bytes:
    """The page to print of a certificate whose verdict gave `facts`: HTML in UTF-8, A4, without outside addresses."""
    return render(facts, certificate)


def _bytes_of(bundle: Bundle) -> bytes:
    if isinstance(bundle, bytes):
        return bundle
    with Path(bundle).open("rb") as opened:
        data = opened.read(BUNDLE_BYTES_MAX + 1)
    if len(data) > BUNDLE_BYTES_MAX:
        raise Rejected("PROOF_MALFORMED", f"{bundle}: longer than {BUNDLE_BYTES_MAX} bytes")
    return data


def id_text(tx_id: TxId) -> str:
    """64 hexadecimal digits in lower case. Raises Rejected 1009."""
    return (tx_id if isinstance(tx_id, bytes) else decode_hash(tx_id, "tx_id")).hex()
