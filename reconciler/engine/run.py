"""Performs a whole plan."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from reconciler.engine import doubts, steps
from reconciler.engine.board import Board
from reconciler.engine.crew import Crew
from reconciler.engine.exports import Running
from reconciler.engine.options import Options
from reconciler.engine.result import Result, Teller
from reconciler.engine.scene import ContentDigest, Scene
from reconciler.engine.waiting import Waiting
from reconciler.model.entry import Settled
from reconciler.model.event import Emit, EventType
from reconciler.model.outcome import Done, Unclear
from reconciler.model.plan import Action, Plan
from reconciler.model.ports import Clock, Deliverer, Journal, Provider
from reconciler.model.recorded import RunState


async def run(
    plan: Plan,
    *,
    run: str,
    providers: Mapping[str, Provider],
    journal: Journal,
    clock: Clock,
    deliver: Deliverer,
    emit: Emit,
    options: Options,
    stop: asyncio.Event,
    content: ContentDigest,
    mutated: Callable[[], Awaitable[None]] | None = None,
    chance: Callable[[], float] = random.random,
) -> Result:
    """Perform every step of a plan as far as it goes, and wait for exports, also for those it lists as pending.

    One failure stops only what depends on it; a refusal of credentials stops the rest of that service.
    Each step ends in exactly one terminal event, also when this raises or is cancelled.  Once `stop` is
    set nothing new is started, what is in flight is seen through, exports are left in flight.
    `run` is unique in the log and names this run's entries.  `mutated` is called when nothing more will be sent and
    only exports are waited for: the lease, which steps other than exports need, can go.  `chance` gives numbers from
    0 to 1.  Raises what the journal raises (Locked, StateError): from then on nothing more is sent.
    """
    teller = Teller(emit, clock)
    board, crew = Board(plan.steps, teller), Crew()
    scene = Scene(
        run=run,
        created=plan.created,
        providers=providers,
        journal=journal,
        clock=clock,
        options=options,
        content=content,
        board=board,
        halted=lambda: crew.failure is not None,
        halt=crew.fail,
        creates=frozenset(step.address for step in plan.steps if step.action is Action.CREATE),
    )
    waiting = Waiting(scene, teller, deliver=deliver, stop=stop, chance=chance)
    reason = "the run was broken off"
    try:
        await _Run(plan, scene, crew, waiting, stop, mutated).perform()
    except Exception as error:
        reason = f"the run broke off: {error}"
        raise
    finally:
        await crew.dismiss()
        board.close(reason)
    return teller.result(interrupted=stop.is_set())


@dataclass(frozen=True, slots=True)
class _Run:
    plan: Plan
    scene: Scene
    crew: Crew
    waiting: Waiting
    stop: asyncio.Event
    mutated: Callable[[], Awaitable[None]] | None
    looked: set[str] = field(default_factory=set)

    async def perform(self) -> None:
        """Return when nothing is left to do; raise the first failure that halts."""
        crew, board = self.crew, self.scene.board
        if self.scene.options.wait:
            self._resume()
        while True:
            self._launch()
            if crew.mutations:
                await crew.change()
            elif not await self._settle():
                break
        if crew.failure is None:
            board.finish("interrupted" if self.stop.is_set() else "waits for steps that wait for it")
        if crew.waits and crew.failure is None and self.mutated is not None:
            await self.mutated()
        while crew.waits and crew.failure is None:
            await crew.change()
        if crew.failure is not None:
            raise crew.failure

    def _resume(self) -> None:
        """Follow what earlier runs have started, as far as the plan lists it."""
        listed = {(pending.address, pending.export_id) for pending in self.plan.pending}
        for address, record in self.scene.journal.recorded.exports.items():
            run = record.run
            if run is None or not run.in_flight or run.export_id is None or (address, run.export_id) not in listed:
                continue
            running = Running(
                address=address,
                operation=run.operation,
                export_id=run.export_id,
                occurrence=run.occurrence,
                since=run.intended_at,
                finished=run.state is RunState.FINISHED,
                earlier=True,
            )
            self.crew.wait(self.waiting.follow(running))

    def _launch(self) -> None:
        while len(self.crew.mutations) < self.scene.options.concurrency and not self._ending():
            index = self.scene.board.next()
            if index is None:
                return
            self.crew.mutate(self._step(index))

    async def _step(self, index: int) -> None:
        running = await steps.perform(self.scene, index, self.plan.steps[index])
        if running is None:
            return
        if self.scene.options.wait:
            self.crew.wait(self.waiting.follow(running, partial(self.scene.board.end, index)))
        else:
            self.scene.board.end(index, EventType.EXPORT_ACCEPTED, {"export_id": running.export_id})

    async def _settle(self) -> bool:
        """Look up this run's new doubts, now that nothing is in flight; whether that unlocked anything."""
        scene = self.scene
        fresh = {operation: name for operation, name in scene.board.doubts().items() if operation not in self.looked}
        if self._ending() or not fresh:
            return False
        self.looked.update(fresh)
        settled = False
        for name in sorted(set(fresh.values())):
            settled |= await self._look_up(name)
        return settled

    async def _look_up(self, name: str) -> bool:
        scene = self.scene
        found = await doubts.look_up(name, scene.providers[name], scene.journal.recorded)
        entries: list[Settled] = []
        for operation, finding in found.items():
            if isinstance(finding, Done):
                doubt = scene.journal.recorded.in_doubt.get(operation)
                if doubt is not None:  # somebody else may have known meanwhile
                    entries.append(doubts.happened(scene.run, scene.clock, doubt, finding))
            elif isinstance(finding, Unclear):
                scene.board.unclear(operation, doubts.explain(finding), finding.candidates)
        if entries:
            await scene.journal.record(entries)
        notes = {operation: finding.notes for operation, finding in found.items() if isinstance(finding, Done)}
        for entry in entries:
            scene.board.settled(entry.operation, id=entry.id, notes=list(notes[entry.operation]) or None)
        return bool(entries)

    def _ending(self) -> bool:
        return self.stop.is_set() or self.crew.failure is not None
