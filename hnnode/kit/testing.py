"""Runs a plugin's tests with pytest, in two processes that differ in all that a plugin may not depend on.

| | first run | second run |
|---|---|---|
| PYTHONHASHSEED | 0 | 4242 |
| time zone, locale | UTC, C.UTF-8 | Asia/Kathmandu, C |
| independent transactions of a block | as written | in another order |
| network of several nodes | of the seed | of the next seed |

Both write a trace; where the traces differ, the plugin is not deterministic, and the difference names the transaction.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hnnode.errors import ConfigError
from hnnode.kit.project import Project
from hnnode.kit.trace import ActionCost, Difference, check_trace, compare, costs

TESTS_S_MAX = 1_800.0
_PYTEST_NO_TESTS = 5


@dataclass(frozen=True, slots=True)
class Run:
    """Surroundings of one run. `shuffle`: seed of another order, None keeps it. `seed`: added to that of the network."""

    hash_seed: str
    time_zone: str
    locale: str
    shuffle: int | None
    seed: int


RUNS = (Run("0", "UTC", "C.UTF-8", None, 0), Run("4242", "Asia/Kathmandu", "C", 1, 1))


@dataclass(frozen=True, slots=True)
class TestReport:
    """`status`: exit code of the first failing run. `output`: of the second run, when it alone failed."""

    __test__ = False

    status: int
    output: str
    differences: tuple[Difference, ...]
    costs: tuple[ActionCost, ...]
    runs: int

    @property
    def ok(self) -> bool:
        return self.status == 0 and not self.differences


def run_tests(
    project: Project,
    *,
    nodes: int = 1,
    twice: bool = True,
    seed: int = 0,
    record: Path | None = None,
    replay: Path | None = None,
    arguments: Sequence[str] = (),
) -> TestReport:
    """Run the tests; the first run's output goes to the terminal.

    Args:
        seed: of the network of chains of several nodes.
        record: file for what the first run did on its chains.
        replay: such a file of an earlier run: tests that stand in both must have done the same.
        arguments: for pytest, such as `-k name`.
    Raises: ConfigError PREREQUISITE_MISSING: pytest is not installed where hnnode runs, or there are no tests, or `replay`
    cannot be read.
    """
    if replay is not None:
        check_trace(replay)
    if importlib.util.find_spec("pytest") is None:
        raise ConfigError(
            "PREREQUISITE_MISSING", f"pytest: want it beside hnnode: {sys.executable} -m pip install pytest"
        )
    if not (project.root / "tests").is_dir():
        raise ConfigError("PREREQUISITE_MISSING", f"{project.root / 'tests'}: no tests")
    chosen = RUNS if twice else RUNS[:1]
    with tempfile.TemporaryDirectory(prefix="hn-test-") as folder:
        traces = [Path(folder) / f"{number}.jsonl" for number in range(len(chosen))]
        processes = [
            _start(project, run, (nodes, seed + run.seed), trace, arguments, number)
            for number, (run, trace) in enumerate(zip(chosen, traces, strict=True))
        ]
        outputs = []
        try:
            for process in processes:
                outputs.append(process.communicate(timeout=TESTS_S_MAX)[0] or "")
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        statuses = [process.returncode for process in processes]
        if statuses[0] == _PYTEST_NO_TESTS:
            raise ConfigError("PREREQUISITE_MISSING", f"{project.root / 'tests'}: pytest found no test")
        failed = next((status for status in statuses if status), 0)
        output = outputs[-1] if failed and not statuses[0] else ""
        ran = all(status in (0, 1) for status in statuses)
        differences = compare(*traces) if ran and len(traces) == 2 else []
        if ran and replay is not None:
            differences += compare(replay, traces[0], common=True)
        if ran and record is not None:
            record.write_bytes(traces[0].read_bytes())
        return TestReport(failed, output, tuple(differences), tuple(costs(traces[0])) if ran else (), len(chosen))


def _start(
    project: Project, run: Run, chain: tuple[int, int], trace: Path, arguments: Sequence[str], number: int
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "hnnode.kit.pytest_plugin", "-p", "no:cacheprovider"]
    nodes, seed = map(str, chain)
    command += ["--hn-project", str(project.root), "--hn-nodes", nodes, "--hn-seed", seed, "--hn-trace", str(trace)]
    if run.shuffle is not None:
        command += ["--hn-shuffle", str(run.shuffle)]
    environment = {**os.environ, "PYTHONHASHSEED": run.hash_seed, "TZ": run.time_zone, "LC_ALL": run.locale}
    environment["PYTHONUTF8"] = "1"
    paths = (str(Path(path).resolve()) for path in sys.path if path)
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))  # this hnnode, wherever it was started from
    return subprocess.Popen(
        [*command, *arguments, "tests"],
        cwd=project.root,
        env=environment,
        stdout=None if number == 0 else subprocess.PIPE,
        stderr=None if number == 0 else subprocess.STDOUT,
        text=True,
    )
