"""When a chain at rest is woken for what is due: at the time itself, after one look a tip, and with pauses when a clock is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hnnode.consensus.alarm import PAUSE_S_MAX, DueAlarm
from hnnode.ports import Tip

ROOT = bytes(32)


def tip(height: int, time_ms: int) -> Tip:
    return Tip(height, ROOT, time_ms, ROOT, ROOT, ROOT)


class Scene:
    def __init__(self, due_ms: int | None) -> None:
        self.due_ms = due_ms
        self.now_ms = 1_000
        self.seconds = 0.0
        self.looks = 0
        self.woken = 0
        self.alarm = DueAlarm(self.look, lambda: self.now_ms, self.wake, lambda: self.seconds + self.now_ms / 1000)

    async def look(self) -> int | None:
        self.looks += 1
        return self.due_ms

    def wake(self) -> None:
        self.woken += 1


def test_one_look_a_tip_and_a_ring_at_the_time() -> None:
    async def story() -> None:
        scene = Scene(1_030)
        at = tip(1, 900)
        assert not await scene.alarm.rings(at)
        assert not await scene.alarm.rings(at)
        assert scene.looks == 1
        await asyncio.sleep(0.06)
        assert scene.woken == 1  # two calls, one timer
        scene.now_ms = 1_030
        assert await scene.alarm.rings(at)
        scene.due_ms = None
        assert not await scene.alarm.rings(tip(2, 1_031))
        assert scene.looks == 2

    asyncio.run(story())


def test_far_times_and_none_keep_no_long_timer() -> None:
    async def story() -> None:
        for due_ms in (None, 2**64 - 1):
            scene = Scene(due_ms)
            assert not await scene.alarm.rings(tip(1, 900))
            assert not await scene.alarm.rings(tip(2, 901))
            scene.alarm.stop()
            await asyncio.sleep(0)
            assert scene.woken == 0

    asyncio.run(story())


def blocks_made(time_of: Callable[[int], int], due_ms: int, until_ms: int) -> list[int]:
    """Own times at which a node made blocks that did not reach what is due; `time_of`: the header's time at an own time."""

    async def story() -> list[int]:
        scene, made = Scene(due_ms), []
        at = tip(1, time_of(scene.now_ms))
        while scene.now_ms < until_ms:
            if await scene.alarm.rings(at):
                made.append(scene.now_ms)
                at = tip(at.height + 1, time_of(scene.now_ms))
                if at.time_ms >= due_ms:
                    scene.due_ms = None
            scene.now_ms += 50
        scene.alarm.stop()
        return made

    return asyncio.run(story())


def test_a_wrong_clock_costs_few_blocks() -> None:
    hour = 3_600_000
    made = blocks_made(lambda now: now - hour, 1_000, hour + 61_000)
    assert len(made) <= 10 + hour / 1000 / PAUSE_S_MAX
    assert made[1] - made[0] == 50  # another proposer may have the right time: the first pause is none
    assert made[-1] - (hour + 1_000) <= 60_000  # and what is due is done


def test_what_is_left_over_is_not_paused() -> None:
    """More items than a block takes have one time: that the tip has reached it is no miss."""

    async def story() -> None:
        scene = Scene(1_000)
        for height in range(1, 20):
            assert await scene.alarm.rings(tip(height, 1_000 + height))

    asyncio.run(story())


def test_a_clock_that_is_set_back_costs_nothing_that_is_due() -> None:
    """Regression: a node whose clock had been an hour ahead when it looked slept for that hour past what was due."""

    async def story() -> None:
        hour = 3_600_000
        scene = Scene(5_000)
        scene.now_ms += hour
        assert await scene.alarm.rings(tip(1, 900))  # the first try: its block does not reach what is due
        at = tip(2, 901)
        assert await scene.alarm.rings(at)
        scene.now_ms, scene.seconds = 5_000, scene.seconds + hour / 1000
        assert await scene.alarm.rings(at)
        scene.now_ms += hour
        at = tip(3, 902)
        assert not await scene.alarm.rings(at)  # the second in a row: a pause of a second
        scene.now_ms, scene.seconds = 5_000, scene.seconds + hour / 1000
        assert not await scene.alarm.rings(at)
        scene.seconds += 1.0
        assert await scene.alarm.rings(at)
        scene.alarm.stop()

    asyncio.run(story())
