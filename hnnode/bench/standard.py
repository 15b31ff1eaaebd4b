"""The five performance items of JR/T 0193-2020, clause 7, from whatever was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Item:
    """`value` None: not measured; `command` measures it."""

    zh: str
    en: str
    value: str | None
    command: str


def items(results: Iterable[Mapping[str, Any]]) -> list[Item]:
    """The items in the order of the standard; a later result fills what an earlier one left open."""
    found: dict[str, str] = {}
    for result in results:
        for name, value in _of(result).items():
            found.setdefault(name, value)
    return [Item(zh, en, found.get(name), command) for name, zh, en, command in _ITEMS]


_ITEMS = (
    ("throughput", "交易吞吐率", "transaction throughput", "hnnode bench chain"),
    ("queries", "查询吞吐率", "query throughput", "hnnode bench query"),
    ("sync", "交易同步性能", "transaction synchronisation", "hnnode bench sync"),
    ("deploy", "部署效率", "deployment efficiency", "hnnode bench chain"),
    ("ledger", "账本数据增长速率", "ledger growth", "hnnode bench chain"),
)


def _of(result: Mapping[str, Any]) -> dict[str, str]:
    scenario = result.get("scenario")
    found: dict[str, str] = {}
    if scenario in ("chain", "locust"):
        p99 = result["latency_ms"]["p99"]
        found["throughput"] = (
            f"{result['succeeded_tps']:,.0f} tx/s (offered {result['offered_tps']:,.0f}, accepted "
            f"{result['accepted_tps']:,.0f}, committed {result['committed_tps']:,.0f}; p99 {_ms(p99)})"
        )
        if (growth := result.get("ledger_bytes_per_tx")) is not None:
            day_gb = growth * result["succeeded_tps"] * SECONDS_A_DAY / 1e9
            found["ledger"] = f"{growth:,.0f} bytes/tx ({day_gb:,.0f} GB a day at this rate)"
    if scenario == "query":
        plain, proof = result["queries"]["receipt"], result["queries"]["proof"]
        found["queries"] = (
            f"{plain['per_s']:,.0f} queries/s (p99 {_ms(plain['latency_ms']['p99'])}), with proof "
            f"{proof['per_s']:,.0f} (p99 {_ms(proof['latency_ms']['p99'])})"
        )
    if scenario == "sync":
        found["sync"] = (
            f"{result['blocks_per_s']:,.0f} blocks/s, {result['tx_per_s']:,.0f} tx/s, equal height after "
            f"{result['sync_s']:,.1f} s"
        )
    if deploy := result.get("deploy_s"):
        found["deploy"] = f"{deploy['total_s']:.1f} s from nothing to {result['nodes']} ready nodes"
    return found


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
