"""The product's pages in a real browser: they show what they should and ask nobody else for anything."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

from hnnode.bench.report_files import write_report
from tests.docs.routes import served_routes
from tests.kit.browser import needs_browser, printed, visit
from tests.kit.live_node import LiveNode

ROOT = Path(__file__).resolve().parents[2]


@needs_browser
def test_api_page_shows_every_operation_and_asks_this_node_alone(tmp_path: Path) -> None:
    with LiveNode() as live:
        seen = visit(f"{live.url}/v1/docs", tmp_path)
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
    assert seen.complaints == []


@needs_browser
def test_report_page_is_laid_out_and_asks_nobody(tmp_path: Path) -> None:
    result = json.loads((ROOT / "bench" / "results" / "chain-evidence.json").read_bytes())
    (place,) = write_report(tmp_path / "page.html", result)
    seen = visit(place.as_uri(), tmp_path)
    assert seen.document.count("<svg") >= 6
    assert (seen.requested, seen.complaints) == ([], [])
    assert printed(place.as_uri(), tmp_path).startswith(b"%PDF-")


@needs_browser
def test_a_page_that_asks_outside_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><img src="http://outside.test/a.png"><script>console.error("hm")</script>', "utf-8")
    seen = visit(page.as_uri(), tmp_path)
    assert seen.requested == ["http://outside.test/a.png"]
    assert any("hm" in line for line in seen.complaints)
