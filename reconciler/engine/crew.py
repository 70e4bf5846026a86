"""Tasks at work for a run; the first that breaks halts it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Crew:
    """Two groups of tasks: `mutations`, which are waited for, and `waits`, which may be broken off.

    `failure` is the first exception that came out of any of them.
    """

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.mutations: set[asyncio.Task[None]] = set()
        self.waits: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def fail(self, error: Exception) -> None:
        """Note a failure; the first one stays."""
        self.failure = self.failure or error

    def mutate(self, work: Coroutine[object, object, None]) -> None:
        """Start a task that may mutate."""
        self._start(work, self.mutations)

    def wait(self, work: Coroutine[object, object, None]) -> None:
        """Start a task that only waits for something."""
        self._start(work, self.waits)

    async def change(self) -> None:
        """Return once a task has ended since the last call."""
        await self._changed.wait()
        self._changed.clear()

    async def dismiss(self) -> None:
        """Cancel whatever is at work, and see it end."""
        tasks = [*self.mutations, *self.waits]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[object, object, None], group: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(self._guard(work))
        group.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, group))

    async def _guard(self, work: Coroutine[object, object, None]) -> None:
        # Noted here and not when the task has ended: others may run, and send, in between.
        try:
            await work
        except Exception as error:  # noqa: BLE001  whatever it is, it is raised again by whoever runs the crew
            self.fail(error)

    def _ended(self, task: asyncio.Task[None], group: set[asyncio.Task[None]]) -> None:
        group.discard(task)
        self._changed.set()
