"""Ctrl-C, SIGTERM and a closed terminal: the first asks to stop after what is in flight, the second stops at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_on_signal(note: Callable[[str], None]) -> Iterator[asyncio.Event]:
    """Yield an event that the first SIGINT, SIGTERM or SIGHUP sets, which `note` is told; the second cancels the
    current task.

    Where the event loop cannot watch signals (Windows), Ctrl-C raises KeyboardInterrupt as usual.
    """
    stop = asyncio.Event()
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    watched: list[signal.Signals] = []

    def interrupted() -> None:
        if not stop.is_set():
            note("interrupted: what is in flight is finished first; once more stops at once")
        elif task is not None:
            task.cancel()
        stop.set()

    for which in filter(None, (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None))):
        try:
            loop.add_signal_handler(which, interrupted)
        except (NotImplementedError, RuntimeError, ValueError):
            break
        watched.append(which)
    try:
        yield stop
    finally:
        for which in watched:
            loop.remove_signal_handler(which)
