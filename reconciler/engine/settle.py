"""Recovers what earlier runs left in doubt, before anything new is planned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.engine import doubts, timing
from reconciler.engine.options import Options
from reconciler.model.entry import Settled
from reconciler.model.outcome import Done, Unclear
from reconciler.model.ports import Clock, Journal, Provider


async def settle(
    *,
    run: str,
    providers: Mapping[str, Provider],
    journal: Journal,
    clock: Clock,
    options: Options,
    stop: asyncio.Event,
    note: Callable[[str], None],
) -> None:
    """Look up every mutation in doubt and record what is certain; the rest stays in doubt.

    That a mutation left no trace is believed only when the look-up began `settle_delay` after the request
    could last have been on its way: the remainder is waited for, once, unless `stop` is set.  Needs the
    lease; nothing else may be in flight.  `note` gets one sentence for people on each finding.  Raises
    what the journal raises.
    """
    settler = _Settler(run, journal, clock, options, note)
    waits: dict[str, float] = {}
    for name in sorted({doubt.address.provider for doubt in journal.recorded.in_doubt.values()}):
        if name in providers:
            waits[name] = await settler.look(name, providers[name])
        else:
            note(f"there are no credentials for {name}: what is in doubt there stays in doubt")
    longest = max(waits.values(), default=0.0)
    if longest <= 0:
        return
    note(f"waiting {longest:.0f} s: only then is it certain that what left no trace did not happen")
    await timing.pause(clock, longest, stop)
    for name, wait in waits.items():
        if wait > 0 and not stop.is_set():
            await settler.look(name, providers[name])


@dataclass(frozen=True, slots=True)
class _Settler:
    run: str
    journal: Journal
    clock: Clock
    options: Options
    note: Callable[[str], None]

    async def look(self, name: str, provider: Provider) -> float:
        """Settle what can be settled now; seconds until the absence of the rest may be believed."""
        recorded = self.journal.recorded
        open_ = [doubt for doubt in recorded.in_doubt.values() if doubt.address.provider == name]
        # Measured before the question: what arrives while it is answered must not be missed.
        missing = {doubt.operation: self.options.settle_delay - timing.age(self.clock, doubt.since) for doubt in open_}
        found = await doubts.look_up(name, provider, recorded)
        longest, entries = 0.0, []
        for doubt in open_:
            finding = found.get(doubt.operation, Unclear("the look-up says nothing about it"))
            said = f"{doubt.address}: the {doubt.action.value} of run {doubt.run}"
            if isinstance(finding, Done):
                entries.append(doubts.happened(self.run, self.clock, doubt, finding))
                self.note(f"{said} had happened")
            elif isinstance(finding, Unclear):
                self.note(f"{said} stays in doubt: {doubts.explain(finding)}")
            elif missing[doubt.operation] > 0:
                longest = max(longest, missing[doubt.operation])
            else:
                entries.append(self._never(doubt.operation))
                self.note(f"{said} had not happened")
        if entries:
            await self.journal.record(entries)
        return longest

    def _never(self, operation: str) -> Settled:
        return Settled(self.run, operation, timing.wall(self.clock), applied=False, how="lookup")
