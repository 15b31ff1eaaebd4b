"""What is made of results: medians, comparison, model, report."""

from __future__ import annotations

import copy
import html.parser
import io
import json
import os
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hnnode.bench import charts, standard
from hnnode.bench.budget import STAGES, Account, budget
from hnnode.bench.compare import Verdict, compare, regressed
from hnnode.bench.load import Sample
from hnnode.bench.model import breaks_at, into_page, model, predict
from hnnode.bench.overload import left_cores, memory_slope_mb, recovery_s, shares
from hnnode.bench.processes import parse_metrics
from hnnode.bench.report_files import markdown, write_report
from hnnode.bench.report_page import page
from hnnode.bench.runs import median_of
from hnnode.bench.tally import Commit
from hnnode.bench.threads import LOOP, cpu_by_thread
from hnnode.cli.app import application
from hnnode.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def _result(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "scenario": "chain",
        "app": "evidence",
        "nodes": 4,
        "seconds": 6,
        "tx_bytes": 273,
        "offered_tps": 1000.0,
        "accepted_tps": 1000.0,
        "committed_tps": 1000.0,
        "succeeded_tps": 1000.0,
        "refused": 0,
        "lost": 0,
        "unanswered": 0,
        "cpu_us_per_tx": 80.0,
        "ledger_bytes_per_tx": 400.0,
        "rss_mb_max": 100.0,
        "state_roots_equal": True,
        "latency_ms": {"p50": 100.0, "p90": 150.0, "p99": 200.0, "p999": 220.0, "max": 250.0},
        "latency_histogram_ms": [(64.0, 10), (128.0, 90), (256.0, 5)],
        "committed_per_second": [1000] * 6,
        "refused_by_code": {},
        "failed_by_code": {},
        "series": {
            "committed": [990, 1010, 1000, 995, 1005, 1000],
            "p50_ms": [100.0, None, 101.0, 99.0, 100.0, 100.0],
            "p99_ms": [200.0, None, 210.0, 190.0, 200.0, 200.0],
            "node_cores": [0.1] * 6,
            "rss_mb": [400.0] * 6,
            "disk_mb": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        },
        "budget": {
            "total_us": 80.0,
            "stages_us": {"admission": 20.0, "execution": 60.0},
            "threads_us": {"native": 20.0, "execution": 40.0, "loop": 16.0},
        },
        "step_ms": {"execute": 10.0},
        "deploy_s": {"total_s": 4.0},
        "machine": {"cpu": "<CPU & co>", "cores": 2, "ram_gb": 8.0, "kernel": "6.1"},
        "commit": "abc",
        "settings": {"block_interval_ms": 40, "block_tx_count_max": 10_000},
    }
    return found | changes


def _verdicts(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Verdict]:
    return {delta.name: delta.verdict for delta in compare(before, after)}


def test_compare_tells_noise_from_change() -> None:
    same = compare(_result(), _result(succeeded_tps=970.0, cpu_us_per_tx=82.0))
    assert {delta.verdict for delta in same} == {Verdict.same}
    assert not regressed(same)
    found = _verdicts(_result(), _result(succeeded_tps=800.0, cpu_us_per_tx=60.0))
    assert (found["succeeded_tps"], found["cpu_us_per_tx"]) == (Verdict.worse, Verdict.better)
    # Beyond the noise, yet under a tenth: told, not judged.
    assert _verdicts(_result(), _result(cpu_us_per_tx=86.0))["cpu_us_per_tx"] is Verdict.changed


def test_compare_widens_its_band_with_the_scatter_of_the_runs_but_never_hides_a_halving() -> None:
    runs = [{"succeeded_tps": tps, "latency_ms": {}} for tps in (880.0, 1000.0, 1050.0)]
    assert _verdicts(_result(runs=runs), _result(succeeded_tps=860.0))["succeeded_tps"] is Verdict.same
    wild = [{"succeeded_tps": tps, "latency_ms": {}} for tps in (100.0, 1000.0, 5000.0)]
    assert _verdicts(_result(runs=wild), _result(succeeded_tps=500.0))["succeeded_tps"] is Verdict.worse


@pytest.mark.parametrize("change", [{"lost": 1}, {"state_roots_equal": False}])
def test_compare_has_no_tolerance_for_what_must_not_happen(change: dict[str, Any]) -> None:
    assert regressed(compare(_result(), _result(**change)))


def test_compare_judges_only_what_travels_between_machines() -> None:
    other = _result(machine={"cpu": "another", "cores": 64}, succeeded_tps=10.0, ledger_bytes_per_tx=900.0)
    found = _verdicts(_result(), other)
    assert "succeeded_tps" not in found
    assert found["ledger_bytes_per_tx"] is Verdict.worse
    with pytest.raises(ConfigError):
        compare(_result(), _result(scenario="sync"))


def test_compare_exits_with_one_on_a_regression(tmp_path: Path) -> None:
    for name, tps in (("a", 1000.0), ("b", 500.0)):
        (tmp_path / name).write_text(json.dumps(_result(succeeded_tps=tps)), "utf-8")
    runner = CliRunner()
    worse = runner.invoke(application, ["bench", "compare", str(tmp_path / "a"), str(tmp_path / "b"), "-o", "json"])
    assert worse.exit_code == 1
    assert json.loads(worse.stdout)["regressed"] is True
    assert runner.invoke(application, ["bench", "compare", str(tmp_path / "b"), str(tmp_path / "a")]).exit_code == 0


def test_median_takes_each_figure_from_the_middle_and_sums_what_must_be_zero() -> None:
    runs = [
        _result(succeeded_tps=tps, cpu_us_per_tx=cpu, lost=lost, latency_ms={"p50": p50, "p99": None})
        for tps, cpu, lost, p50 in ((900.0, 90.0, 1, 5.0), (1100.0, 70.0, 0, 7.0), (1000.0, 100.0, 2, 6.0))
    ]
    found = median_of(runs)
    assert (found["succeeded_tps"], found["cpu_us_per_tx"], found["lost"]) == (1000.0, 90.0, 3)
    assert found["latency_ms"] == {"p50": 6.0, "p99": None}
    assert found["budget"] == runs[2]["budget"]
    assert [run["succeeded_tps"] for run in found["runs"]] == [900.0, 1100.0, 1000.0]
    assert median_of(runs[:1]) == runs[0]
    assert not median_of([runs[0], _result(state_roots_equal=False), runs[1]])["state_roots_equal"]


def test_model_is_bound_by_one_thread_on_many_cores_and_by_their_sum_on_few() -> None:
    times = {"native": 5.0, "execution": 10.0, "loop": 4.0}
    few, many = predict(times, 1), predict(times, 64)
    assert (few.bound_by, many.bound_by) == ("cores", "execution")
    assert few.tps == pytest.approx(0.85e6 / 19)
    assert many.tps == pytest.approx(0.85e6 / 10)
    assert breaks_at(times, 64, 80_000) == []
    assert breaks_at(times, 64, 100_000) == ["execution"]
    assert breaks_at(times, 4, 1_000_000) == ["execution", "loop", "native", "cores"]


def test_model_accounts_for_all_cpu_time_and_slows_with_distance() -> None:
    found = model(_result())
    assert found["us_per_node"] == 20.0  # 80 µs over four nodes, although the threads carry but 76
    limits = [row["limit_tps"] for row in found["delays"]]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == pytest.approx(10_000 / 0.05, rel=0.01)
    with pytest.raises(ConfigError):
        model({"scenario": "chain"})
    text = into_page("a\n<!-- model: begin, rendered by hnnode bench model -->\nold\n<!-- model: end -->\nb", found)
    assert "old" not in text
    assert "| 64 |" in text
    assert text.endswith("<!-- model: end -->\nb")


def _account(cpu_s: float, threads: dict[int, tuple[str, float]], text: str = "") -> Account:
    return Account(cpu_s, threads, parse_metrics(text))


def test_budget_shares_threads_out_and_adds_up_to_the_total() -> None:
    before = _account(1.0, {1: (LOOP, 0.5), 2: ("execution", 0.5)}, 'hn_stage_seconds_sum{stage="tree"} 1\n')
    after = _account(
        4.0,
        {1: (LOOP, 1.5), 2: ("execution", 1.5), 3: ("rocksdb", 0.5), 4: ("native", 0.25)},
        'hn_loop_samples_total{module="network.link"} 3\nhn_loop_samples_total{module="gateway.submit"} 1\n'
        'hn_stage_seconds_sum{stage="tree"} 2\nhn_stage_seconds_sum{stage="execute"} 3\n'
        'hn_stage_seconds_sum{stage="flush"} 9\nhn_admitted_txs_total 1\nhn_signatures_verified 4\n',
    )
    found = budget([before], [after], 1_000_000)
    stages = found["stages_us"]
    assert found["total_us"] == 3.0
    assert sum(stages.values()) == pytest.approx(3.0, abs=0.05)
    assert stages["gateway"] == pytest.approx(0.25, abs=0.01)
    assert stages["gossip"] == pytest.approx(0.75 + 0.1875, abs=0.01)
    assert stages["admission"] == pytest.approx(0.0625, abs=0.01)
    assert (stages["state tree"], stages["execution"]) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.75, abs=0.01))
    assert stages["database"] == pytest.approx(0.5, abs=0.01)
    assert stages["other"] == pytest.approx(0.25, abs=0.01)
    assert tuple(stages) == STAGES


def test_processes_of_plugins_are_a_stage_of_the_budget() -> None:
    before, after = _account(1.0, {1: ("execution", 0.5)}), _account(2.0, {1: ("execution", 1.0)})
    found = budget([before], [replace(after, children_cpu_s=2.0)], 1_000_000)
    assert found["total_us"] == 3.0
    assert found["stages_us"]["plugins"] == found["threads_us"]["plugins"] == 2.0
    assert sum(found["stages_us"].values()) == pytest.approx(3.0, abs=0.05)


def test_cpu_of_threads_is_found_under_their_names() -> None:
    from hnnode.node.loop_profile import name_threads

    spent = threading.Event()
    stop = threading.Event()

    def work() -> None:
        end = time.thread_time() + 0.15
        while time.thread_time() < end:
            sum(range(1000))
        spent.set()
        stop.wait(10)

    thread = threading.Thread(target=work, name="hash_3")
    thread.start()
    named: set[int] = set()
    name_threads(named)
    assert thread.native_id in named
    assert spent.wait(30)
    found = cpu_by_thread(os.getpid())
    stop.set()
    thread.join()
    name, cpu_s = found[thread.native_id or 0]
    assert name == "hash"
    assert cpu_s >= 0.1
    assert found[os.getpid()][0] == LOOP


def test_memory_slope_and_recovery() -> None:
    samples = [Sample(t, 0.0, (t * 2**20, 5 * 2**20), 0) for t in range(10)]
    assert memory_slope_mb(samples, 0, 9) == 60.0
    assert memory_slope_mb(samples, 0, 1) is None
    commits = [Commit(100.0 + s + latency, latency, 5) for s, latency in enumerate((3.0, 2.0, 0.1, 0.1, 0.1, 0.1))]
    assert recovery_s(commits, 100.0, 80.0) == 2
    assert recovery_s(commits[:4], 100.0, 80.0) is None
    assert recovery_s(commits, 100.0, None) is None


class _Outside(html.parser.HTMLParser):
    """Collects what a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")
        ]
        if tag in ("script", "iframe", "link", "object", "embed"):
            self.found.append(tag)


def test_a_crowd_is_compared_with_the_peak_beside_it_and_on_equal_cores() -> None:
    found = shares({"committed_tps": 900.0, "sender_cores": 0.5}, 1000.0, 0.1)
    assert (found["peak_tps"], found["committed_share_of_peak"]) == (1000.0, 0.9)
    cores = left_cores(0.0)
    assert found["committed_share_adjusted"] == pytest.approx(0.9 * (cores - 0.1) / (cores - 0.5), abs=1e-3)
    assert left_cores(1e9) == 0.1


def test_page_loads_nothing_and_escapes_what_it_shows() -> None:
    text = page(
        [_result(), _result(scenario="sync", blocks_per_s=5.0, tx_per_s=9.0, sync_s=1.0, heights=[(1.0, 2), (2.0, 4)])]
    )
    outside = _Outside()
    outside.feed(text)
    assert outside.found == []
    assert not re.search(r"https?://|//[a-z]|url\(|@import", text)
    assert "<CPU" not in text
    assert "&lt;CPU &amp; co&gt;" in text
    for words in (
        "交易吞吐率",
        "查询吞吐率",
        "交易同步性能",
        "部署效率",
        "账本数据增长速率",
        "transaction throughput",
        "ledger growth",
    ):
        assert words in text
    assert text.count("<svg") >= 8


def test_page_names_its_figures_in_both_languages() -> None:
    crowd = {
        "times": 2,
        "asked_tps": 9.0,
        "latency_ms": {"p99": 1.0},
        "refused_by_code": {"MEMPOOL_FULL": 3},
        "lost": 0,
    }
    parts = {"overload": {"peak_tps": 4.0, "multiples": [crowd]}, "idle": {"cpu_percent_max": 0.2}}
    text = page([_result(nodes=4, seconds=5, **parts)])
    chinese = " ".join(re.findall(r'lang="zh">([^<]*)<', text))
    for words in (
        "4 个节点",
        "5 秒",
        "提交 ",
        "接受 ",
        "持续峰值",
        "延迟 p99 毫秒",
        "拒绝 MEMPOOL_FULL",
        "最高节点 CPU %",
    ):
        assert words in chinese
    assert "(offered" not in chinese
    assert " nodes" not in chinese
    assert "multiples.0" not in text.partition("<details>")[0]


def test_the_page_says_which_chains_were_measured() -> None:
    settings = {"knee_chain": "own", "measured_chain": "new", "overload_chain": "none", "runs": 3}
    text = page([_result(settings=settings)])
    for words in (
        "速率先在另一条链上找到 · 在一条新链上相继测量 3 次",
        "rate found on a chain of its own · measured 3 times on one new chain",
    ):
        assert words in text
        assert words in markdown(_result(settings=settings))
    given = settings | {"knee_chain": "none", "overload_chain": "own", "runs": 1}
    assert "在新链上测量 · 过载在另一条新链上" in page([_result(settings=given)])
    assert "new chain" not in page([_result()]), "a result of before says nothing"


def test_charts_draw_nothing_from_nothing_and_leave_gaps() -> None:
    assert charts.lines({"a": []}, "s", "a") == charts.columns([], "s", "n", "a") == charts.bars({}, "s", "a", {}) == ""
    assert charts.curve([(1.0, None), (2.0, 3.0)], "x", "y", "z") == ""
    drawn = charts.lines({"a": [1.0, 2.0, None, 4.0]}, "s", "a")
    assert (drawn.count("<polyline"), drawn.count("<circle"), drawn.count("<rect")) == (1, 1, 0)
    assert charts.lines({"a": [1.0], "b": [2.0]}, "s", "a").count("<rect") == 2, "two lines need a key"
    named = charts.bars({"a": 1.0, "b": 2.0}, "s", "a", {"a": "甲"})
    assert all(f'lang="{language}"' in named and f">{text}<" in named for language, text in (("zh", "甲"), ("en", "a")))
    assert [charts.nice_top(value) for value in (0, 0.7, 1, 3, 2300, 99)] == [1, 0.8, 1, 3, 3000, 100]


def test_items_of_the_standard_name_the_command_that_is_missing() -> None:
    found = {item.en: item for item in standard.items([_result()])}
    assert "1,000 tx/s" in (found["transaction throughput"].value or ("", ""))[1]
    assert "400 bytes/tx (35 GB a day" in (found["ledger growth"].value or ("", ""))[1]
    assert "每笔交易 400 字节" in (found["ledger growth"].value or ("", ""))[0]
    assert found["query throughput"].value is None
    assert "hnnode bench query" in markdown(_result())


def test_report_is_written_in_all_forms(tmp_path: Path) -> None:
    files = write_report(tmp_path / "report", _result())
    assert sorted(path.name for path in files) == ["report.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "report" / "report.json").read_bytes())["scenario"] == "chain"
    assert write_report(tmp_path / "one.html", _result()) == [tmp_path / "one.html"]
    before = copy.deepcopy(_result())
    runner = CliRunner()
    (tmp_path / "a.json").write_text(json.dumps(before), "utf-8")
    done = runner.invoke(application, ["bench", "report", str(tmp_path / "a.json"), "--into", str(tmp_path / "all")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "all" / "report.html").exists()


def test_queries_and_the_kind_of_load_stand_in_every_form(tmp_path: Path) -> None:
    from hnnode.bench.tables import markdown as tables

    queries = {
        **{"offered_per_s": 30.0, "answered_per_s": 28.0, "failed_per_s": 2.0, "failed": 12, "share": 0.25},
        **{"failed_by_code": {"UNSENT": 12}, "latency_ms": {"p50": 5.0, "p99": 77.0}, "by_query": []},
    }
    facts = {"queries": queries, "flavour": "mix", "plugins_cpu_us_per_tx": 33.5, "plugins_rss_mb_max": 78.25}
    result = _result(**facts, reference={"openssl_sm2_verify_per_s": 2000.0})
    result["settings"] |= {"flavour": "mix", "isolated": True}
    for text in (render_text(result), markdown(result), page([result])):
        assert "evidence · mix" in text
        assert {"28.00", "77.00", "33.50", "78.25"} <= set(re.findall(r"[0-9]+[.][0-9]{2}", text))
    assert "UNSENT 12" in render_text(result)
    assert "| evidence | mix | – | 4 |" in tables([result])
    assert "| medical | mix | isolated | 4 |" in tables([result | {"app": "medical"}])
    assert "| 30 | 28 | 2 | 5 | 77 |" in tables([result])


def render_text(result: dict[str, Any]) -> str:
    from rich.console import Console

    from hnnode.bench.report import render

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(result))
    return console.export_text()


def test_tables_take_the_place_between_the_marks() -> None:
    from hnnode.bench.tables import into_page, markdown

    reference = {"openssl_sm2_verify_per_s": 2000.0}
    rows = {"per_s": 5.0, "latency_ms": {"p50": 1.0, "p99": None}, "cpu_us_per_query": 9.0}
    overload = {"peak_tps": 10.0, "multiples": [{"times": 5, "committed_share_of_peak": 0.95, "lost": 0}]}
    results = [
        _result(reference=reference, overload=overload, idle={"cpu_percent_max": 0.7}),
        {**_result(), "scenario": "query", "reference": reference, "queries": {"receipt": rows, "proof": rows}},
    ]
    page_text = "x\n<!-- chain: begin, rendered by hnnode bench tables -->\nold\n<!-- chain: end -->\ny"
    text = into_page(page_text, results)
    assert "old" not in text
    assert text.endswith("<!-- chain: end -->\ny")
    assert "| 5 | – | – | – | 0.95 |" in text
    assert "| receipt | 5 | 1 | – | 9 |" in text
    assert "**Catching up**" not in text
    assert markdown(results[1:]).count("|---|") >= 2
    for mark in ("chain", "model"):
        assert f"<!-- {mark}: begin" in (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    with pytest.raises(ValueError):
        into_page("no marks", results)
