"""A real headless browser for the product's own pages; where none is installed the tests that need it are skipped."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
LIMIT_S = 120
PHONE = 390
"""Width of a small screen in pixels."""
PAGE_MS = 10_000
"""Time on the page's own clock, which runs ahead while the page waits for nothing."""

_PATH = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(
    _PATH is None, reason=f"no headless browser ({', '.join(NAMES)}): install the Debian package chromium"
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of opening a page.

    Attributes:
        document: the page as it stands after its scripts ran.
        requested: addresses that the page asked for, itself not among them; what a browser asks on its own account does not count.
        complaints: lines of its console, among them what the content policy refused.
    """

    document: str
    requested: list[str]
    complaints: list[str]


def visit(address: str, folder: Path) -> Visit:
    """Open a page and let its scripts finish; `folder` takes the browser's own files."""
    log = folder / "network.json"
    done = _run(
        address,
        folder,
        "--dump-dom",
        f"--virtual-time-budget={PAGE_MS}",
        f"--log-net-log={log}",
        "--enable-logging=stderr",
    )
    events = json.loads(log.read_bytes())["events"]
    requested = {
        event["params"]["url"]
        for event in events
        if event.get("params", {}).get("initiator", "not an origin") != "not an origin"
    }
    said = done.stderr.decode(errors="replace").splitlines()
    return Visit(done.stdout.decode(), sorted(requested), [line for line in said if ":CONSOLE" in line])


def overhang(page: str, folder: Path, width: int = PHONE) -> int:
    """Pixels by which a page is wider than a screen of `width`; its scripts may run."""
    frame = folder / "frame.html"
    measure = "document.title = this.contentDocument.documentElement.scrollWidth"
    style = f"width:{width}px;height:2000px;border:0"
    frame.write_text(
        f'<!doctype html><meta charset="utf-8"><title></title>'
        f'<iframe style="{style}" onload="{measure}" srcdoc="{escape(page)}"></iframe>',
        "utf-8",
    )
    title = re.search(r"<title>(\d+)</title>", visit(frame.as_uri(), folder).document)
    assert title is not None, "the page could not be measured"
    return int(title[1]) - width


def sheets(paper: bytes) -> int:
    """Sheets of a PDF file."""
    return len(re.findall(rb"/Type ?/Page\b", paper))


def printed(address: str, folder: Path) -> bytes:
    """The page as a PDF file."""
    paper = folder / "page.pdf"
    _run(address, folder, f"--print-to-pdf={paper}")
    return paper.read_bytes()


def _run(address: str, folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    assert _PATH is not None
    done = subprocess.run(
        [
            _PATH,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            # The browser's own errands end here.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=900,2000",
            *options,
            address,
        ],
        capture_output=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done
