"""Something asynchronous in a thread with its own uvloop, for blocking tests."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import uvloop

T = TypeVar("T")
PATIENCE_S = 20


class LoopThread(ABC):
    """A context manager; `serve` of a derived class runs in the thread, says `ready`, and ends after `stopping`."""

    def __init__(self, name: str) -> None:
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    @abstractmethod
    async def serve(self) -> None: ...

    def ready(self) -> None:
        self._ready.set()

    async def stopping(self) -> None:
        await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(PATIENCE_S)
        self._raise()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._raise()

    def call(self, do: Callable[[], T]) -> T:
        """Run `do` on the loop and give its result."""

        async def run() -> T:
            return do()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE_S)

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self.serve()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except BaseException as e:  # noqa: BLE001 - handed to the test's thread
            self._failure = e
        finally:
            self._ready.set()
