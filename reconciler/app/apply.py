"""Plan, ask, perform; or perform exactly a saved plan."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.app import names
from reconciler.app import plan as planner
from reconciler.app.clock import SystemClock, instant
from reconciler.app.interrupt import stop_on_signal
from reconciler.app.settings import TOOL
from reconciler.app.state.exporting import refuse_moved
from reconciler.app.state.rescue import rescued
from reconciler.app.state.resolving import ATTEMPTS, at_work, check_doubtful, doubtful_providers, open_doubts
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Entry, Resolved, RunFinished, RunStarted
from reconciler.model.errors import Conflict, PlanRefused, ReconcilerError
from reconciler.model.event import Emit, Event, EventType
from reconciler.model.manifest import Desired, Project
from reconciler.model.outcome import Done, Settlement, Unclear
from reconciler.model.plan import Plan, Target
from reconciler.model.ports import Backend, Provider
from reconciler.model.recorded import Doubt, Recorded
from reconciler.model.values import JSON, Address, JSONObject

if TYPE_CHECKING:
    from reconciler.engine.options import Options
    from reconciler.state.lease import Lease
    from reconciler.state.log import Log

_SHOWN = 10
"""How many of those that are in doubt are named in the end."""

DOWNLOADS = Path("exports")
"""Where files go, relative to the working directory."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What was asked for.  `saved` is a plan file, None to plan afresh; `timeout` bounds one request, in seconds;
    `retarget` believes that recorded objects are where requests go now, `refresh` looks at them first."""

    options: Options
    saved: Path | None = None
    timeout: float = 30.0
    allow_deletes: int | None = None
    select: tuple[str, ...] = ()
    retarget: bool = False
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """How the use case talks to whoever started it.

    `show` gets the plan, and what the rails say of it, before anything is sent; `confirm` answers
    whether to go on; `note` takes a sentence about what is found out or waited for, `doubts` what is in
    doubt in the end, as `open_doubts` gives it.
    """

    show: Callable[[Plan, Sequence[str]], None]
    confirm: Callable[[], bool]
    emit: Emit
    note: Callable[[str], None]
    doubts: Callable[[Sequence[JSONObject]], None] = lambda doubts: None


class Declined(ReconcilerError):
    """The person said no; nothing was sent."""

    exit_code = 130


def apply(wiring: Wiring, orders: Orders, talk: Conversation) -> int:
    """Make what is declared real; return the exit code of the contract.

    Everything that happens is in the log before it happens.  The last event is always `run.finished`,
    also when a ReconcilerError or KeyboardInterrupt leaves this function.
    """
    run = _Apply(wiring, orders, talk)
    try:
        with rescued(wiring, run.name, run.logs):
            code = run.perform()
    except ReconcilerError as error:
        run.finish(error.exit_code, error.message)
        raise
    except (KeyboardInterrupt, asyncio.CancelledError):
        run.finish(130, "interrupted; everything done is recorded")
        raise KeyboardInterrupt from None
    except Exception:
        run.finish(1, "a defect of the program; everything done is recorded")
        raise
    run.finish(code, run.message)
    return code


@dataclass(slots=True)
class _Apply:
    """One apply, from the first look at the log to the last event.

    `learned` is what it has to tell the log of names that it looked up; `candidates` what look-ups found for doubts;
    `logs` are what it wrote through.
    """

    wiring: Wiring
    orders: Orders
    talk: Conversation
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    counts: dict[str, int] = field(default_factory=dict)
    desired: Desired | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    learned: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    candidates: dict[Address, Sequence[str]] = field(default_factory=dict)
    in_doubt: list[JSONObject] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    message: str = ""

    def perform(self) -> int:
        saved = None if self.orders.saved is None else self._read(self.orders.saved)
        if saved is None:
            self.desired = self.wiring.desired()
        project = self.wiring.project() if self.desired is None else self.desired.project
        with closing(self.wiring.backend(project)) as backend:
            for left in reversed(range(ATTEMPTS)):
                try:
                    return self._attempt(backend, saved, project)
                except Conflict as error:  # only the lease, before anything is sent, says that the plan has aged
                    if saved is not None or not left:
                        raise
                    self.talk.note(f"planning again: {error.message}")
            raise AssertionError("the last attempt returns or raises")

    def _attempt(self, backend: Backend, saved: Plan | None, project: Project) -> int:
        """Plan on the state as it is now, ask, and perform that; raises Conflict when others were quicker."""
        from reconciler.planning import safety
        from reconciler.state.log import read

        recorded = read(backend)
        refuse_moved(recorded)
        if saved is None:
            self.targets = planner.targets_of(self.wiring, self._declared(), recorded)
            if not self.orders.retarget:
                planner.check_places(recorded, self.targets)
            recorded = self._settled(backend, recorded)
            plan = self._plan(recorded)
        else:
            plan = self._verified(saved, recorded, project)
        allowed = self.orders.allow_deletes
        self.talk.show(plan, planner.warnings(self.wiring, plan, recorded, project, allow_deletes=allowed))
        self._tell_pretended()
        safety.refuse(plan, recorded, project.safety, allowed)
        told = self.learned or self.orders.retarget
        if not plan.steps and not plan.pending and saved is None and not told:
            return self._ended(0, recorded)
        # nothing is held while a person thinks: what the answer is about is checked when the lease is taken
        if plan.steps and saved is None and not self.talk.confirm():
            raise Declined("not confirmed; nothing was sent")
        return asyncio.run(self._execute(backend, plan, saved))

    def _tell_pretended(self) -> None:
        """Schedules will count from a pretended instant, and stand still until it has come."""
        now = self.wiring.clock.now()
        if now > self.wiring.clock.wall():
            self.talk.note(
                f"RECONCILER_NOW pretends {instant(now)}, which is still to come: schedules that are recorded now"
                " count from then"
            )

    def finish(self, code: int, message: str = "") -> None:
        """Tell how it ended."""
        self._tell(
            EventType.RUN_FINISHED,
            {
                "run": self.name,
                "counts": dict(self.counts),
                "exit_code": code,
                **({"message": message} if message else {}),
                **({"in_doubt": list(self.in_doubt)} if self.in_doubt else {}),
            },
        )

    def _ended(self, code: int, recorded: Recorded) -> int:
        """The exit code, which is not 0 while something is in doubt; then it is said what."""
        other = at_work(recorded, self.wiring.clock.wall())
        self.in_doubt = []
        for doubt in open_doubts(recorded, self.wiring.settings, self.candidates):
            if other is not None and doubt["run"] == other.run != self.name:
                who = f"`{other.holder.command}` of {other.holder.user} on {other.holder.host}"
                self.talk.note(f"{doubt['address']}: {who} is just doing that, run {other.run}")
            else:
                self.in_doubt.append(doubt)
        doubtful = list(dict.fromkeys(doubt["address"] for doubt in self.in_doubt))
        if doubtful:
            known = ", ".join(doubtful[:_SHOWN]) + (" and more" if len(doubtful) > _SHOWN else "")
            self.message = f"in doubt: {known}; `state settle` looks again or takes your word"
            self.talk.note(self.message)
            self.talk.doubts(self.in_doubt[:_SHOWN])
        return code or (7 if doubtful else 0)

    def _tell(self, type_: EventType, data: dict[str, JSON]) -> None:
        self._emit(Event(type_, self._now(), data=data))

    def _emit(self, event: Event) -> None:
        """Pass an event on, and count how steps end, so that the counts are right whatever happens."""
        from reconciler.engine.result import COUNTED

        if event.address is not None and event.data.get("candidates"):
            self.candidates[event.address] = event.data["candidates"]
        if event.type in COUNTED:
            name = COUNTED[event.type]
            self.counts[name] = self.counts.get(name, 0) + 1
        self.talk.emit(event)

    def _found(self, doubt: Doubt, finding: Settlement) -> None:
        """Tell what a look-up found of what an earlier run left in doubt."""
        data: dict[str, JSON] = {"action": doubt.action.value, "operation": doubt.operation, "of_run": doubt.run}
        match finding:
            case Done():
                data |= {"finding": "applied", "id": finding.id, "notes": list(finding.notes)}
            case Unclear():
                data |= {"finding": "unclear", "reason": finding.reason, "candidates": list(finding.candidates)}
            case _:
                data["finding"] = "absent"
        self._emit(Event(EventType.STEP_SETTLED, self._now(), doubt.address, data))

    def _now(self) -> str:
        return instant(SystemClock().wall())

    def _read(self, file: Path) -> Plan:
        from reconciler.planning.codec import parse

        try:
            data = file.read_bytes()
        except OSError as error:
            raise PlanRefused(f"cannot read the plan {file}: {error.strerror}", "make it with `plan --out`") from error
        return parse(data, self.wiring.plan_key)

    def _settled(self, backend: Backend, recorded: Recorded) -> Recorded:
        """The state once everything in doubt was looked up."""
        doubtful = doubtful_providers(recorded)
        if not doubtful:
            return recorded
        return asyncio.run(self._settle(backend, doubtful))

    async def _settle(self, backend: Backend, names: Collection[str]) -> Recorded:
        from reconciler.engine.settle import settle

        log = self._log(backend)
        async with AsyncExitStack() as stack:
            providers = await self._connect(stack, names, log)
            stop = stack.enter_context(stop_on_signal(self.talk.note))
            await stack.enter_async_context(self._lease(log, self._started(), stop))
            check_doubtful(log.recorded, names)
            await settle(
                run=self.name,
                providers=providers,
                journal=log,
                clock=self.wiring.clock,
                options=self.orders.options,
                stop=stop,
                note=self.talk.note,
                found=self._found,
            )
        if stop.is_set():
            raise KeyboardInterrupt
        return log.recorded

    def _plan(self, recorded: Recorded) -> Plan:
        service, observed = self._service(recorded), None
        look = names.Look.ALWAYS if self.orders.refresh else names.Look.UNKNOWN
        naming = names.declared(self.wiring, self._declared(), recorded, service, look=look, select=self.orders.select)
        filled = asyncio.run(naming)
        desired, self.learned = filled.value, names.news(recorded, service, filled.asked)
        if self.orders.refresh:
            looking = planner.observe(self.wiring, desired, recorded, self.targets, timeout=self.orders.timeout)
            observed = asyncio.run(looking)
        return planner.make(
            self.wiring, desired, recorded, self.targets, observed=observed, select=self.orders.select
        ).plan

    def _service(self, recorded: Recorded) -> names.Service:
        elsewhere = planner.elsewhere(recorded, self.targets)
        return names.Service(self.targets, elsewhere, self.orders.timeout)

    def _declared(self) -> Desired:
        return self.wiring.desired() if self.desired is None else self.desired

    def _verified(self, saved: Plan, recorded: Recorded, project: Project) -> Plan:
        """The saved plan, if it may still be performed; raises PlanRefused."""
        from reconciler.planning import validity

        self.desired = self.wiring.load().desired  # only for an organization that is named nowhere but in manifests
        self.targets = self.wiring.targets(project, saved.targets, self.desired)
        validity.verify(
            saved,
            recorded=recorded,
            now=self.wiring.clock.now(),
            environment=self.wiring.settings.environment,
            targets=self.targets,
        )
        service = self._service(recorded)
        filled = asyncio.run(names.saved(self.wiring, saved, recorded, service, self.desired))
        self.learned = names.news(recorded, service, filled.asked)
        return filled.value

    async def _connect(self, stack: AsyncExitStack, names: Collection[str], log: Log) -> dict[str, Provider]:
        wanted = {name: self.targets[name] for name in sorted(names)}
        concurrency = self.orders.options.concurrency
        return await self.wiring.connect(
            stack,
            wanted,
            timeout=self.orders.timeout,
            concurrency=concurrency,
            desired=self.desired,
            permit=log.permit,
        )

    def _started(self, *, plan: str | None = None, places: Mapping[str, str] | None = None) -> RunStarted:
        """The entry that a run begins with; only a run of a plan that was agreed to says new `places`."""
        from reconciler.state.holder import this_holder

        commit = planner.git_commit(self.wiring.settings.folder)
        return RunStarted(
            self.name, self._now(), this_holder("apply"), TOOL, commit=commit, plan=plan, places=places or {}
        )

    def _log(self, backend: Backend) -> Log:
        from reconciler.state.log import Log

        log = Log(backend, self.wiring.clock, note=self.talk.note)
        self.logs.append(log)
        return log

    def _lease(
        self,
        log: Log,
        started: RunStarted,
        stop: asyncio.Event,
        *,
        expect: int | None = None,
        learned: Sequence[Resolved] = (),
    ) -> Lease:
        entries: list[Entry] = [started, *learned]
        return self.wiring.lease(
            log,
            run=self.name,
            command="apply",
            note=self.talk.note,
            expect=expect,
            extra=entries,
            stop=stop.is_set,
        )

    async def _execute(self, backend: Backend, plan: Plan, saved: Plan | None) -> int:
        from reconciler.delivery.files import Folder
        from reconciler.engine.run import run

        log = self._log(backend)
        addresses = [*(step.address for step in plan.steps), *(pending.address for pending in plan.pending)]
        async with AsyncExitStack() as stack:
            stack.push_async_callback(log.idle)
            providers = await self._connect(stack, {address.provider for address in addresses}, log)
            stop = stack.enter_context(stop_on_signal(self.talk.note))
            leased = await stack.enter_async_context(AsyncExitStack())
            started = self._started(plan=saved.digest if saved else None, places=planner.known_places(self.targets))
            learned = [Resolved(self.name, self._now(), provider, found) for provider, found in self.learned.items()]
            if plan.steps:
                await leased.enter_async_context(self._lease(log, started, stop, expect=plan.position, learned=learned))
            else:
                await log.refresh()
                await log.record([started, *learned])
            self._tell(EventType.RUN_STARTED, {"run": self.name, "steps": len(plan.steps), "plan": plan.digest})
            result = await run(
                plan,
                run=self.name,
                providers=providers,
                journal=log,
                clock=self.wiring.clock,
                deliver=Folder(DOWNLOADS),
                emit=self._emit,
                options=self.orders.options,
                stop=stop,
                content=self.wiring.content,
                mutated=leased.aclose,
            )
            code = self._ended(result.exit_code(), log.recorded)
            await log.record([RunFinished(self.name, self._now(), code, self.counts)])
        return code
