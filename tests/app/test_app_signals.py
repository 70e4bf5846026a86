"""The first signal asks to stop, the second stops at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import suppress

import pytest

from reconciler.app.interrupt import stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_cancels(number: signal.Signals) -> None:
    told: list[str] = []

    async def work() -> None:
        with stop_on_signal(told.append) as stop:
            signal.raise_signal(number)
            await asyncio.wait_for(stop.wait(), 5)
            told.append("asked")
            signal.raise_signal(number)
            await asyncio.sleep(5)
            told.append("too late")

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    assert told == ["interrupted: what is in flight is finished first; once more stops at once", "asked"]


def test_where_signals_cannot_be_watched_nothing_changes() -> None:
    seen: list[bool] = []

    async def work() -> None:
        with stop_on_signal(print) as stop:
            seen.append(stop.is_set())

    def elsewhere() -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(work())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(5)
    assert seen == [False]
