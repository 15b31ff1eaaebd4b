"""`hnnode privacy`: a record committed to, one field disclosed and verified; references from standard input."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from hnnode.cli.app import run

CITIZEN = "11010519491231002X"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        run(["privacy", *arguments, "--lang", "en"])
    return int(str(ended.value.code)), capsys.readouterr().out


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out = call(capsys, *arguments, "-o", "json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_commit_disclose_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opening, shown = tmp_path / "opening.json", tmp_path / "shown.json"
    record = json.dumps({"name": "张三", "degree": "学士", "year": 2019})
    made = answer(capsys, "commit", record, "--schema", "diploma", "--row-id", "7", "--opening", str(opening))
    assert made["fields"] == 3
    assert opening.stat().st_mode & 0o777 == 0o600
    assert call(capsys, "disclose", str(opening), "--field", "degree", "--to", str(shown))[0] == 0
    assert "张三" not in shown.read_text("utf-8")
    found = answer(capsys, "verify", str(shown), "--root", made["root"])
    assert (found["valid"], found["value"]) == (True, "学士")
    assert call(capsys, "verify", str(shown), "--root", "00" * 32)[0] == 4
    assert call(capsys, "verify", str(opening), "--root", made["root"])[0] == 2
    assert call(capsys, "disclose", str(opening), "--field", "none")[0] == 2
    assert (
        call(capsys, "commit", '{"a":1.5}', "--schema", "s", "--row-id", "7", "--opening", str(tmp_path / "x"))[0] == 2
    )
    assert call(capsys, "commit", record, "--schema", "s", "--row-id", "7", "--opening", str(opening))[0] == 1


def test_references_come_from_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = str(tmp_path / "hospital.keys")
    assert answer(capsys, "key", keys, "--domain", "hospital")["epoch"] == 1

    def made(*more: str) -> dict[str, Any]:
        monkeypatch.setattr("sys.stdin", io.StringIO(CITIZEN + "\n"))
        return answer(capsys, "reference", keys, *more)

    first = made()
    assert first["reference"].startswith("0001")
    assert made() == first
    assert made("--kind", "patient")["reference"] != first["reference"]
    assert answer(capsys, "key", keys, "--rotate")["epoch"] == 2
    assert made()["reference"].startswith("0002")
    assert made("--epoch", "1") == first
    assert call(capsys, "reference", keys, "--epoch", "9")[0] == 2
    assert call(capsys, "key", keys)[0] == 2


def test_a_payload_is_checked_before_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "check", '{"batch":"HN-1"}')["found"] == []
    code, out = call(capsys, "check", json.dumps({"note": f"id {CITIZEN}"}))
    assert code == 4
    assert "/note" in out
