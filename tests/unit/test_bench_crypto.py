"""`hnnode bench crypto`: its fields, what it starts, and the page it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hnnode_native as native
import pytest
from typer.testing import CliRunner

from hnnode.bench import crypto, openssl
from hnnode.bench.crypto import FIELDS, CryptoPlan, WorkerError, fields_of, measure, pinned
from hnnode.bench.crypto_calls import CALLS, Clock
from hnnode.bench.crypto_report import BEGIN, END, field_rows, into_page, markdown, number, target_rows
from hnnode.bench.crypto_targets import REFERENCES, TARGETS, missed, ratios
from hnnode.cli.bench import application

REPORT_FIELDS = [
    "openssl_sm2_verify_per_s",
    "openssl_sm2_sign_per_s",
    "openssl_sm3_64B_per_s",
    "openssl_sm3_stream_MBps",
    "openssl_sm4_ctr_MBps",
    "sm2_verify_known_per_s",
    "sm2_verify_unknown_per_s",
    "sm2_verify_batch_unknown_per_s",
    "sm2_verify_single_us",
    "sm2_sign_per_s",
    "sm2_keygen_per_s",
    "sm2_table_build_us",
    "sm2_g_tables_ms",
    "sm3_64B_per_s",
    "sm3_stream_MBps",
    "sm3_multi_MBps",
    "merkle_1M_leaves_ms",
    "state_tree_updates_per_s",
    "sm4_gcm_MBps",
    "py_verify_batch_1000_per_s",
]
QUICK = ("sm2_sign_single_us", "sm3_64B_per_s", "sm4_gcm_MBps", "py_verify_batch_1000_per_s", "py_sm3_stream_MBps")


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    kernels = tuple(native.crypto_kernels())
    steps: list[tuple[str, int, int]] = []
    patch = pytest.MonkeyPatch()
    patch.setattr(openssl, "sm2_per_s", lambda seconds: (3_000.0, 3_400.0))
    patch.setattr(openssl, "bytes_per_s", lambda name, size, seconds: None if size == 64 else 370e6)
    try:
        found = measure(CryptoPlan(0.01, kernels, QUICK), lambda *step: steps.append(step))
    finally:
        patch.undo()
    assert steps
    assert steps[-1][1] == steps[-1][2]
    return found


def test_every_kernel_is_measured_and_the_last_one_stands_on_top(result: dict[str, Any]) -> None:
    assert list(result["kernels"]) == native.crypto_kernels()
    for fields in result["kernels"].values():
        assert tuple(fields) == QUICK
        assert all(value > 0 for value in fields.values())
    assert result["kernel"] == native.crypto_kernels()[-1]
    assert {name: result[name] for name in QUICK} == result["kernels"][result["kernel"]]
    assert result["openssl_sm2_sign_per_s"] == 3_000.0
    assert result["openssl_sm3_64B_per_s"] is None
    assert result["openssl_sm3_stream_MBps"] == 370.0
    assert {"cpu", "cores"} <= result["machine"].keys()
    assert "commit" in result


def test_all_fields_of_the_report_are_known(result: dict[str, Any]) -> None:
    assert set(REPORT_FIELDS) <= {*FIELDS, *(name for name in result if name.startswith("openssl_"))}
    assert {target.field for target in TARGETS} <= set(FIELDS)
    assert set(FIELDS) >= crypto.ONE_THREAD_FIELDS
    assert set(FIELDS) >= set(REFERENCES)
    assert {name for name in result if name.startswith("openssl_")} == set(REFERENCES.values())
    assert result["settings"] == {
        "seconds": 0.01,
        "statistic": "best",
        "clock": "processor time on one core, wall time on all",
        "state_keys": 10_000_000,
        "quick": False,
        "openssl_runs": 1 + len(native.crypto_kernels()),
    }


def test_every_kernel_has_every_field_and_quickly_the_last_one_alone() -> None:
    plan = CryptoPlan(1.0, ("portable", "ifma"))
    assert fields_of("portable", plan) == fields_of("ifma", plan) == FIELDS
    quick = CryptoPlan(1.0, ("portable", "ifma"), quick=True)
    assert fields_of("ifma", quick) == FIELDS
    lesser = fields_of("portable", quick)
    assert {"sm2_verify_known_per_s", "sm3_64B_per_s", "sm4_gcm_MBps"} < set(lesser) < set(FIELDS)
    assert not set(lesser) & {*CALLS, "merkle_1M_leaves_ms", "state_tree_updates_per_s"}


def test_the_clock_takes_the_fastest_call_after_the_first() -> None:
    costs, at = iter([5.0, 3.0, 1.0, 2.0]), [0.0]

    def work() -> None:
        at[0] += next(costs, 4.0)
        time.sleep(0.01)

    assert Clock(0.05, lambda: at[0]).best_s(work) == 1.0
    # The first call alone takes longer than the time given.
    assert Clock(0.0, lambda: at[0]).best_s(lambda: at.__setitem__(0, at[0] + 7.0)) == 7.0


def test_ratios_are_rates_over_the_rates_of_openssl(result: dict[str, Any]) -> None:
    top = result["kernel"]
    assert result["ratios"].keys() == {*native.crypto_kernels(), "all_cores"}
    single = result["sm2_sign_single_us"]
    assert result["ratios"][top]["sm2_sign_single_us"] == pytest.approx(1e6 / single / 3_000, rel=1e-3)
    assert result["ratios"][top]["py_sm3_stream_MBps"] == pytest.approx(result["py_sm3_stream_MBps"] / 370, rel=1e-3)
    assert "sm3_64B_per_s" not in result["ratios"][top]  # openssl said nothing
    assert ratios({"sm4_gcm_MBps": 5.0}, {}) == {}
    assert [row["field"] for row in result["targets"]] == [target.field for target in TARGETS]


def test_targets_are_judged_by_the_reference_of_the_run() -> None:
    fields = {"sm2_verify_known_per_s": 480_000.0, "merkle_1M_leaves_ms": 39.0, "sm4_gcm_MBps": 999.0}
    scalar = {"sm2_verify_known_per_s": 100_000.0}
    kernels = {"ifma": fields, "scalar": scalar}
    result = {"openssl_sm2_verify_per_s": 2_000.0, **fields, "kernel": "ifma", "kernels": kernels}
    verdicts = {row[0]: (row[1], row[4]) for row in target_rows(result)}
    assert verdicts["SM2 verify, registered key"] == ("240×", "goal")
    assert verdicts["SM2 verify, registered key, scalar"] == ("50×", "goal")
    assert verdicts["Merkle root of 2^20 leaves, ms"] == ("39", "goal")
    assert verdicts["SM4-GCM, MB/s"] == ("999", "below")
    assert verdicts["SM2 sign"] == ("–", "–")
    assert [target.field for target in missed(result)] == ["sm4_gcm_MBps"]
    rows = {row["title"]: row for row in (target.row(result) for target in TARGETS)}
    assert rows["SM2 verify, registered key, scalar"]["kernel"] == "scalar"
    assert rows["SM2 verify, registered key"]["measured"] == 240.0
    assert rows["SM2 sign"]["measured"] is rows["SM2 sign"]["reached"] is None
    # Measured, and nothing to compare it with: the floor is not shown to hold.
    alone = {**result, "openssl_sm2_verify_per_s": None}
    assert {target.field for target in missed(alone)} == {"sm4_gcm_MBps", "sm2_verify_known_per_s"}
    assert [number(v) for v in (None, 0.01234, 12.5, 1234567.0)] == ["–", "0.01234", "12.5", "1,234,567"]


def test_a_page_is_rewritten_between_its_markers_alone(result: dict[str, Any]) -> None:
    page = f"# A\n{BEGIN}\nold\n{END}\nrest\n"
    once = into_page(page, result)
    assert once.startswith(f"# A\n{BEGIN}\n")
    assert once.endswith(f"{END}\nrest\n")
    assert "old" not in once
    assert into_page(once, result) == once
    text = markdown(result)
    assert text.count("`sm3_64B_per_s`") == 1
    for said in (result["machine"]["cpu"], result["commit"], f"kernel {result['kernel']}", result["started"]):
        assert said in text
    assert "best of the runs in 0.01 s a field, processor time on one core, wall time on all · 10,000,000 keys" in text
    titles, rows = field_rows(result)
    assert all(len(row) == len(titles) for row in rows)
    with pytest.raises(ValueError, match="want the lines"):
        into_page("no markers", result)


def test_the_commands_measure_check_floors_and_render(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "sm2_per_s", lambda seconds: None)
    monkeypatch.setattr(openssl, "bytes_per_s", lambda name, size, seconds: 1.0)
    file, page = tmp_path / "crypto.json", tmp_path / "page.md"
    page.write_text(f"# A\n{BEGIN}\n{END}\n")
    kernel = native.crypto_kernels()[-1]
    command = ["crypto", "--quick", "--seconds", "0.01", "--kernel", kernel, "--to", str(file), "-o", "json"]
    easy = CliRunner().invoke(application, [*command, "--field", "sm3_64B_per_s", "--check-floors"])
    assert easy.exit_code == 0, easy.output
    shown = json.loads(easy.stdout)
    assert shown["settings"]["quick"]
    assert (shown["settings"]["state_keys"], shown["settings"]["openssl_runs"]) == (1_000_000, 1)
    assert json.loads(file.read_text())["sm3_64B_per_s"] == shown["sm3_64B_per_s"] > 0
    # Without openssl nothing shows that the floor holds.
    unproven = CliRunner().invoke(application, [*command, "--field", "sm2_sign_per_s", "--check-floors"])
    assert unproven.exit_code == 1, unproven.output
    assert "SM2 sign" in unproven.stderr
    assert CliRunner().invoke(application, [*command, "--field", "sm2_sign_per_s"]).exit_code == 0
    texts = []
    for _ in range(2):
        rendered = CliRunner().invoke(application, ["render", str(file), "--into", str(page)])
        assert rendered.exit_code == 0, rendered.output
        texts.append(page.read_text())
    assert texts[0] == texts[1]
    assert "`sm2_sign_per_s`" in texts[0]
    file.write_text("{}")
    assert CliRunner().invoke(application, ["render", str(file), "--into", str(page)]).exit_code == 2
    assert page.read_text() == texts[0]


def test_a_missing_kernel_stops_the_worker_and_the_import() -> None:
    with pytest.raises(WorkerError, match="no such kernel"):
        measure(CryptoPlan(0.01, ("sse2",), ("sm3_64B_per_s",)), lambda *_: None)
    environment = {**os.environ, "HN_CRYPTO_KERNEL": "portable"}
    command = [sys.executable, "-c", "import hnnode_native as n; print(n.crypto_kernel())"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert run.stdout.strip() == "portable"


def test_the_compiled_loops_refuse_a_wrong_plan() -> None:
    for plan in [(["nothing"], 0.01, 1, 10), (["sm3_64B_per_s"], -1.0, 1, 10), (["sm3_64B_per_s"], 0.01, 0, 10)]:
        with pytest.raises(native.NativeError):
            native.bench(*plan)
    assert native.bench([], 0.0, 1, 1) == {}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_pinning_ends_with_the_block() -> None:
    before = os.sched_getaffinity(0)
    with pinned():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_speed_of_openssl_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "openssl"
    command.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '*sm2) echo "                              sign    verify    sign/s verify/s";'
        ' echo " 256 bits SM2 (CurveSM2)   0.0003s   0.0003s   3034.0   3294.6";;\n'
        '*sm3*) echo "type             64 bytes"; echo "sm3             123218.77k";;\n'
        'version) echo "OpenSSL 3.0.19 27 Jan 2026 (Library)";;\n'
        "*) exit 1;;\n"
        "esac\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert openssl.sm2_per_s() == (3034.0, 3294.6)
    assert openssl.bytes_per_s("sm3", 64) == 123218770.0
    assert openssl.bytes_per_s("sm4-gcm", 64) is None
    assert openssl.version() == "OpenSSL 3.0.19"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert openssl.sm2_per_s() is None
    assert openssl.version() is None
