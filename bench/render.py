"""Markdown tables from result files: `python bench/render.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_CHAIN_COLUMNS = (
    "app",
    "nodes",
    "seconds",
    "tx_bytes",
    "offered_tps",
    "accepted_tps",
    "committed_tps",
    "succeeded_tps",
    "lost",
    "cpu_us_per_tx",
    "rss_mb_max",
    "ledger_bytes_per_tx",
    "fsyncs_per_block",
    "state_roots_equal",
)


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join("–" if cell is None else str(cell) for cell in cells) + " |"


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gb']} GB, {result.get('commit') or 'no revision'}"
    )


def render_chain(results: dict[str, dict[str, Any]]) -> list[str]:
    titles = ["run", *_CHAIN_COLUMNS, "p50 ms", "p99 ms", "openssl SM2 verify/s", "machine"]
    lines = [_row(titles), _row(["---"] * len(titles))]
    for name, result in results.items():
        latency = result["latency_ms"]
        tail = [latency["p50"], latency["p99"], result["reference"]["openssl_sm2_verify_per_s"], _machine(result)]
        lines.append(_row([name, *(result[c] for c in _CHAIN_COLUMNS), *tail]))
    return lines


def render_micro(results: dict[str, dict[str, Any]]) -> list[str]:
    lines = [_row(["run", "operation", "µs an item", "best", "machine"]), _row(["---"] * 5)]
    for name, result in results.items():
        for operation, found in result["results"].items():
            lines.append(_row([name, operation, found["us_per_item"], found["us_per_item_best"], _machine(result)]))
    return lines


def render(folder: Path) -> str:
    """All result files of a folder, by scenario."""
    loaded = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    parts = ["# Results", "", "Rendered by `bench/render.py` from the files beside it; do not edit."]
    for scenario, renderer in (("chain", render_chain), ("micro", render_micro)):
        chosen = {name: result for name, result in loaded.items() if result["scenario"] == scenario}
        if chosen:
            parts += ["", f"## {scenario}", "", *renderer(chosen)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/render.py FOLDER")
    sys.stdout.write(render(Path(sys.argv[1])))
