"""The program with a short lease, a clock of its own, and a place where it stops itself (SIGSTOP).

`python driving.py CHOICES ARGUMENT...`, where CHOICES is a JSON object of `lease` (seconds), `ahead` (seconds by which
the clock is ahead), `jump` (by how many the clock is set at `at`) and `stop` or `at`, a moment in the life of the first
mutation:

- `intended`: its intention is durable, and nobody knows yet;
- `turn`: the transport has it, and has not begun;
- `unconnected`: its turn has come, and there is no connection yet;
- `headers`: its headers have left, its body has not.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from httpcore._async import http11

from reconciler.app import wiring
from reconciler.app.clock import SystemClock
from reconciler.cli.program import run
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.transport.client import Reader
from reconciler.transport.exchange import Lines

SHIFT = {"seconds": 0.0}


@dataclass(frozen=True, slots=True)
class ShiftedClock(SystemClock):
    """The machine's clock as somebody has set it."""

    def wall(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=SHIFT["seconds"])


def once(act: Callable[[], None]) -> Callable[[], None]:
    left = [act]

    def perform() -> None:
        if left:
            left.pop()()

    return perform


def at_intended(act: Callable[[], None]) -> None:
    append = SqliteBackend.append

    def appended(self: SqliteBackend, position: int, batch: bytes) -> None:
        append(self, position, batch)
        if b'"type":"intended"' in batch:
            act()

    SqliteBackend.append = appended  # type: ignore[method-assign]


def at_turn(act: Callable[[], None]) -> None:
    attempt = Reader._try

    async def tried(self: Reader, body: bytes, *more: Any) -> Any:
        if b'"query":"mutation' in body:
            act()
        return await attempt(self, body, *more)

    Reader._try = tried  # type: ignore[method-assign]


def at_unconnected(act: Callable[[], None]) -> None:
    ask = Lines._ask

    async def asked(self: Lines, transport: Any, request: Any) -> Any:
        if b'"query":"mutation' in request.content:
            act()
        return await ask(self, transport, request)

    Lines._ask = asked  # type: ignore[method-assign]


def at_headers(act: Callable[[], None]) -> None:
    send = http11.AsyncHTTP11Connection._send_request_headers

    async def sent(self: Any, request: Any) -> None:
        await send(self, request)
        if b'"query":"mutation' in request.stream._stream:
            act()

    http11.AsyncHTTP11Connection._send_request_headers = sent  # type: ignore[method-assign]


MOMENTS = {"intended": at_intended, "turn": at_turn, "unconnected": at_unconnected, "headers": at_headers}


def main() -> int:
    choices = json.loads(sys.argv[1])
    SHIFT["seconds"] = choices.get("ahead", 0.0)

    class Driven(wiring.Wiring):
        lease_seconds = choices.get("lease", 60.0)
        clock = ShiftedClock()

    def jump() -> None:
        SHIFT["seconds"] += choices["jump"]

    wiring.Wiring = Driven  # type: ignore[misc]
    if "stop" in choices:
        MOMENTS[choices["stop"]](once(lambda: os.kill(os.getpid(), signal.SIGSTOP)))
    if "at" in choices:
        MOMENTS[choices["at"]](once(jump))
    return run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
