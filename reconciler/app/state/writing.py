"""How every operator's command writes: with the lease, on the state as it is then."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeAlias

from reconciler.app.clock import instant
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Entry
from reconciler.model.recorded import Recorded

Judge: TypeAlias = Callable[[Recorded, str, str], Sequence[Entry]]
"""From the state, the name of this run and the instant, what to record; raises to record nothing."""


async def write(wiring: Wiring, command: str, judge: Judge, *, note: Callable[[str], None]) -> Recorded:
    """Take the lease, record what `judge` says of the state, and return the state then.

    `judge` is asked before the lease is taken as well, so that a refusal needs no lease; without entries nothing
    is written.
    """
    from reconciler.state.log import Log

    with closing(wiring.backend(wiring.project())) as backend:
        log = Log(backend, wiring.clock, note=note)
        await log.refresh()
        run = secrets.token_hex(8)
        if judge(log.recorded, run, instant(wiring.clock.wall())):
            async with wiring.lease(log, run=run, command=command, note=note):
                await log.record(judge(log.recorded, run, instant(wiring.clock.wall())))
        return log.recorded
