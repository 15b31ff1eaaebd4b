"""What a node looks at by itself, also when no block comes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hnnode.errors import FatalError
from hnnode.metrics import Metrics
from hnnode.node.health import Health


def test_what_storage_could_not_do_in_the_background_stops_a_node_at_rest(tmp_path: Path) -> None:
    async def run() -> BaseException:
        told: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        def check_storage() -> None:
            raise FatalError("STORAGE_FAILED", "a merge that failed")

        pipeline: Any = SimpleNamespace(check_storage=check_storage, last_commit_at=0.0)
        nothing: Any = None
        health = Health(
            root=tmp_path,
            metrics=Metrics(),
            pool=nothing,
            network=nothing,
            pipeline=pipeline,
            consensus=nothing,
            memory=nothing,
            on_fatal=told.set_result,
        )
        health.start()
        try:
            return await asyncio.wait_for(told, 10)
        finally:
            await health.stop()

    assert "a merge that failed" in str(asyncio.run(run()))
