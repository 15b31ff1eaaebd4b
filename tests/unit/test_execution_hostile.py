"""Hostile plugins: every evil ends by a count with one result, in this process and in the plugin's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hnnode_native import tagged_hash

from hnnode.config import ExecutionConfig
from hnnode.errors import CODES, Rejected
from hnnode.execution import Host
from hnnode.execution.loading import forget
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.limits import BLOCK_RESULT_BYTES_MAX
from hnnode.plugin_api.testing import LocalChain

ROOT = Path(__file__).parents[1] / "kit" / "hostile"
PACKAGE = ROOT / "hn_hostile"


def source(isolated: bool) -> PluginSource:
    digest = code_hash(PACKAGE, tagged_hash)
    return PluginSource("hostile", "1.0", "hn_hostile:plugin", ROOT, PACKAGE, digest, True, isolated)


def outcomes() -> dict[str, str]:
    Host([source(False)], [], tagged_hash)
    import sys

    return dict(sys.modules["hn_hostile"].OUTCOMES)


OUTCOMES = outcomes()
forget("hn_hostile")


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Host]]:
    made = {
        "inside": Host([source(False)], [], tagged_hash),
        "apart": Host([source(True)], [], tagged_hash, ExecutionConfig()),
        "apart too": Host([source(True)], [], tagged_hash, ExecutionConfig()),
    }
    yield made
    for host in made.values():
        host.close()
    forget("hn_hostile")


def chain(host: Host) -> tuple[LocalChain, bytes]:
    made = LocalChain(host, "hostile")
    return made, made.account("someone")


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("action", sorted(OUTCOMES))
def test_each_evil_ends_the_same_everywhere(hosts: dict[str, Host], action: str) -> None:
    results = []
    for host in hosts.values():
        local, account = chain(host)
        started = time.monotonic()
        results.append(local.submit(account, action, {}))
        assert time.monotonic() - started < 20
        assert host.troubles() == []
    assert all(result == results[0] for result in results)
    want = 0 if OUTCOMES[action] == "OK" else CODES[OUTCOMES[action]]
    assert (results[0].code, results[0].rule) == (want, "")
    if want:
        assert (results[0].steps, results[0].writes, results[0].events) == (0, (), ())


def test_evils_among_good_ones_in_one_block(hosts: dict[str, Host]) -> None:
    results = []
    for host in hosts.values():
        local, account = chain(host)
        block: list[tuple[bytes, str, Any]] = []
        for action in sorted(OUTCOMES):
            if not action.startswith("allocate"):
                block += [(account, action, {}), (account, "good", {})]
        results.append((local.block(block), local.query("count"), local.state.dump()))
    assert all(result == results[0] for result in results)
    good = [outcome for outcome, (_, action, _) in zip(results[0][0], block, strict=True) if action == "good"]
    assert all(outcome.ok for outcome in good)
    assert results[0][1]["count"] == len(good)


def test_memory_of_the_process_stays_bounded(hosts: dict[str, Host]) -> None:
    local, account = chain(hosts["apart"])
    child: Any = hosts["apart"].applications["hostile"]
    before = child._for_blocks.pid
    local.block([(account, action, {}) for action in sorted(OUTCOMES) if action.startswith(("allocate", "big"))])
    assert child._for_blocks.pid == before
    assert resident_bytes(before) < 400 * 1024 * 1024


def test_results_of_a_block_are_bounded(hosts: dict[str, Host]) -> None:
    """What is written in one block: those behind the bound are refused, on every node alike."""
    each = 64 * 65_536
    count = BLOCK_RESULT_BYTES_MAX // each + 3
    codes = []
    for host in (hosts["inside"], hosts["apart"]):
        local, account = chain(host)
        codes.append([outcome.code for outcome in local.block([(account, "reply_largest", {})] * count)])
    assert codes[0] == codes[1]
    assert set(codes[0]) == {0, CODES["WRITE_LIMIT_EXCEEDED"]}
    assert codes[0] == sorted(codes[0])


def test_ticks_of_a_block_are_shared(hosts: dict[str, Host]) -> None:
    """A block of endless loops ends in bounded time; those behind the block's bound fail at once."""
    local, account = chain(hosts["apart"])
    started = time.monotonic()
    found = local.block([(account, "endless", {})] * 400)
    assert {outcome.code for outcome in found} == {CODES["STEPS_EXCEEDED"]}
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("kind", ["inside", "apart"])
def test_an_endless_query_is_refused_and_harms_nothing(hosts: dict[str, Host], kind: str) -> None:
    local, account = chain(hosts[kind])
    with pytest.raises(Rejected) as refused:
        local.query("endless")
    assert refused.value.info.name == "QUERY_TOO_BROAD"
    assert local.submit(account, "good", {}).ok
    assert local.query("count")["count"] == 1


def test_a_batch_handler_is_counted_as_its_single_handler_is(hosts: dict[str, Host]) -> None:
    results = []
    for host in hosts.values():
        for action in ("alone", "batched"):
            local, account = chain(host)
            found = local.block([(account, action, {"n": n}) for n in range(40)])
            results.append([(outcome.code, outcome.writes, outcome.events) for outcome in found])
    for n, (code, _, _) in enumerate(results[0]):
        want = 4 if n % 5 == 4 else 6 if n % 7 == 6 or n % 3 == 2 else 0
        assert code == {0: 0, 4: CODES["HANDLER_FAILED"], 6: CODES["STEPS_EXCEEDED"]}[want], n
    assert all(result == results[0] for result in results)
