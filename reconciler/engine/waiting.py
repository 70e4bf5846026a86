"""Waits for exports and has their files delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeAlias

from reconciler.engine import timing
from reconciler.engine.exports import Handled, Running
from reconciler.engine.result import Teller
from reconciler.engine.scene import Scene
from reconciler.model.entry import Entry, ExportDelivered, ExportFailed, ExportFinished
from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.event import EventType
from reconciler.model.outcome import Cause, ExportState, ExportStatus
from reconciler.model.plan import Action
from reconciler.model.ports import Deliverer, LinkExpired, Provider, Undeliverable
from reconciler.model.recorded import ExportRun, Recorded, RunState
from reconciler.model.values import JSONObject, Secret

GROWTH: Final = 1.5
LONGEST: Final = 30.0
"""Seconds between two questions once an export has taken a while, and between two signs of progress."""

FETCH_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0)
"""Seconds between tries to fetch a file: a link may not be served yet, or no longer."""

LAST_QUESTIONS: Final = 60.0
"""Seconds for which one that is too old is asked about before it is given up for want of an answer."""

End: TypeAlias = Callable[[EventType, JSONObject], None]

_LATER = "the next apply picks it up"


@dataclass(frozen=True, slots=True)
class Ending:
    """How waiting for an export ended."""

    type: EventType
    data: JSONObject = field(default_factory=dict)


def left(reason: str, cause: Cause | None = None) -> Ending:
    """The export is left in flight."""
    return Ending(EventType.EXPORT_ACCEPTED, {"reason": reason, "cause": None if cause is None else cause.value})


class Waiting:
    """Follows exports until their files are delivered, an interruption or the deadline.

    `chance` gives numbers from 0 to 1: pauses vary, so that many exports are not asked about at once.
    """

    def __init__(
        self,
        scene: Scene,
        teller: Teller,
        *,
        deliver: Deliverer,
        stop: asyncio.Event,
        chance: Callable[[], float],
    ) -> None:
        self._scene = scene
        self._teller = teller
        self._deliver = deliver
        self._stop = stop
        self._chance = chance
        self._fetching = asyncio.Semaphore(scene.options.concurrency)

    async def follow(self, running: Running, end: End | None = None) -> None:
        """Wait for one export and tell its ending once (through `end` for a step of the plan), also when
        cancelled.  Raises what the journal raises."""
        ending = left(f"waiting for it was broken off; {_LATER}")
        provider = self._scene.providers.get(running.address.provider)
        try:
            if provider is None:
                ending = left(f"there are no credentials for {running.address.provider}", Cause.CREDENTIALS)
            else:
                ending = await self._poll(running, provider)
        except CredentialError as error:
            ending = left(f"{error.message}; {_LATER}", Cause.CREDENTIALS)
        except Handled:
            ending = self._elsewhere(running)
        finally:
            data = {**_about(running), **ending.data}
            if end is None:
                self._teller.tell(ending.type, running.address, data)
            else:
                end(ending.type, data)

    async def _poll(self, running: Running, provider: Provider) -> Ending:
        options, clock = self._scene.options, self._scene.clock
        began, delay = clock.wall(), options.poll_interval
        said: tuple[str, float] | None = None
        if not running.earlier:
            await timing.pause(clock, delay, self._stop)
        while not self._stop.is_set():
            status, trouble = await _ask(provider, running)
            ending = None if status is None else await self._judge(running, provider, status)
            if ending is not None:
                return ending
            waited = (clock.wall() - began).total_seconds()
            deadline = self._deadline(running)  # a step of this very run may have changed it meanwhile
            if status is None and waited >= min(LAST_QUESTIONS, deadline) and self._old(running):
                return await self._abandon(running, f"{_clause(trouble)}; what became of it cannot be learned")
            if waited >= deadline:
                return left(f"{trouble or 'still processing'}, after {waited:.0f} s of waiting; {_LATER}")
            said = self._progress(running, trouble, waited, said)
            varied = delay * (1 + self._chance() / 10)
            await timing.pause(clock, min(varied, deadline - waited), self._stop)
            delay = min(delay * GROWTH, max(LONGEST, options.poll_interval))
        return left(f"interrupted; {_LATER}")

    async def _judge(self, running: Running, provider: Provider, status: ExportStatus) -> Ending | None:
        if status.state is ExportState.DONE:
            if not running.finished:
                entry = ExportFinished(self._scene.run, running.operation, self._scene.at(), status.finished_at)
                await self._record(running, entry)
            return await self._fetch(running, provider, status)
        if status.state is ExportState.FAILED:
            return await self._fail(running, "FAILED", "the service could not make the file; it gives no reason")
        return await self._abandon(running, "still processing") if self._old(running) else None

    async def _fetch(self, running: Running, provider: Provider, status: ExportStatus | None) -> Ending:
        trouble = ""
        for delay in (0.0, *FETCH_PAUSES):
            if delay:
                await timing.pause(self._scene.clock, delay, self._stop)
                if self._stop.is_set():
                    return left(f"interrupted; {_LATER}")
                status, trouble = await _ask(provider, running)
            if status is not None and status.url is None:
                trouble = "the service gives no link to it"
            elif status is not None and status.url is not None:
                result = await self._bring(running, provider, status.url)
                if isinstance(result, Ending):
                    return result
                trouble = result
        return await self._undelivered(running, "UNFETCHED", f"the finished file could not be fetched: {trouble}")

    async def _bring(self, running: Running, provider: Provider, url: Secret) -> Ending | str:
        """Fetch and deliver once; what was in the way, if another try may help."""
        try:
            async with self._fetching, provider.download(url) as chunks:
                file = await self._deliver(running.address, running.stamp, chunks)
        except LinkExpired:
            return "its link is not served"
        except Unavailable as error:
            return error.message
        except Undeliverable as error:
            return await self._undelivered(running, "UNDELIVERABLE", str(error))
        scene = self._scene
        entry = ExportDelivered(scene.run, running.operation, scene.at(), file.location, file.sha256, file.bytes)
        await self._record(running, entry)
        return _delivered(file.location, file.sha256, file.bytes)

    async def _undelivered(self, running: Running, code: str, message: str) -> Ending:
        """Leave the run finished in the log, so that the next apply tries again; give up one that is old
        and that an earlier run has failed to fetch as well."""
        if running.finished and self._old(running):
            return await self._abandon(running, _clause(message))
        data = {"code": code, "message": f"{_clause(message)}; the next apply tries again", "ran": True}
        return Ending(EventType.EXPORT_FAILED, data)

    def _deadline(self, running: Running) -> float:
        """Seconds for which an export is waited for: its own, as declared last, or everybody's."""
        record = self._scene.journal.recorded.exports.get(running.address)
        own = None if record is None else record.spec.get("deadline")
        return self._scene.options.deadline if own is None else float(own)

    def _old(self, running: Running) -> bool:
        return timing.age(self._scene.clock, running.since) > self._scene.options.abandon_after

    async def _abandon(self, running: Running, reason: str) -> Ending:
        hours = timing.age(self._scene.clock, running.since) / 3600
        return await self._fail(running, "ABANDONED", f"given up {hours:.0f} hours after it was started: {reason}")

    async def _fail(self, running: Running, code: str, message: str) -> Ending:
        scene = self._scene
        await self._record(
            running, ExportFailed(scene.run, running.operation, scene.at(), ran=True, code=code, message=message)
        )
        return Ending(EventType.EXPORT_FAILED, {"code": code, "message": message, "ran": True})

    async def _record(self, running: Running, entry: Entry) -> None:
        def require(recorded: Recorded) -> None:
            run = _run(recorded, running)
            if run is None or not run.in_flight:
                raise Handled("another run has ended this one meanwhile")

        await self._scene.journal.record([entry], require)

    def _elsewhere(self, running: Running) -> Ending:
        run = _run(self._scene.journal.recorded, running)
        if run is not None and run.state is RunState.DELIVERED:
            return _delivered(run.location, run.sha256, run.bytes)
        message = "another run has ended this export meanwhile, or has forgotten it"
        return Ending(EventType.EXPORT_FAILED, {"code": "SUPERSEDED", "message": message, "ran": True})

    def _progress(
        self, running: Running, trouble: str, waited: float, said: tuple[str, float] | None
    ) -> tuple[str, float]:
        """Tell how it stands when that is new, or when nothing was told for a while."""
        if said is not None and said[0] == trouble and waited - said[1] < LONGEST:
            return said
        data = {"state": ExportState.PROCESSING.value, "seconds": round(waited), "message": trouble or None}
        self._teller.tell(EventType.EXPORT_PROGRESS, running.address, {**_about(running), **data})
        return trouble, waited


def _run(recorded: Recorded, running: Running) -> ExportRun | None:
    """What is recorded of it, under whatever address it has now; None when that is about another run, or nothing."""
    first = recorded.exports.get(running.address)
    for record in chain([first] if first is not None else [], recorded.exports.values()):
        if record.run is not None and record.run.operation == running.operation:
            return record.run
    return None


async def _ask(provider: Provider, running: Running) -> tuple[ExportStatus | None, str]:
    """How far the export is, or why that could not be learned."""
    try:
        return await provider.export_status(running.export_id), ""
    except Unavailable as error:
        return None, error.message


def _about(running: Running) -> JSONObject:
    return {
        "action": Action.EXPORT.value,
        "occurrence": running.occurrence,
        "export_id": running.export_id,
        "earlier": running.earlier or None,
    }


def _delivered(location: str | None, sha256: str | None, size: int | None) -> Ending:
    return Ending(EventType.EXPORT_DELIVERED, {"location": location, "sha256": sha256, "bytes": size})


def _clause(sentence: str) -> str:
    return sentence.rstrip(".")
