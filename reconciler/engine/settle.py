"""Recovers what earlier runs left in doubt, before anything new is planned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.engine import doubts, timing
from reconciler.engine.options import Options
from reconciler.model.entry import Entry, Settled
from reconciler.model.outcome import Absent, Done, Settlement, Unclear
from reconciler.model.ports import Clock, Journal, Provider
from reconciler.model.recorded import Doubt


async def settle(
    *,
    run: str,
    providers: Mapping[str, Provider],
    journal: Journal,
    clock: Clock,
    options: Options,
    stop: asyncio.Event,
    note: Callable[[str], None],
    found: Callable[[Doubt, Settlement], None] = lambda doubt, finding: None,
) -> None:
    """Look up every mutation in doubt and record what is certain; the rest stays in doubt.

    That a mutation left no trace is believed only when it was looked for again after `settle_delay`: the request may
    still be on its way.  That long is waited, once, unless `stop` is set, whatever the log says of its age: that is by
    a clock which may have been wrong.  Needs the lease; nothing else may be in flight.  `note` gets one sentence for
    people on each finding, `found` the finding itself, once it is recorded.  Raises what the journal raises.
    """
    settler = _Settler(run, journal, clock, note, found)
    delay, again = options.settle_delay, list[str]()
    for name in sorted({doubt.address.provider for doubt in journal.recorded.in_doubt.values()}):
        if name not in providers:
            note(f"there are no credentials for {name}: what is in doubt there stays in doubt")
        elif not await settler.look(name, providers[name], believing=delay <= 0):
            again.append(name)
    if not again:
        return
    note(f"waiting {delay:.0f} s: only then is it certain that what left no trace did not happen")
    await timing.pause(clock, delay, stop)
    for name in again:
        if not stop.is_set():
            await settler.look(name, providers[name], believing=True)


@dataclass(frozen=True, slots=True)
class _Settler:
    run: str
    journal: Journal
    clock: Clock
    note: Callable[[str], None]
    found: Callable[[Doubt, Settlement], None]

    async def look(self, name: str, provider: Provider, *, believing: bool) -> bool:
        """Settle what can be settled now, absences only when `believing`; False when some were not believed."""
        recorded = self.journal.recorded
        open_ = [doubt for doubt in recorded.in_doubt.values() if doubt.address.provider == name]
        findings = await doubts.look_up(name, provider, recorded)
        complete, entries, told = True, list[Entry](), list[tuple[Doubt, Settlement]]()
        for doubt in open_:
            finding = findings.get(doubt.operation, Unclear("the look-up says nothing about it"))
            if isinstance(finding, Absent) and not believing:
                complete = False
                continue
            told.append((doubt, finding))
            if isinstance(finding, Done):
                entries.append(doubts.happened(self.run, self.clock, doubt, finding))
            elif isinstance(finding, Absent):
                entries.append(self._never(doubt.operation))
        if entries:
            await self.journal.record(entries)
        for doubt, finding in told:
            self.note(doubts.sentence(doubt, finding))
            self.found(doubt, finding)
        return complete

    def _never(self, operation: str) -> Settled:
        return Settled(self.run, operation, timing.wall(self.clock), applied=False, how="lookup")
