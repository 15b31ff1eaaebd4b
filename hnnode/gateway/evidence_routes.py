"""`/evidence`: certificates of evidence, as the file that verifies offline and as the page to print."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from hnnode.certificate.page import render
from hnnode.certificate.verdict import judge_certificate
from hnnode.gateway.body import OCTETS
from hnnode.gateway.context import Context
from hnnode.gateway.documents import OCTETS_ANSWER
from hnnode.gateway.parameters import HASH

ACCOUNT = r"^[0-9a-fA-F]{40}$"
Digest = Annotated[str, Path(pattern=HASH, description="The preserved hash")]
Owner = Annotated[str, Path(pattern=ACCOUNT, description="Account that preserved it, 40 hexadecimal digits")]
Case = Annotated[str | None, Query(pattern=HASH, description="A case the record was submitted to")]
# Nothing of the page runs or loads, whatever somebody named his file.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def evidence_routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["proofs"])
    node = context.node

    def build(digest: str, owner: str, case: str | None) -> bytes:
        subject = None if case is None else bytes.fromhex(case)
        return node.proofs.certificate(bytes.fromhex(digest), bytes.fromhex(owner), subject)

    @router.get(
        "/evidence/{digest}/{owner}/certificate",
        response_class=Response,
        responses=OCTETS_ANSWER,
        summary="Certificate of evidence",
    )
    async def get_certificate(digest: Digest, owner: Owner, case: Case = None) -> Response:
        """Verifies offline. It shows the newest certified state: 404 for what is not in it yet."""
        data = await context.readers.run(build, digest, owner, case)
        headers = {"Content-Disposition": f'attachment; filename="{digest.lower()[:16]}.hncert"'}
        return Response(data, 200, headers, OCTETS)

    @router.get(
        "/evidence/{digest}/{owner}/certificate/page",
        response_class=Response,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
        summary="Certificate of evidence as a page to print",
    )
    async def get_page(digest: Digest, owner: Owner, case: Case = None) -> Response:
        """A4, Chinese and English, carries the certificate: `hnnode evidence verify` takes the page as well."""

        def page() -> bytes:
            data = build(digest, owner, case)
            return render(judge_certificate(data, chain_id=context.genesis.chain_id).require(), data)

        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(await context.readers.run(page), 200, headers, "text/html; charset=utf-8")

    return router
