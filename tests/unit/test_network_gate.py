"""Gate: floods end before any signature, one host cannot keep the others out, and memory stays bounded."""

from __future__ import annotations

from hnnode.config import NetworkConfig
from hnnode.network import gate
from hnnode.network.gate import Gate

CONFIG = NetworkConfig(handshakes_pending_max=8, connections_per_host_max=6)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_one_host_holds_half_of_the_pending_places_at_most() -> None:
    door = Gate(CONFIG, Clock())
    assert [door.enter("a") for _ in range(5)] == [True] * 4 + [False]
    assert [door.enter("b") for _ in range(5)] == [True] * 4 + [False]
    assert not door.enter("c"), "all places are taken"
    door.settle("a")
    assert door.enter("c")
    assert door.pending == 8


def test_a_host_has_a_limit_of_open_connections() -> None:
    clock = Clock()
    door = Gate(CONFIG, clock)
    for _ in range(6):
        assert door.enter("a")
        door.settle("a")
    clock.now += 10
    assert not door.enter("a")
    door.leave("a")
    assert door.enter("a")


def test_fast_reconnects_are_slowed_down() -> None:
    clock = Clock()
    door = Gate(CONFIG, clock)
    taken = 0
    for _ in range(100):
        if door.enter("a"):
            taken += 1
            door.settle("a")
            door.leave("a")
    assert taken == 6
    clock.now += 0.5
    assert [door.enter("a") for _ in range(5)] == [True] * 3 + [False] * 2


def test_all_hosts_together_have_a_rate() -> None:
    door = Gate(NetworkConfig(handshakes_pending_max=10, connections_per_host_max=1000), Clock())
    taken = 0
    for i in range(200):
        if door.enter(f"host {i}"):
            taken += 1
            door.settle(f"host {i}")
            door.leave(f"host {i}")
    assert taken == 40


def test_hosts_that_left_are_forgotten() -> None:
    clock = Clock()
    door = Gate(NetworkConfig(), clock)
    held = [f"held {i}" for i in range(3)]
    for host in held:
        assert door.enter(host)
        door.settle(host)
    for i in range(3 * gate.HOSTS_MAX):
        clock.now += 1
        host = f"host {i}"
        assert door.enter(host)
        door.settle(host)
        door.leave(host)
    assert len(door._hosts) <= gate.HOSTS_MAX
    for host in held:
        door.leave(host)
