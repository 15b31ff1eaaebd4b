"""Names of figures, parts and stages of a result in Chinese and English, for the report."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, tuple[str, str]] = {
    "offered_tps": ("提交的交易，每秒", "offered, tx/s"),
    "accepted_tps": ("接受的交易，每秒", "accepted, tx/s"),
    "committed_tps": ("上链的交易，每秒", "committed, tx/s"),
    "succeeded_tps": ("成功的交易，每秒", "succeeded, tx/s"),
    "refused": ("被拒绝的交易", "refused, tx"),
    "retried": ("被要求稍后再来并重新提交的次数", "told to come later and sent again, tx"),
    "lost": ("丢失的交易（应为 0）", "lost, tx (has to be 0)"),
    "unanswered": ("未获应答的交易", "unanswered, tx"),
    "blocks": ("区块数", "blocks"),
    "txs_per_block": ("每块交易数", "transactions a block"),
    "queries.offered_per_s": ("发出的查询，每秒", "queries offered a second"),
    "queries.answered_per_s": ("答对的查询，每秒", "queries answered as expected, a second"),
    "queries.failed_per_s": ("失败的查询，每秒", "queries failed a second"),
    "queries.share": ("查询占全部请求", "queries among all requests"),
    "queries.latency_ms.p50": ("查询延迟 p50 毫秒", "latency of queries p50, ms"),
    "queries.latency_ms.p99": ("查询延迟 p99 毫秒", "latency of queries p99, ms"),
    "cpu_us_per_tx": ("每笔交易 CPU 微秒，全部节点", "CPU µs a transaction, all nodes"),
    "plugins_cpu_us_per_tx": ("其中插件进程", "of it in processes of plugins"),
    "sender_cpu_us_per_tx": ("发送端每笔交易 CPU 微秒", "CPU µs a transaction, sender"),
    "rss_mb_max": ("最大节点内存 MB", "memory of the largest node, MB"),
    "plugins_rss_mb_max": ("一个节点的插件进程内存 MB", "memory of one node's plugin processes, MB"),
    "ledger_bytes_per_tx_at_end": ("账本每笔交易字节（负载刚结束）", "ledger bytes a transaction, at the load's end"),
    "ledger_bytes_per_tx": ("账本每笔交易字节", "ledger bytes a transaction"),
    "fsyncs_per_block": ("每块落盘次数", "fsyncs a block"),
    "signature_verifications_per_tx_per_node": ("每节点每笔验签次数", "signature checks a transaction and node"),
    "loop_lag_ms_p99_max": ("事件循环延迟 p99 毫秒", "event loop delay p99, ms"),
    "state_roots_equal": ("各节点状态根一致", "state roots equal"),
    "latency_ms.p50": ("延迟 p50 毫秒", "latency p50, ms"),
    "latency_ms.p90": ("延迟 p90 毫秒", "latency p90, ms"),
    "latency_ms.p99": ("延迟 p99 毫秒", "latency p99, ms"),
    "latency_ms.p999": ("延迟 p99.9 毫秒", "latency p99.9, ms"),
    "latency_ms.max": ("最大延迟毫秒", "latency max, ms"),
    "blocks_per_s": ("每秒同步区块", "blocks synchronised a second"),
    "tx_per_s": ("每秒同步交易", "transactions synchronised a second"),
    "sync_s": ("追平用时，秒", "time to equal height, s"),
    "queries_per_s": ("每秒查询", "queries a second"),
    "queries_with_proof_per_s": ("每秒带证明查询", "queries with proof a second"),
}
"""What the main table shows, of the figures a result has."""

PARTS: Mapping[str, tuple[str, str]] = {
    "targets": ("目标", "targets"),
    "overload": ("过载", "overload"),
    "idle": ("空闲", "idle"),
    "steps": ("各级用户数", "by number of users"),
    "requests": ("Locust 所见的请求", "requests as Locust saw them"),
    "failures": ("最多的失败", "most frequent failures"),
    "multiples": ("各倍峰值", "multiples of the peak"),
    "queries": ("查询", "queries"),
    "comparison": ("进程内与独立进程", "in process and isolated"),
}
"""Titles of further parts of a result; others stand under the name they have there."""

STAGES_ZH: Mapping[str, str] = {
    "admission": "准入",
    "batch store": "批次落盘",
    "gossip": "广播",
    "consensus": "共识",
    "execution": "执行",
    "plugins": "插件进程",
    "receipts": "回执",
    "state tree": "状态树",
    "database": "数据库",
    "gateway": "网关",
    "other": "其他",
}

FIELDS: Mapping[str, tuple[str, str]] = {
    "seconds": ("时长，秒", "length, s"),
    "cpu_percent_per_node": ("各节点 CPU %", "CPU % of each node"),
    "cpu_percent_max": ("最高节点 CPU %", "CPU % of the busiest node"),
    "cpu_percent_sum": ("全部节点 CPU %", "CPU % of all nodes"),
    "rss_mb_per_node": ("各节点内存 MB", "memory of each node, MB"),
    "rss_mb_max": ("最大节点内存 MB", "memory of the largest node, MB"),
    "probe_tps": ("试探所得，每秒", "found by the probe, tx/s"),
    "peak_tps": ("持续峰值，每秒", "sustained peak, tx/s"),
    "peak_sender_cores": ("峰值时发送端 CPU 核", "cores of the sender at the peak"),
    "normal_tps": ("正常负载，每秒", "normal load, tx/s"),
    "times": ("倍数", "times"),
    "asked_tps": ("要求，每秒", "asked for, tx/s"),
    "offered_tps": ("提交，每秒", "offered, tx/s"),
    "committed_tps": ("上链，每秒", "committed, tx/s"),
    "committed_share_of_peak": ("占峰值", "share of the peak"),
    "committed_share_adjusted": ("占峰值（同等 CPU）", "share on equal cores"),
    "sender_cores": ("发送端 CPU 核", "cores of the sender"),
    "unanswered": ("未获应答", "unanswered"),
    "lost": ("丢失（应为 0）", "lost (has to be 0)"),
    "rss_mb_per_minute": ("内存增长 MB/分", "memory growth, MB a minute"),
    "rss_mb_per_minute_at_peak": ("此前峰值时的内存增长 MB/分", "memory growth at the peak before, MB a minute"),
    "recovery_s": ("恢复用时，秒", "recovery, s"),
    "state_roots_equal": ("状态根一致", "state roots equal"),
    "users": ("用户数", "users"),
    "p50_ms": ("延迟 p50 毫秒", "latency p50, ms"),
    "p99_ms": ("延迟 p99 毫秒", "latency p99, ms"),
    "request": ("请求", "request"),
    "count": ("次数", "count"),
    "failures": ("失败", "failures"),
    "error": ("错误", "error"),
    "answer_p50_ms": ("应答 p50 毫秒", "answer p50, ms"),
    "answer_p99_ms": ("应答 p99 毫秒", "answer p99, ms"),
    "per_s": ("每秒", "a second"),
    "cpu_us_per_query": ("每次查询 CPU 微秒", "CPU µs a query"),
}
"""Names inside the parts; latencies and counts of refusals are named by their ends."""


def field(name: str) -> tuple[str, str]:
    """What a figure inside a part is called; its own name when it has no other."""
    head, _, last = name.rpartition(".")
    if head.endswith("latency_ms"):
        zh, en = ("正常负载延迟", "normal latency") if head.startswith("normal") else ("延迟", "latency")
        point = last.replace("p999", "p99.9")
        return (f"最大{zh}毫秒" if last == "max" else f"{zh} {point} 毫秒"), f"{en} {point}, ms"
    if head.endswith("refused_by_code"):
        return f"拒绝 {last}", f"refused {last}"
    return FIELDS.get(name, (name, name))
