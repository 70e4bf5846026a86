"""Doubts resolved on command: by looking again, or by a person's word."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

from reconciler.app import plan as planner
from reconciler.app.state import parse_address
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Settled
from reconciler.model.errors import Usage
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address

if TYPE_CHECKING:
    from reconciler.engine.options import Options

ABSENT = "absent"
APPLIED = "applied"


async def look(wiring: Wiring, options: Options, *, timeout: float, note: Callable[[str], None]) -> None:
    """Look up everything in doubt and record what is found."""
    from reconciler.app.interrupt import stop_on_signal
    from reconciler.engine.settle import settle
    from reconciler.state.holder import this_holder
    from reconciler.state.lease import take_lease
    from reconciler.state.log import Log

    desired = wiring.desired()
    async with AsyncExitStack() as stack:
        log = Log(stack.enter_context(closing(wiring.backend(desired.project))), wiring.clock)
        await log.refresh()
        doubtful = {doubt.address.provider for doubt in log.recorded.in_doubt.values()}
        if not doubtful:
            note("nothing is in doubt that could be looked up")
            return
        targets = planner.targets_of(wiring, desired, log.recorded)
        planner.check_places(log.recorded, targets)
        providers = await wiring.connect(
            stack, {name: targets[name] for name in doubtful}, timeout=timeout, concurrency=1, desired=desired
        )
        run = secrets.token_hex(8)
        lease = take_lease(log, run=run, holder=this_holder("state settle"), clock=wiring.clock)
        stop = stack.enter_context(stop_on_signal())
        async with lease:
            await settle(
                run=run,
                providers=providers,
                journal=log,
                clock=wiring.clock,
                options=options,
                stop=stop,
                note=note,
            )
    if stop.is_set():
        raise KeyboardInterrupt


async def decide(wiring: Wiring, text: str, verdict: str) -> None:
    """Record a person's word on what happened: `absent`, `applied`, or the id of what it made.

    Raises Usage when nothing of that address is in doubt, or the word does not fit it.
    """
    from reconciler.state.holder import this_holder
    from reconciler.state.lease import take_lease
    from reconciler.state.log import Log

    address = parse_address(text)
    with closing(wiring.backend(wiring.project())) as backend:
        log = Log(backend, wiring.clock)
        await log.refresh()
        operation, makes = _doubt(log.recorded, address)
        if verdict == APPLIED and makes:
            raise Usage(f"{address} was made with an id of its own", "say which: --as ID")
        run = secrets.token_hex(8)
        entry = Settled(
            run,
            operation,
            wiring.clock.wall().isoformat(timespec="seconds").replace("+00:00", "Z"),
            applied=verdict != ABSENT,
            how="person",
            id=None if verdict in (ABSENT, APPLIED) else verdict,
        )
        async with take_lease(log, run=run, holder=this_holder("state settle"), clock=wiring.clock):
            await log.record([entry])


def _doubt(recorded: Recorded, address: Address) -> tuple[str, bool]:
    """The operation in doubt, and whether it would have made something with a new id."""
    for doubt in recorded.in_doubt.values():
        if doubt.address == address:
            return doubt.operation, doubt.action is Action.CREATE
    export = recorded.exports.get(address)
    if export is not None and export.run is not None and export.run.unknown:
        return export.run.operation, False
    raise Usage(f"nothing about {address} is in doubt", "`state list` shows what is")
