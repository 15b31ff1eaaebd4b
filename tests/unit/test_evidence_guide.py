"""The guides of evidence run as they are written, in both languages, against a real server."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hnnode.cli import app
from hnnode.crypto import write_key_file, write_public_key_file
from hnnode.crypto.keys import generate_key
from tests.kit.live_node import LiveNode

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
PEOPLE = ("registrar", "owner", "witness", "notary", "court")


def lines(guide: str) -> list[str]:
    blocks = SHELL.findall((GUIDES / guide).read_text("utf-8"))
    return [line for block in blocks for line in block.splitlines()]


def test_both_languages_show_the_same_commands() -> None:
    assert lines("evidence.md") == lines("evidence.zh.md")
    assert len(lines("evidence.md")) >= 15


def test_every_command_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "keys"
    folder.mkdir()
    keys = {name: generate_key() for name in PEOPLE}
    for name, key in keys.items():
        write_key_file(folder / f"{name}.pem", key)
        write_public_key_file(folder / f"{name}.pub", key.public_key())
    for name in ("scene.mp4", "corrected.mp4", "camera.txt"):
        (tmp_path / name).write_bytes(name.encode() * 99)
    (tmp_path / "owner.pem").write_bytes((folder / "owner.pem").read_bytes())
    (tmp_path / "owner.pem").chmod(0o600)
    monkeypatch.setenv("HNNODE_LANG", "en")
    monkeypatch.setenv("HNNODE_USER_DIR", str(tmp_path))
    public = [keys[name].public_key() for name in PEOPLE]
    with LiveNode(extra_keys=public, roles={6: ["notary"], 7: ["court"]}) as live:
        monkeypatch.setenv("HNNODE_NODE", live.url)
        known: dict[str, str] = {}
        for line in lines("evidence.md"):
            for word, value in known.items():
                line = re.sub(rf"\b{word}\b", value, line)
            if "certificate" in line:
                live.commit()
            out = run(line, capfd)
            for word in ("case", "hash"):
                found = re.search(rf"^{word} +([0-9a-f]{{64}}) *$", out, re.MULTILINE)
                if found and " preserve corrected" not in line:
                    known[word.upper()] = found[1]
        assert set(known) == {"CASE", "HASH"}
        assert "archived" in out
        for code in PYTHON.findall((GUIDES / "evidence.md").read_text("utf-8")):
            (tmp_path / "scene.mp4").write_bytes(b"another one")
            text = code.replace("http://127.0.0.1:20200", live.url)
            exec(compile(text, "evidence.md", "exec"), {})  # noqa: S102 - the guide is ours, and running it is the test


def run(line: str, capfd: pytest.CaptureFixture[str]) -> str:
    capfd.readouterr()
    name, *arguments = shlex.split(line)
    assert name == "hnnode"
    with pytest.raises(SystemExit) as ended:
        app.run(arguments)
    out, err = capfd.readouterr()
    assert not ended.value.code, f"{line}\n{out}\n{err}"
    return out


def test_the_command_refuses_what_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from hnnode.client import certificate_page, verify_certificate
    from tests.kit.evidence_story import FILE, told

    monkeypatch.setenv("HNNODE_LANG", "zh")
    story, case = told()
    data = story.certificate(case)
    good, page, file = tmp_path / "a.hncert", tmp_path / "a.html", tmp_path / "a.mp4"
    good.write_bytes(data)
    page.write_bytes(certificate_page(verify_certificate(data).require(), data))
    file.write_bytes(FILE)
    chain_id = story.node.chain_id.hex()
    assert "证明成立" in run(f"hnnode evidence verify {page} --file {file} --chain-id {chain_id}", capfd)

    def refused(*arguments: object) -> str:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.run(["evidence", "verify", *(str(each) for each in arguments)])
        out, _ = capfd.readouterr()
        assert ended.value.code == 4, out
        assert "证明不成立" in out
        return out

    page.write_bytes(page.read_bytes().replace("已归档".encode(), "已存证".encode()))
    assert "可能被改动" in refused(page)
    assert "属于另一条链" in refused(good, "--chain-id", "00" * 32)
    file.write_bytes(FILE + b"!")
    assert "文件与存证不符" in refused(good, "--file", file)
    good.write_bytes(data[:-1])
    assert "编码错误" in refused(good)
