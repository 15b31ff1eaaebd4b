"""The shape that the environment asks for, as Locust wants it."""

from __future__ import annotations

import settings
from locust import LoadTestShape

from shapes.levels import LEVELS

SPAWN_PER_S = 100


class Shape(LoadTestShape):
    """Ends the run when its time is over."""

    def tick(self) -> tuple[int, float] | None:
        elapsed_s = self.get_run_time()
        if elapsed_s >= settings.SECONDS:
            return None
        return LEVELS[settings.SHAPE](elapsed_s, settings.SECONDS, settings.PEAK_USERS), SPAWN_PER_S
