"""How much may wait, and when blocks start: the two rules that keep latency bounded, against a clock of their own."""

from __future__ import annotations

from random import Random

from hnnode.config import ConsensusConfig, MempoolConfig
from hnnode.consensus.pace import Pace
from hnnode.mempool.door import BYTES_FLOOR, RETRY_MS_MAX, RETRY_MS_MIN, SHARE, Door, Shares


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def chain(door: Door, clock: Clock, seconds: float, rate: int, waiting: int = 1, interval_s: float = 0.1) -> None:
    """Blocks that take `rate` bytes a second of this node and leave `waiting`."""
    for _ in range(round(seconds / interval_s)):
        clock.now += interval_s
        door.committed(int(rate * interval_s), waiting)


def crowd(door: Door, clock: Clock, seconds: float, rate: int, interval_s: float = 0.1) -> None:
    """The same while more comes than the door takes."""
    for _ in range(round(seconds / interval_s)):
        assert door.is_full(door.bytes_max, "crowd")
        clock.now += interval_s
        door.committed(int(rate * interval_s), door.bytes_max)


def test_the_door_follows_what_the_chain_takes() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1_000, door_delay_ms=2_000, pool_bytes_max=100_000), clock)
    assert door.bytes_max == 1_000
    chain(door, clock, 4.0, 20_000)
    assert 36_000 <= door.bytes_max <= 44_000
    clock.now += 3.0
    door.committed(0, 1)  # a pause does not close it
    assert door.bytes_max > 30_000
    chain(door, clock, 20.0, 100)
    assert door.bytes_max == 1_000
    chain(door, clock, 2.0, 10_000_000)
    assert door.bytes_max == 100_000


def test_a_refusing_door_goes_below_its_least_width_and_opens_again_when_nobody_is_refused() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=8 * BYTES_FLOOR, door_delay_ms=500, pool_bytes_max=2**30), clock)
    crowd(door, clock, 1.0, 4 * BYTES_FLOOR)
    crowd(door, clock, 10.0, 4 * BYTES_FLOOR)
    assert 1.9 * BYTES_FLOOR <= door.bytes_max <= 2.1 * BYTES_FLOOR  # half a second of it
    crowd(door, clock, 10.0, BYTES_FLOOR // 100)
    assert door.bytes_max == BYTES_FLOOR
    chain(door, clock, 1.0, 1)
    assert door.bytes_max == 8 * BYTES_FLOOR


def test_a_refusing_door_measures_the_rate_and_not_its_peaks() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1_000, door_delay_ms=1_000, pool_bytes_max=2**30), clock)
    widths = []
    for turn in range(60):
        crowd(door, clock, 0.5, 2_000_000 if turn % 2 else 1_000_000, 0.25)
        widths.append(door.bytes_max)
    assert all(1_300_000 <= width <= 1_700_000 for width in widths[20:])
    clock.now += 2.0
    assert door.is_full(door.bytes_max, "crowd")
    door.committed(0, 1)  # a pause takes half of it at most
    assert door.bytes_max >= 650_000


def test_time_in_which_nobody_sent_is_not_the_rate_of_the_chain() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1_000, door_delay_ms=1_000, pool_bytes_max=2**30), clock)
    clock.now += 3_600.0
    for start in (True, False):
        door.took(1, "crowd")
        crowd(door, clock, 0.6, 1_000_000)
        assert door.bytes_max > 900_000, start
        clock.now += 0.1
        door.committed(0, 0)
        clock.now += 60.0


def test_a_load_that_begins_slowly_finds_the_door_open_and_then_it_closes_by_halves() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=8 * BYTES_FLOOR, door_delay_ms=500, pool_bytes_max=2**30), clock)
    widths = []
    for _ in range(12):
        crowd(door, clock, 0.6, 100)
        widths.append(door.bytes_max // BYTES_FLOOR)
    assert widths == [8, 8, 8, 8, 8, 8, 8, 8, 4, 2, 1, 1]


def test_who_is_refused_learns_when_there_should_be_room() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1_000, door_delay_ms=1_000, pool_bytes_max=2**30), clock)
    assert door.retry_after_ms(10**9) == RETRY_MS_MAX
    assert 240 <= door.retry_after_ms(door.bytes_max) <= 260  # nothing is known: the least is taken in the delay
    crowd(door, clock, 20.0, 4_000_000)
    assert 240 <= door.retry_after_ms(door.bytes_max) <= 260
    assert 490 <= door.retry_after_ms(int(1.25 * door.bytes_max)) <= 510
    assert door.retry_after_ms(0) == RETRY_MS_MIN
    assert door.retry_after_ms(10**9) == RETRY_MS_MAX


def test_time_in_which_nobody_wanted_a_block_is_not_the_pace_of_the_chain() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1, door_delay_ms=100, pool_bytes_max=2**30), clock)
    chain(door, clock, 60.0, 1_000_000, waiting=0, interval_s=1.0)
    assert 99_000 <= door.bytes_max <= 101_000
    chain(door, clock, 60.0, 1_000_000, waiting=1, interval_s=1.0)
    assert 2_900_000 <= door.bytes_max <= 3_000_000


def pace(ready: list[int], clock: Clock, tx_bytes: int = 0) -> Pace:
    config = ConsensusConfig(block_interval_ms=40, block_interval_busy_ms=250, block_tx_count_wanted=6_000)
    return Pace(config, 1_000_000, lambda: (ready[0], tx_bytes * ready[0]), clock)


def block(p: Pace, clock: Clock, took_s: float) -> None:
    p.started()
    p.proposed()
    clock.now += took_s
    p.executed(100)


def test_an_idle_chain_starts_at_once_and_a_fast_block_keeps_the_short_interval() -> None:
    clock, ready = Clock(), [1]
    p = pace(ready, clock)
    assert p.delay_s(behind=False) == 0.0
    block(p, clock, 0.01)
    assert abs(p.delay_s(behind=False) - 0.03) < 1e-9


def test_a_slow_block_lets_the_next_one_gather_up_to_the_cap() -> None:
    clock, ready = Clock(), [100]
    p = pace(ready, clock)
    block(p, clock, 0.06)
    assert abs(p.delay_s(behind=False) - 0.12) < 1e-9
    block(p, clock, 0.2)
    assert abs(p.delay_s(behind=False) - 0.05) < 1e-9
    block(p, clock, 5.0)
    assert p.delay_s(behind=False) == 0.0


def test_full_blocks_certifying_blocks_and_peers_ahead_wait_for_nothing() -> None:
    clock, ready = Clock(), [6_000]
    p = pace(ready, clock)
    block(p, clock, 0.1)
    assert p.delay_s(behind=False) == 0.0
    ready[0] = 0
    assert p.delay_s(behind=False) == 0.0
    ready[0] = 10
    assert p.delay_s(behind=False) > 0.0
    assert p.delay_s(behind=True) == 0.0


def test_a_block_that_is_full_of_bytes_waits_for_nothing() -> None:
    clock, ready = Clock(), [399]
    p = pace(ready, clock, tx_bytes=1_000)
    block(p, clock, 0.1)
    assert p.delay_s(behind=False) > 0.0
    ready[0] = 400
    assert p.delay_s(behind=False) == 0.0


def test_time_in_which_others_gather_is_not_the_cost_of_a_block() -> None:
    clock, ready = Clock(), [100]
    p = pace(ready, clock)
    p.started()
    clock.now += 0.25  # the proposer gathers
    p.proposed()
    clock.now += 0.02
    p.proposed()
    clock.now += 0.02
    p.executed(100)
    assert abs(p.delay_s(behind=False) - 0.08) < 1e-9


def test_a_proposal_holds_what_is_executed_in_a_moment_and_always_a_batch() -> None:
    clock, ready = Clock(), [100]
    p = pace(ready, clock)
    block(p, clock, 0.1)
    assert p.tx_count_max() is None
    for _ in range(12):
        p.started()
        p.proposed()
        clock.now += 0.5
        p.executed(10_000)
    limit = p.tx_count_max()
    assert limit is not None
    assert abs(limit - 8_000) < 10
    for _ in range(12):
        p.started()
        p.proposed()
        clock.now += 2.0
        p.executed(4_000)
    assert p.tx_count_max() == 4_096


def test_slow_blocks_open_the_door_for_three_of_them() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1_000, door_delay_ms=1_500, pool_bytes_max=1_000_000), clock)
    for _ in range(40):
        clock.now += 0.9
        door.committed(9_000, 1)
    assert 26_000 <= door.bytes_max <= 28_000


def test_the_last_quarter_is_for_those_who_had_less_than_their_share() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1_000, door_delay_ms=1_500, pool_bytes_max=100_000), clock)
    assert not door.is_full(999, "alone")
    door.took(5_000, "alone")
    assert not door.is_full(999, "alone")  # nobody else is there
    door.took(100, "modest")
    assert door.is_full(750, "alone")
    assert not door.is_full(749, "alone")
    assert not door.is_full(999, "modest")
    assert not door.is_full(999, "new")
    assert door.is_full(1_000, "modest")
    for _ in range(40):
        clock.now += 1.0
        door.committed(10, 1)
    assert not door.is_full(999, "alone")  # long ago


def test_the_memory_of_sources_is_bounded() -> None:
    door = Door(MempoolConfig(), Clock())
    for i in range(5_000):
        door.took(100, str(i))
        door.took(100, f"host {i}")
    assert len(door._shares) == 1_024
    door.took(100, "5000 1")  # a host that is not told apart is not over anything
    assert not door._shares.is_over("5000 1")


def test_connections_of_one_host_share_its_room() -> None:
    clock = Clock()
    door = Door(MempoolConfig(door_bytes_min=1_000, door_delay_ms=1_500, pool_bytes_max=100_000), clock)
    for port, size in ((1, 9_000), (2, 400), (3, 500)):
        door.took(size, f"10.0.0.1 {port}")
    assert door.is_full(750, "10.0.0.1 1")
    assert not door.is_full(749, "10.0.0.1 1")
    assert not door.is_full(999, "10.0.0.1 2")
    assert not door.is_full(999, "10.0.0.1 4")  # it just came
    door.took(100, "10.0.0.2 9")
    assert door.is_full(750, "10.0.0.1 2")  # with many connections a host has no more than its share
    assert not door.is_full(999, "10.0.0.2 9")
    for _ in range(40):
        clock.now += 1.0
        door.committed(10, 1)
    assert not door.is_full(999, "10.0.0.1 1")  # long ago


def test_the_shares_of_connections_agree_with_a_naive_count() -> None:
    random, shares = Random(7), Shares()
    had: dict[str, int] = {}
    for step in range(4_000):
        source = f"h{random.randrange(5)} {random.randrange(6)}"
        size = random.randrange(1, 2_000)
        shares.add(size, source)
        had[source] = had.get(source, 0) + size
        if step % 97 == 0:
            shares.halve()
            had = {name: size // 2 for name, size in had.items() if size // 2}
            hosts_now = {name.split()[0]: shares._hosts[name.split()[0]] for name in had}
        else:
            continue
        for name in had:
            host = name.split()[0]
            peers = [other for other in had if other.split()[0] == host]
            total = sum(hosts_now.values())
            over_host = len(hosts_now) > 1 and hosts_now[host] * len(hosts_now) > SHARE * total
            over_link = len(peers) > 1 and had[name] * len(peers) > SHARE * hosts_now[host]
            assert shares.is_over(name) == (over_host or over_link), (step, name)
