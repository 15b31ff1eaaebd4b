"""`hnnode plugin test`: a plugin that depends on its process is caught by the second run, which names the transaction."""

from __future__ import annotations

from pathlib import Path

import pytest

from hnnode.errors import ConfigError
from hnnode.kit import testing
from hnnode.kit.project import Project
from hnnode.kit.scaffold import KINDS, Names, make_project
from hnnode.kit.testing import run_tests

FAULTS = {
    "hash of a text": "tx.put(b'z', b'%d' % (hash(payload.item) % 1000))",
    "order of a set": "tx.put(b'z', ','.join({payload.item, 'a', 'b', 'c', 'd'}).encode())",
    "time zone": "tx.put(b'z', str(__import__('time').localtime(0)[3]).encode())",
    "environment": "tx.put(b'z', __import__('os').environ['LC_ALL'].encode())",
}
TEST = """
def test_one(as_account):
    as_account("someone", "applicant").submit("create", item="ITEM-1", category="permit", document="ab" * 32)
"""


def new_project(folder: Path, kind: str = "status") -> Project:
    make_project(folder, Names("demo", "演示", "Demo", "演示厂商"), kind)
    return Project.open(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_the_tests_of_a_new_plugin_pass_twice(tmp_path: Path, kind: str) -> None:
    report = run_tests(new_project(tmp_path / "demo", kind))
    assert report.ok, (report.output, report.differences)
    assert report.runs == 2
    assert all(cost.tx_count and cost.us > 0 for cost in report.costs)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_depends_on_the_process_is_found(tmp_path: Path, fault: str) -> None:
    project = new_project(tmp_path / "demo")
    for path in (project.root / "tests").glob("*.py"):
        path.unlink()
    (project.root / "tests" / "test_one.py").write_text(TEST, "utf-8")
    handlers = project.package / "handlers.py"
    text = handlers.read_text("utf-8").replace(
        "    now = tx.block_time_ms\n", f"    now = tx.block_time_ms\n    {FAULTS[fault]}\n"
    )
    handlers.write_text(text, "utf-8")
    manifest = project.package / "hnplugin.toml"  # counted code could not even be imported with these
    manifest.write_text(manifest.read_text("utf-8").replace("metered = true", "metered = false"), "utf-8")
    report = run_tests(Project.open(project.root))
    assert report.status == 0, report.output
    assert len(report.differences) == 1
    difference = report.differences[0]
    assert difference.test == "tests/test_one.py::test_one"
    assert "create by someone" in difference.place
    assert not report.ok


def test_a_failing_test_fails(tmp_path: Path) -> None:
    project = new_project(tmp_path / "demo")
    (project.root / "tests" / "test_bad.py").write_text("def test_bad(chain):\n    assert chain.height == 1\n", "utf-8")
    report = run_tests(project, arguments=("-k", "test_bad"))
    assert report.status == 1
    assert not report.ok


def test_a_failure_beside_a_network_says_how_to_repeat_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    project = new_project(tmp_path / "demo")
    (project.root / "tests" / "test_bad.py").write_text(
        "def test_bad(chain4):\n    assert chain4.height == 1\n", "utf-8"
    )
    assert run_tests(project, twice=False, seed=7, arguments=("-k", "test_bad")).status == 1
    assert "repeat with: hnnode plugin test --seed 7 --once -k test_bad" in capfd.readouterr().out


def test_what_was_recorded_must_come_again(tmp_path: Path) -> None:
    project = new_project(tmp_path / "demo")
    recorded, chosen = tmp_path / "before.jsonl", ("-k", "four_nodes")
    assert run_tests(project, twice=False, record=recorded, arguments=chosen).ok
    assert run_tests(project, twice=False, replay=recorded, seed=3, arguments=chosen).ok
    handlers = project.package / "handlers.py"
    text = handlers.read_text("utf-8").replace("    now = tx.block_time_ms\n", "    now = tx.block_time_ms + 1\n")
    handlers.write_text(text, "utf-8")
    report = run_tests(project, twice=False, replay=recorded, arguments=chosen)
    assert (report.status, len(report.differences)) == (0, 1)
    assert "four_nodes" in report.differences[0].test
    recorded.write_text("no trace\n")
    with pytest.raises(ConfigError, match="not what an earlier run recorded"):
        run_tests(project, replay=recorded)


def test_what_is_missing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = new_project(tmp_path / "demo")
    with pytest.raises(ConfigError, match="no test"):
        run_tests(project, twice=False, arguments=("-k", "nothing_of_this_name"))
    monkeypatch.setattr(testing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pytest: want it beside hnnode"):
        run_tests(project)
