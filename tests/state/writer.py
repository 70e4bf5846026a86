"""A process that writes to a log until it is stopped: `python writer.py PATH MODE NAME [COUNT [SECONDS [AHEAD]]]`.

Prints one line for each operation once its record is acknowledged.  Modes: `append` records without a
lease; `hold` takes the lease, which lasts SECONDS, and records under it, saying `held` first and `locked` when it is
gone.  Its clock is AHEAD seconds ahead of the machine's.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from reconciler.model.entry import ExportIntended, Intended
from reconciler.model.errors import Locked
from reconciler.model.plan import Action
from reconciler.model.values import Address
from reconciler.state.backends import open_backend
from reconciler.state.holder import this_holder
from reconciler.state.lease import Lease
from reconciler.state.log import Log


class RealClock:
    def __init__(self, ahead: float) -> None:
        self.ahead = timedelta(seconds=ahead)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    wall = now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the parent reads it


async def append(log: Log, clock: RealClock, name: str, count: int, seconds: float) -> None:
    async def one(number: int) -> None:
        operation = f"{name}-{number}"
        address = Address("pipefy", "export", operation)
        entry = ExportIntended(name, operation, "2026-11-23T06:00:00Z", address, None, "c", {"n": number}, "q")
        await log.record([entry])
        say(operation)

    for wave in range(0, count, 4):
        await asyncio.gather(*(one(number) for number in range(wave, min(wave + 4, count))))


async def hold(log: Log, clock: RealClock, name: str, count: int, seconds: float) -> None:
    async with Lease(log, run=name, holder=this_holder("apply"), clock=clock, seconds=seconds):
        say("held")
        for number in range(count):
            operation = f"{name}-{number}"
            address = Address("blue", "report", operation)
            await log.record([Intended(name, operation, "t", address, Action.CREATE, None, {}, "q")])
            say(operation)
            await asyncio.sleep(0.002)


def main() -> None:
    given = sys.argv[1:]
    path, mode, name, count, seconds, ahead = (*given, *("1000000", "60", "0")[len(given) - 3 :])
    clock = RealClock(float(ahead))
    backend = open_backend(f"sqlite:{path}", "acme/default")
    try:
        act = {"append": append, "hold": hold}[mode]
        asyncio.run(act(Log(backend, clock), clock, name, int(count), float(seconds)))
    except Locked as error:
        say(f"locked {error.message}")
    finally:
        backend.close()


if __name__ == "__main__":
    main()
