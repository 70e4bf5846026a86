"""Recovers what earlier runs left in doubt, before anything new is planned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.engine import doubts, timing
from reconciler.engine.options import Options
from reconciler.model.entry import Entry, Settled
from reconciler.model.outcome import Absent, Done, Settlement, Unclear
from reconciler.model.ports import Clock, Journal, Provider
from reconciler.model.recorded import Doubt

CLOCKS_APART: Final = 600.0
"""Seconds by which the clocks of two machines may differ: by more than that, the log is not written to."""


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

    That a mutation left no trace is believed only when the look-up began `settle_delay` after the request could last
    have been on its way, whatever the clocks of this machine, of whoever sent it and of the service say: that long is
    waited before our own eyes, once, unless `stop` is set, or it is older by more than `CLOCKS_APART`.  Needs the
    lease; nothing else may be in flight.  `note` gets one sentence for people on each finding, `found` the finding
    itself, once it is recorded.  Raises what the journal raises.
    """
    settler = _Settler(run, journal, clock, options, note, found)
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
            await settler.look(name, providers[name], waited=longest)


@dataclass(frozen=True, slots=True)
class _Settler:
    run: str
    journal: Journal
    clock: Clock
    options: Options
    note: Callable[[str], None]
    found: Callable[[Doubt, Settlement], None]

    async def look(self, name: str, provider: Provider, waited: float = 0.0) -> float:
        """Settle what can be settled now; seconds until the absence of the rest may be believed.

        `waited` is how long it was in doubt before our eyes.
        """
        recorded = self.journal.recorded
        open_ = [doubt for doubt in recorded.in_doubt.values() if doubt.address.provider == name]
        # Measured before the question: what arrives while it is answered must not be missed.
        missing = self.options.settle_delay - waited
        ages = {doubt.operation: timing.age(self.clock, doubt.since) for doubt in open_}
        findings = await doubts.look_up(name, provider, recorded)
        longest, entries, told = 0.0, list[Entry](), list[tuple[Doubt, Settlement]]()
        for doubt in open_:
            finding = findings.get(doubt.operation, Unclear("the look-up says nothing about it"))
            if isinstance(finding, Absent) and missing > 0 and not self._is_old(ages[doubt.operation], finding):
                longest = missing
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
        return longest

    def _is_old(self, age: float, absent: Absent) -> bool:
        """Whether it is old also by the clock of the service, and when the one that sent it was wrong."""
        return age + min(absent.ahead, 0.0) > self.options.settle_delay + CLOCKS_APART

    def _never(self, operation: str) -> Settled:
        return Settled(self.run, operation, timing.wall(self.clock), applied=False, how="lookup")
