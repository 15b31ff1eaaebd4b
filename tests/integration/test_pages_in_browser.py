"""The product's pages in a real browser: they show what they should and ask nobody else for anything."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import httpx

from hnnode.bench.report_files import write_report
from hnnode.client import certificate_page, verify_certificate
from hnnode.crypto import MemorySigner
from hnnode.kit.docs import write_pages
from hnnode.kit.project import Project
from hnnode.kit.scaffold import Names, make_project
from tests.docs.routes import served_routes
from tests.kit.browser import needs_browser, overhang, printed, sheets, visit
from tests.kit.evidence_story import DIGEST, FILE, Story
from tests.kit.live_node import LiveNode

ROOT = Path(__file__).resolve().parents[2]


@needs_browser
def test_api_page_shows_every_operation_and_asks_this_node_alone(tmp_path: Path) -> None:
    with LiveNode() as live:
        seen = visit(f"{live.url}/v1/docs?language=en", tmp_path)
        chinese = visit(f"{live.url}/v1/docs?language=zh", tmp_path)
    shown = set()
    for block in seen.document.split('class="opblock-summary-method"')[1:]:
        method = re.match(r">([A-Z]+)<", block)
        path = re.search(r'data-path="([^"]*)"', block)
        assert method is not None
        assert path is not None
        shown.add((method[1], re.sub(r"\{[^}]*\}", "{}", unescape(path[1]))))
    assert shown == served_routes()
    outside = [address for address in seen.requested if not address.startswith(f"{live.url}/v1/")]
    assert outside == []
    assert f"{live.url}/v1/openapi.json" in seen.requested
    assert seen.complaints == chinese.complaints == []
    assert "Submit one signed transaction" in seen.document
    assert "提交一笔已签名的交易" in chinese.document


@needs_browser
def test_report_page_is_laid_out_and_asks_nobody(tmp_path: Path) -> None:
    result = json.loads((ROOT / "bench" / "results" / "chain-evidence.json").read_bytes())
    (place,) = write_report(tmp_path / "page.html", result)
    seen = visit(place.as_uri(), tmp_path)
    assert seen.document.count("<svg") >= 6
    assert (seen.requested, seen.complaints) == ([], [])
    assert overhang(place.read_text("utf-8"), tmp_path) <= 0
    assert printed(place.as_uri(), tmp_path).startswith(b"%PDF-")


@needs_browser
def test_certificate_page_prints_on_paper_and_asks_nobody(tmp_path: Path) -> None:
    people = [MemorySigner.generate() for _ in range(4)]
    keys, roles = [each.public_key for each in people], {4: ["notary"], 6: ["court"]}
    with LiveNode(auto=False, extra_keys=keys, roles=roles) as live:
        story = Story(*people, node=live.node)
        case = story.whole()
        live.node.commit_block([])
        subject = f"{live.url}/v1/evidence/{DIGEST.hex()}/{story.owner.account.hex()}/certificate"
        seen = visit(f"{subject}/page?case={case.hex()}", tmp_path)
        assert (seen.requested, seen.complaints) == ([], [])
        page = httpx.get(f"{subject}/page", params={"case": case.hex()}, timeout=20)
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for shown in (
        "存证证明书",
        "Certificate of Evidence",
        "2026豫01民初1号",
        "核验一致",
        "organisation 4",
        DIGEST.hex(),
    ):
        assert shown in seen.document
    assert "<b>.mp4" not in seen.document
    place = tmp_path / "certificate.html"
    place.write_bytes(page.content)
    assert verify_certificate(page.content, FILE, story.node.chain_id).valid
    paper = printed(place.as_uri(), tmp_path)
    assert paper.startswith(b"%PDF-")
    assert re.search(rb"/MediaBox ?\[0 0 59[45]\.?[0-9]* 84[12]\.?[0-9]*\]", paper), "A4"
    assert sheets(paper) <= 2
    assert overhang(page.text, tmp_path) <= 0


@needs_browser
def test_a_plain_certificate_is_one_sheet(tmp_path: Path) -> None:
    story = Story()
    story.send(
        story.owner, "preserve", {"hash": DIGEST.hex(), "algorithm": "sm3", "size": len(FILE), "name": "deed.pdf"}
    )
    data = story.certificate()
    place = tmp_path / "certificate.html"
    place.write_bytes(certificate_page(verify_certificate(data).require(), data))
    assert sheets(printed(place.as_uri(), tmp_path)) == 1


@needs_browser
def test_page_of_a_plugin_fits_a_phone_and_asks_nobody(tmp_path: Path) -> None:
    make_project(tmp_path / "demo", Names("demo", "演示", "Demo", "厂商"))
    place = write_pages(Project.open(tmp_path / "demo"), tmp_path / "docs")[0]
    seen = visit(place.as_uri(), tmp_path)
    assert "<nav>" in seen.document
    assert (seen.requested, seen.complaints) == ([], [])
    assert overhang(place.read_text("utf-8"), tmp_path) <= 0
    assert overhang('<div style="width:500px">too wide</div>', tmp_path) > 0


@needs_browser
def test_a_page_that_asks_outside_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><img src="http://outside.test/a.png"><script>console.error("hm")</script>', "utf-8")
    seen = visit(page.as_uri(), tmp_path)
    assert seen.requested == ["http://outside.test/a.png"]
    assert any("hm" in line for line in seen.complaints)
