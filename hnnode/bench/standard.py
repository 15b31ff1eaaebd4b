"""The five performance items of JR/T 0193-2020, clause 7, from whatever was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Item:
    """`value`: in Chinese and English; None: not measured, `command` measures it."""

    zh: str
    en: str
    value: tuple[str, str] | None
    command: str


def items(results: Iterable[Mapping[str, Any]]) -> list[Item]:
    """The items in the order of the standard; a later result fills what an earlier one left open."""
    found: dict[str, tuple[str, str]] = {}
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


def _of(result: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    scenario = result.get("scenario")
    found: dict[str, tuple[str, str]] = {}
    if scenario in ("chain", "locust"):
        names = ("offered_tps", "accepted_tps", "committed_tps", "succeeded_tps")
        offered, accepted, committed, succeeded = (f"{result[name]:,.0f}" for name in names)
        p99 = _ms(result["latency_ms"]["p99"])
        found["throughput"] = (
            f"{succeeded} tx/s（提交 {offered}，接受 {accepted}，上链 {committed}；p99 {p99}）",
            f"{succeeded} tx/s (offered {offered}, accepted {accepted}, committed {committed}; p99 {p99})",
        )
        if (growth := result.get("ledger_bytes_per_tx")) is not None:
            day_gb = growth * result["succeeded_tps"] * SECONDS_A_DAY / 1e9
            found["ledger"] = (
                f"每笔交易 {growth:,.0f} 字节（照此每天 {day_gb:,.0f} GB）",
                f"{growth:,.0f} bytes/tx ({day_gb:,.0f} GB a day at this rate)",
            )
    if scenario == "query":
        plain, proof = result["queries"]["receipt"], result["queries"]["proof"]
        rates = f"{plain['per_s']:,.0f}", f"{proof['per_s']:,.0f}"
        p99s = _ms(plain["latency_ms"]["p99"]), _ms(proof["latency_ms"]["p99"])
        found["queries"] = (
            f"每秒 {rates[0]} 次（p99 {p99s[0]}），带证明 {rates[1]} 次（p99 {p99s[1]}）",
            f"{rates[0]} queries/s (p99 {p99s[0]}), with proof {rates[1]} (p99 {p99s[1]})",
        )
    if scenario == "sync":
        blocks, txs, length = (
            f"{result['blocks_per_s']:,.0f}",
            f"{result['tx_per_s']:,.0f}",
            f"{result['sync_s']:,.1f} s",
        )
        found["sync"] = (
            f"每秒 {blocks} 个区块、{txs} 笔交易，{length} 后高度相同",
            f"{blocks} blocks/s, {txs} tx/s, equal height after {length}",
        )
    if deploy := result.get("deploy_s"):
        total, nodes = f"{deploy['total_s']:.1f} s", result["nodes"]
        found["deploy"] = (f"从零到 {nodes} 个节点就绪 {total}", f"{total} from nothing to {nodes} ready nodes")
    return found


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
