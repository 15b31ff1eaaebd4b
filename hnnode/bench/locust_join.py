"""Joins what a Locust load says it sent with what the chain committed: one report in the form of `bench chain`.

Locust sees answers; only blocks show what became of a transaction. Latency counts from the moment a request was sent (a
Locust user waits for its answer, so there is no earlier intention) to the moment the block was seen.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hnnode.bench.load import code_names
from hnnode.bench.presigned import read_presigned
from hnnode.bench.tally import Commit, Tally, histogram_ms, percentiles_ms
from hnnode.bench.watch import SeenBlock, read_blocks
from hnnode.bench.workload import Bundle
from hnnode.errors import ConfigError

ACCEPTED = (200, 202)
SILENT = 0
KNEE_P99_MS = 2_000.0


@dataclass(frozen=True, slots=True)
class SentRequest:
    """Places of its transactions in a presigned file, and the HTTP status (SILENT: no answer)."""

    file: int
    indices: tuple[int, ...]
    sent_s: float
    status: int


def read_sent(folder: Path) -> list[SentRequest]:
    """All records of a run in the order of sending. Raises ConfigError for a line of another form."""
    found = []
    for path in sorted(folder.glob("sent-*.csv")):
        for number, line in enumerate(path.read_text("ascii").splitlines(), 1):
            try:
                file, indices, sent_s, status = line.split(",")
                found.append(SentRequest(int(file), tuple(map(int, indices.split())), float(sent_s), int(status)))
            except ValueError as e:
                raise ConfigError("CONFIG_INVALID", f"{path}:{number}: {e}") from e
    return sorted(found, key=lambda request: request.sent_s)


def tally_of(requests: Iterable[SentRequest], presigned: Sequence[Path], blocks: Iterable[SeenBlock]) -> Tally:
    """Everything that was sent and committed, counted as in `bench chain`."""
    ids = [[signed.tx_id for signed in read_presigned(path)[1]] for path in presigned]
    tally = Tally()
    for number, request in enumerate(requests):
        bundle = Bundle(b"", tuple(ids[request.file][i] for i in request.indices), number, -1, number)
        tally.expect([bundle])
        tally.on_offer(bundle, request.sent_s)
        if request.status in ACCEPTED:
            tally.on_answer(bundle, None)
        elif request.status == SILENT:
            tally.on_silence(bundle)
        else:
            tally.on_refusal(bundle, request.status)  # shown as it is: no error code has three digits
    for block in blocks:
        tally.on_block(block.tx_ids, block.codes, block.seen_s)
    return tally


def chain_view(tally: Tally, start_s: float, seconds: int) -> dict[str, Any]:
    """The part of a result that comes from blocks."""
    per_second = tally.per_second(start_s, seconds)
    committed_tps = sum(per_second) / seconds
    ok = (tally.committed_count - tally.failed.total()) / max(1, tally.committed_count)
    latency = [percentiles_ms(_weighted(second)) for second in tally.by_second(start_s, seconds)]
    filled = [count for count in tally.block_tx_counts if count]
    return {
        "offered_tps": round(tally.offered / seconds, 1),
        "accepted_tps": round(tally.accepted_count / seconds, 1),
        "committed_tps": round(committed_tps, 1),
        "succeeded_tps": round(committed_tps * ok, 1),
        "refused": tally.refused.total(),
        "refused_by_code": code_names(tally.refused),
        "failed_by_code": code_names(tally.failed),
        "unanswered": tally.unanswered,
        "lost": len(tally.outstanding()),
        "latency_ms": percentiles_ms(tally.latencies()),
        "latency_histogram_ms": histogram_ms(tally.latencies()),
        "blocks": len(tally.block_tx_counts),
        "txs_per_block": round(sum(filled) / max(1, len(filled)), 1),
        "committed_per_second": per_second,
        "series": {
            "committed": per_second,
            "p50_ms": [point["p50"] for point in latency],
            "p99_ms": [point["p99"] for point in latency],
        },
    }


def _weighted(commits: Iterable[Commit]) -> list[tuple[float, int]]:
    return [(commit.latency_s, commit.count) for commit in commits]


def users_by_second(history: Path) -> dict[int, int]:
    """Users at each second since the epoch, from Locust's `*_stats_history.csv`."""
    found: dict[int, int] = {}
    with history.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row.get("Name") == "Aggregated":
                found[int(row["Timestamp"])] = int(row["User Count"])
    return found


def steps(
    tally: Tally, requests: Sequence[SentRequest], users: dict[int, int], start_s: float
) -> Iterator[dict[str, Any]]:
    """Offered and committed rate and latency at each number of users, in the order in which it was first reached; the
    knee is the last with a p99 up to KNEE_P99_MS.
    """
    seconds: dict[int, list[int]] = defaultdict(list)
    for second, count in sorted(users.items()):
        if count and second >= math.floor(start_s):
            seconds[count].append(second)
    sent: dict[int, int] = defaultdict(int)
    for request in requests:
        sent[math.floor(request.sent_s)] += len(request.indices)
    commits: dict[int, list[Commit]] = defaultdict(list)
    for commit in tally.commits:
        # A transaction belongs to the step in which it was sent.
        commits[math.floor(commit.seen_s - commit.latency_s)].append(commit)
    for count, own in seconds.items():
        latency = percentiles_ms([pair for second in own for pair in _weighted(commits[second])])
        yield {
            "users": count,
            "seconds": len(own),
            "offered_tps": round(sum(sent[second] for second in own) / len(own), 1),
            "committed_tps": round(sum(c.count for second in own for c in commits[second]) / len(own), 1),
            "p50_ms": latency["p50"],
            "p99_ms": latency["p99"],
        }


def knee(found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The highest committed rate with a p99 up to KNEE_P99_MS; None when no step had one."""
    good = [step for step in found if step["p99_ms"] is not None and step["p99_ms"] <= KNEE_P99_MS]
    return max(good, key=lambda step: float(step["committed_tps"]), default=None)


def locust_view(stats: Path) -> list[dict[str, Any]]:
    """Requests as Locust saw them, from its `*_stats.csv`."""
    with stats.open(newline="", encoding="utf-8") as file:
        return [
            {
                "request": f"{row['Type']} {row['Name']}".strip(),
                "count": int(row["Request Count"]),
                "failures": int(row["Failure Count"]),
                "per_s": round(float(row["Requests/s"]), 1),
                "answer_p50_ms": _number(row.get("50%")),
                "answer_p99_ms": _number(row.get("99%")),
            }
            for row in csv.DictReader(file)
        ]


FAILURES_MAX = 20
ERROR_CHARS_MAX = 200


def failures(path: Path) -> list[dict[str, Any]]:
    """The most frequent failures, from Locust's `*_failures.csv`."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            {
                "request": f"{row['Method']} {row['Name']}".strip(),
                "error": row["Error"][:ERROR_CHARS_MAX],
                "count": int(row["Occurrences"]),
            }
            for row in csv.DictReader(file)
        ]
    return sorted(rows, key=lambda row: -int(str(row["count"])))[:FAILURES_MAX]


def _number(text: str | None) -> float | None:
    return float(text) if text and text != "N/A" else None


def joined(sent: Path, presigned: Sequence[Path], blocks: Path, stats: Path | None) -> dict[str, Any]:
    """The whole view of one run. `stats`: what `locust --csv` was given; without it there are no steps.

    Raises ConfigError for an empty record or one of another form.
    """
    requests = read_sent(sent)
    if not requests:
        raise ConfigError("CONFIG_INVALID", f"{sent}: got no record of anything sent")
    tally = tally_of(requests, presigned, read_blocks(blocks))
    start_s = requests[0].sent_s
    seconds = max(1, round(requests[-1].sent_s - start_s + 1))
    result = {
        "result_version": 2,
        "scenario": "locust",
        "app": ", ".join(str(read_presigned(path)[0].get("application", "")) for path in presigned),
        "seconds": seconds,
        **chain_view(tally, start_s, seconds),
        "committed": tally.committed_count,
    }
    if stats is not None:
        found = list(steps(tally, requests, users_by_second(Path(f"{stats}_stats_history.csv")), start_s))
        result |= {"steps": found, "knee": knee(found), "requests": locust_view(Path(f"{stats}_stats.csv"))}
        result["failures"] = failures(Path(f"{stats}_failures.csv"))
    return result
