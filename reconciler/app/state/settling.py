"""Doubts resolved on command: by looking again, or by a person's word."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

from reconciler.app import plan as planner
from reconciler.app.state.reading import parse_address
from reconciler.app.state.rescue import rescued
from reconciler.app.state.resolving import ATTEMPTS, Candidates, check_doubtful, doubtful_providers
from reconciler.app.state.writing import write
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Entry, Settled
from reconciler.model.errors import Conflict, Usage
from reconciler.model.outcome import Settlement, Unclear
from reconciler.model.plan import Action
from reconciler.model.recorded import Doubt, Recorded
from reconciler.model.values import Address

if TYPE_CHECKING:
    from reconciler.engine.options import Options

ABSENT = "absent"
APPLIED = "applied"


async def look(wiring: Wiring, options: Options, *, timeout: float, note: Callable[[str], None]) -> Candidates:
    """Look up everything in doubt and record what is found; return the candidates for what stays unclear.

    What comes in doubt while the lease is waited for is looked up as well.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            return await _look(wiring, options, timeout, note)
        except Conflict as error:
            if not left:
                raise
            note(f"looking again: {error.message}")
    raise AssertionError("the last attempt returns or raises")


async def _look(wiring: Wiring, options: Options, timeout: float, note: Callable[[str], None]) -> Candidates:
    from reconciler.app.interrupt import stop_on_signal
    from reconciler.engine.settle import settle
    from reconciler.state.log import Log

    candidates: dict[Address, tuple[str, ...]] = {}

    def found(doubt: Doubt, finding: Settlement) -> None:
        if isinstance(finding, Unclear):
            candidates[doubt.address] = finding.candidates

    desired = wiring.desired()
    async with AsyncExitStack() as stack:
        log = Log(stack.enter_context(closing(wiring.backend(desired.project))), wiring.clock, note=note)
        run = secrets.token_hex(8)
        stack.enter_context(rescued(wiring, run, [log]))
        await log.refresh()
        doubtful = doubtful_providers(log.recorded)
        if not doubtful:
            note("nothing is in doubt that could be looked up")
            return {}
        targets = planner.targets_of(wiring, desired, log.recorded)
        planner.check_places(log.recorded, targets)
        providers = await wiring.connect(
            stack, {name: targets[name] for name in doubtful}, timeout=timeout, concurrency=1, desired=desired
        )
        stop = stack.enter_context(stop_on_signal(note))
        async with wiring.lease(log, run=run, command="state settle", note=note, stop=stop.is_set):
            check_doubtful(log.recorded, doubtful)
            await settle(
                run=run,
                providers=providers,
                journal=log,
                clock=wiring.clock,
                options=options,
                stop=stop,
                note=note,
                found=found,
            )
    if stop.is_set():
        raise KeyboardInterrupt
    return candidates


async def decide(wiring: Wiring, text: str, verdict: str, *, note: Callable[[str], None]) -> None:
    """Record a person's word on what happened: `absent`, `applied`, or the id of what it made.

    A run in flight may be given up in the same way, but has its id already.  Raises Usage when nothing of
    that address is open, or the word does not fit it.
    """
    address = parse_address(text)
    known = None if verdict in (ABSENT, APPLIED) else verdict

    def judge(recorded: Recorded, run: str, at: str) -> list[Entry]:
        operation = _operation(recorded, address, verdict)
        return [Settled(run, operation, at, applied=verdict != ABSENT, how="person", id=known)]

    await write(wiring, "state settle", judge, note=note)


def _operation(recorded: Recorded, address: Address, verdict: str) -> str:
    """The open operation of an address; raises Usage when there is none, or the word does not fit it."""
    for doubt in recorded.in_doubt.values():
        if doubt.address == address:
            _check(recorded, doubt, verdict)
            return doubt.operation
    export = recorded.exports.get(address)
    run = export.run if export is not None else None
    if run is None or not (run.unknown or run.in_flight):
        raise Usage(f"nothing about {address} is in doubt", "`state list` shows what is")
    if verdict not in (ABSENT, APPLIED):
        _check_id(verdict)
        if run.in_flight:
            raise Usage(
                f"the run of {address} is in flight and has an id, {run.export_id}",
                "say --as applied to give up its file, --as absent to have it run again",
            )
    return run.operation


def _check(recorded: Recorded, doubt: Doubt, verdict: str) -> None:
    """Raise Usage for a word that does not fit a doubtful mutation."""
    makes = doubt.action is Action.CREATE and not doubt.address.is_export
    if verdict == ABSENT or (verdict == APPLIED and not makes):
        return
    if verdict == APPLIED:
        raise Usage(f"{doubt.address} was made with an id of its own", "say which: --as ID")
    _check_id(verdict)
    if not makes:
        raise Usage(
            f"--as {verdict}: what is in doubt about {doubt.address} is its {doubt.action}, which makes no new id",
            "say --as applied or --as absent",
        )
    for other in recorded.resources.values():
        if other.id == verdict and other.address.provider == doubt.address.provider:
            raise Usage(f"--as {verdict}: that is the id of {other.address}", "two addresses cannot share an object")


def _check_id(verdict: str) -> None:
    """Raise Usage for what must be a slip: both services have a digit in every id."""
    if not any(map(str.isdigit, verdict)):
        raise Usage(f"--as {verdict}: that is no id, and neither of the words", "the words are applied and absent")
