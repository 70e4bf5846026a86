"""A service, a log and a clock that live in memory, with faults as values."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from reconciler.engine.options import Options
from reconciler.engine.result import Result
from reconciler.engine.run import run
from reconciler.engine.settle import settle
from reconciler.model.canonical import digest
from reconciler.model.entry import Entry
from reconciler.model.errors import Locked
from reconciler.model.event import Event
from reconciler.model.outcome import (
    Absent,
    Cause,
    Delivered,
    Done,
    Doubtful,
    ExportState,
    ExportStatus,
    Observed,
    Outcome,
    Refused,
    Request,
    Settlement,
    Unclear,
)
from reconciler.model.plan import Action, Change, Pending, Plan, Step
from reconciler.model.ports import Require
from reconciler.model.recorded import Doubt, Recorded, Resource
from reconciler.model.values import Address, JSONObject, Secret
from reconciler.state.fold import fold

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
CREATED = "2026-11-23T06:00:00Z"


class Crash(Exception):
    """The process is gone: every port raises it from then on."""


class FakeClock:
    """Time that passes only in `sleep`, to the earliest sleeper's end once everybody else waits too."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []
        self._sleepers: list[tuple[datetime, int]] = []
        self._number = 0

    def now(self) -> datetime:
        return self.time

    def wall(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._number += 1
        me = (self.time + timedelta(seconds=max(seconds, 0)), self._number)
        heapq.heappush(self._sleepers, me)
        try:
            while True:
                for _ in range(50):
                    await asyncio.sleep(0)
                if self._sleepers[0] == me:
                    self.time = max(self.time, me[0])
                    return
        finally:
            self._sleepers.remove(me)
            heapq.heapify(self._sleepers)


class Fault(Enum):
    """What goes wrong with one mutation."""

    REFUSE = auto()
    LOCK_OUT = auto()  # the service does not accept the credentials
    GONE = auto()
    EVICT = auto()  # the lease was lost, which is found out right before it would have left
    LOSE = auto()  # the request is lost, and nobody knows
    COMMIT_THEN_LOSE = auto()  # done, but the answer is lost
    COMMIT_LATE = auto()  # the answer is lost, and it is done 20 s later
    SLOW = auto()  # done and answered, 5 s later
    CRASH_BEFORE = auto()
    CRASH_AFTER = auto()


@dataclass
class Life:
    """Whether the process still lives, and when it dies: at the k-th append, before or after it is durable."""

    dead: bool = False
    crash_at: int | None = None
    durable: bool = False
    error: Callable[[], Exception] = Crash
    appends: int = 0

    def check(self) -> None:
        if self.dead:
            raise Crash("dead")


class Log:
    """The durable part: it outlives processes."""

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []

    def fold(self) -> Recorded:
        recorded = Recorded()
        for batch in self.batches:
            fold(recorded, batch)
        return recorded

    def entries(self) -> list[Entry]:
        return [entry for batch in self.batches for entry in batch]


class MemoryJournal:
    """A journal of one process, which learns what others have written when it writes."""

    def __init__(self, log: Log, life: Life) -> None:
        self._log = log
        self._life = life
        self._recorded = log.fold()
        self._seen = len(log.batches)

    @property
    def recorded(self) -> Recorded:
        return self._recorded

    async def record(self, entries: Iterable[Entry], require: Require | None = None) -> None:
        self._life.check()
        await asyncio.sleep(0)
        self._life.check()
        for other in self._log.batches[self._seen :]:
            fold(self._recorded, other)
        self._seen = len(self._log.batches)
        if require is not None:
            require(self._recorded)
        batch = list(entries)
        self._life.appends += 1
        dies = self._life.appends == self._life.crash_at
        if dies and not self._life.durable:
            self._die()
        self._log.batches.append(batch)
        self._seen += 1
        fold(self._recorded, batch)
        if dies:
            self._die()

    def _die(self) -> None:
        error = self._life.error()
        self._life.dead = isinstance(error, Crash)
        raise error


@dataclass
class Service:
    """The world outside: objects by id, exports by id, and mutations that are still on their way."""

    clock: FakeClock
    objects: dict[str, JSONObject] = field(default_factory=dict)
    exports: dict[str, list[ExportStatus]] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    late: list[tuple[datetime, Request]] = field(default_factory=list)
    mutations: int = 0
    in_flight: int = 0
    most: int = 0
    made: int = 0
    script: list[ExportStatus] = field(default_factory=list)

    def arrive(self) -> None:
        for due, request in list(self.late):
            if due <= self.clock.time:
                self.late.remove((due, request))
                self.commit(request)

    def commit(self, request: Request) -> str | None:
        """Do it; None when there is nothing to do it to."""
        if request.document == "export":
            self.made += 1
            self.started[f"{request.address} {request.variables['occurrence']}"] += 1
            self.exports[f"e{self.made}"] = list(self.script)
            return f"e{self.made}"
        if request.document == "create":
            self.made += 1
            self.objects[f"o{self.made}"] = dict(request.after or {})
            return f"o{self.made}"
        if request.id not in self.objects:
            return None
        if request.document == "delete":
            del self.objects[request.id]
        else:
            self.objects[request.id] = dict(request.after or {})
        return request.id


DONE = ExportStatus(ExportState.DONE, Secret("https://files.example/a"), "2026-11-23T06:00:05Z")
PROCESSING = ExportStatus(ExportState.PROCESSING)
FAILED = ExportStatus(ExportState.FAILED)


@dataclass
class FakeProvider:
    """A client of the service in one process; `faults` by the number of the mutation, from 1."""

    service: Service
    life: Life = field(default_factory=Life)
    faults: Mapping[int, Fault] = field(default_factory=dict)
    observing: Exception | None = None
    settling: Exception | None = None
    asking: list[Exception | None] = field(default_factory=list)
    fetching: list[Exception | None] = field(default_factory=list)
    unclear: bool = False
    echo: Callable[[JSONObject], Any] = lambda after: None
    nameless: bool = False
    quiet: bool = False
    strict: bool = False
    asked: int = 0
    looked: list[tuple[list[str], set[str]]] = field(default_factory=list)

    def request(self, step: Step, ids: Mapping[Address, str]) -> Request | None:
        if self.quiet or step.action is Action.FORGET or (step.address.is_export and step.action is not Action.EXPORT):
            return None
        for need in step.needs:
            if self.strict:
                ids[need]
            assert ids.get(need) in (None, *self.service.objects)
        variables = {"after": step.after, "occurrence": step.occurrence}
        return Request(step.address, step.action.value, variables, step.id, step.after)

    async def perform(self, request: Request) -> Outcome:
        self.life.check()
        service = self.service
        service.mutations += 1
        service.in_flight += 1
        service.most = max(service.most, service.in_flight)
        try:
            return await self._answer(request, self.faults.get(service.mutations))
        finally:
            service.in_flight -= 1

    async def _answer(self, request: Request, fault: Fault | None) -> Outcome:
        service = self.service
        if fault is Fault.SLOW:
            await service.clock.sleep(5)
        await asyncio.sleep(0)
        service.arrive()
        self.life.check()
        if fault is Fault.CRASH_BEFORE:
            self.life.dead = True
            raise Crash("before")
        if fault is Fault.EVICT:
            raise Locked("ann took the lease away")
        if fault in _REFUSALS:
            return Refused(_REFUSALS[fault], "NO", "no")
        if fault is Fault.LOSE:
            return Doubtful("lost")
        if fault is Fault.COMMIT_LATE:
            service.late.append((service.clock.time + timedelta(seconds=20), request))
            return Doubtful("timed out")
        identity = service.commit(request)
        await asyncio.sleep(0)
        self.life.check()
        if fault is Fault.CRASH_AFTER:
            self.life.dead = True
            raise Crash("after")
        if fault is Fault.COMMIT_THEN_LOSE:
            return Doubtful("connection lost")
        if identity is None:
            return Refused(Cause.GONE, "NOT_FOUND", "not found")
        content = None if request.after is None else self.echo(request.after)
        return Done(None if self.nameless else identity, content, "2026-11-23T06:00:01Z")

    async def observe(self, resources: Sequence[Resource]) -> Mapping[Address, Observed | None]:
        self.life.check()
        self.service.arrive()
        if self.observing is not None:
            raise self.observing
        found = {item.address: self.service.objects.get(item.id) for item in resources}
        ids = {item.address: item.id for item in resources}
        return {at: None if content is None else Observed(ids[at], content) for at, content in found.items()}

    async def settle(self, doubts: Sequence[Doubt], resources: Collection[Resource]) -> Mapping[str, Settlement]:
        taken = {resource.id for resource in resources}
        self.life.check()
        assert not self.service.in_flight
        self.service.arrive()
        self.looked.append(([doubt.operation for doubt in doubts], taken))
        if self.settling is not None:
            raise self.settling
        if self.unclear:
            return {doubt.operation: Unclear("two of them", ("o1", "o2")) for doubt in doubts}
        free = [identity for identity in self.service.objects if identity not in taken]
        return {doubt.operation: self._trace(doubt, free) for doubt in doubts}

    def _trace(self, doubt: Doubt, free: list[str]) -> Settlement:
        objects = self.service.objects
        if doubt.action is Action.DELETE:
            return Absent() if doubt.id in objects else Done(doubt.id)
        if doubt.action is Action.UPDATE:
            same = doubt.id is not None and objects.get(doubt.id) == doubt.after
            return Done(doubt.id, doubt.after) if same else Absent()
        for identity in free:
            if objects[identity] == doubt.after:
                free.remove(identity)
                return Done(identity, doubt.after)
        return Absent()

    async def export_status(self, export_id: str) -> ExportStatus:
        self.life.check()
        self.asked += 1
        error = self.asking.pop(0) if self.asking else None
        if error is not None:
            raise error
        script = self.service.exports[export_id]
        if not script:
            return DONE
        return script.pop(0) if len(script) > 1 else script[0]

    @asynccontextmanager
    async def download(self, url: Secret) -> AsyncIterator[AsyncIterator[bytes]]:
        self.life.check()
        error = self.fetching.pop(0) if self.fetching else None
        if error is not None:
            raise error

        async def chunks() -> AsyncIterator[bytes]:
            yield b"abc"
            yield b"def"

        yield chunks()


_REFUSALS = {Fault.REFUSE: Cause.SERVICE, Fault.LOCK_OUT: Cause.CREDENTIALS, Fault.GONE: Cause.GONE}


@dataclass
class Shelf:
    """A deliverer that keeps files by location."""

    files: dict[str, bytes] = field(default_factory=dict)
    error: Exception | None = None

    async def __call__(self, address: Address, stamp: str, chunks: AsyncIterator[bytes]) -> Delivered:
        body = b"".join([chunk async for chunk in chunks])
        if self.error is not None:
            raise self.error
        location = f"exports/{address.name}-{stamp}.xlsx"
        self.files[location] = body
        return Delivered(location, "0" * 64, len(body))


def address(name: str) -> Address:
    return Address("svc", "export" if name.startswith("x") else "report", name)


def create(name: str, after: JSONObject, *needs: str) -> Step:
    return Step(address(name), Action.CREATE, "new", after=after, needs=tuple(map(address, needs)))


def update(name: str, identity: str | None, after: JSONObject, base: JSONObject | None = None, *needs: str) -> Step:
    before = base or {}
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return Step(
        address(name),
        Action.UPDATE,
        "changed",
        id=identity,
        after=after,
        changes=tuple(Change((key,), before.get(key), after.get(key)) for key in keys),
        remote_digest=None if base is None else digest(base),
        needs=tuple(map(address, needs)),
    )


def delete(name: str, identity: str, base: JSONObject) -> Step:
    return Step(address(name), Action.DELETE, "removed", id=identity, remote_digest=digest(base))


def forget(name: str) -> Step:
    return Step(address(name), Action.FORGET, "detached")


def export(name: str, after: JSONObject, occurrence: str | None = None, *needs: str) -> Step:
    return Step(
        address(name), Action.EXPORT, "due", after=after, occurrence=occurrence, needs=tuple(map(address, needs))
    )


def plan(*steps: Step, pending: Iterable[Pending] = (), created: str = CREATED) -> Plan:
    return Plan(created, CREATED, "0", "default", {}, None, 0, "", None, tuple(steps), pending=tuple(pending))


def pending(recorded: Recorded, *steps: Step) -> list[Pending]:
    """What is in flight, as the planner lists it: without what is forgotten."""
    forgotten = {step.address for step in steps if step.action is Action.FORGET}
    return [
        Pending(at, record.run.occurrence, record.run.export_id or "")
        for at, record in recorded.exports.items()
        if record.run is not None and record.run.in_flight and at not in forgotten
    ]


def content(_: Address, spec: JSONObject) -> str:
    return digest({key: value for key, value in spec.items() if key != "schedule"})


@dataclass
class World:
    """A service and a log, and runs of the engine against them."""

    clock: FakeClock = field(default_factory=FakeClock)
    log: Log = field(default_factory=Log)
    shelf: Shelf = field(default_factory=Shelf)
    events: list[Event] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    free: list[tuple[int, int]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    runs: int = 0
    service: Service = field(init=False)
    life: Life = field(default_factory=Life)
    provider: FakeProvider = field(init=False)

    def __post_init__(self) -> None:
        self.service = Service(self.clock)
        self.provider = FakeProvider(self.service, self.life)

    def process(self, life: Life | None = None, faults: Mapping[int, Fault] | None = None) -> None:
        """A new process: the service and the log stay."""
        self.life = life or Life()
        self.provider = FakeProvider(self.service, self.life, {})
        self.provider.faults = {self.service.mutations + at: fault for at, fault in (faults or {}).items()}
        self.events = []
        self.stop = asyncio.Event()

    async def apply(
        self,
        *steps: Step,
        providers: Mapping[str, Any] | None = None,
        follow: Iterable[Pending] | None = None,
        **options: Any,
    ) -> Result:
        self.runs += 1
        return await run(
            plan(*steps, pending=pending(self.recorded, *steps) if follow is None else follow),
            run=f"r{self.runs}",
            providers={"svc": self.provider} if providers is None else providers,
            journal=MemoryJournal(self.log, self.life),
            clock=self.clock,
            deliver=self.shelf,
            emit=self.events.append,
            options=Options(**options),
            stop=self.stop,
            content=content,
            mutated=self.mutated,
            chance=lambda: 0.5,
        )

    async def mutated(self) -> None:
        """Note after how many mutations, and with how many files stored, the lease could go."""
        self.free.append((self.service.mutations, len(self.shelf.files)))

    async def recover(self, providers: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.runs += 1
        await settle(
            run=f"r{self.runs}",
            providers={"svc": self.provider} if providers is None else providers,
            journal=MemoryJournal(self.log, self.life),
            clock=self.clock,
            options=Options(**options),
            stop=self.stop,
            note=self.notes.append,
        )

    @property
    def recorded(self) -> Recorded:
        return self.log.fold()

    def told(self) -> list[str]:
        """Terminal events as `type name action`."""
        return [
            f"{event.type} {event.address.name} {event.data['action']}"
            for event in self.events
            if event.type.is_terminal and event.address is not None
        ]

    def last(self, kind: str) -> dict[str, Any]:
        return next(event.data for event in reversed(self.events) if event.type == kind)


async def until(condition: Callable[[], bool]) -> None:
    """Let everybody else go on until something has come true."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


def kinds(entries: Iterable[Entry]) -> Iterator[str]:
    return (type(entry).__name__ for entry in entries)
