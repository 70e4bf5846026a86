"""Plan, ask, perform; or perform exactly a saved plan."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.app import plan as planner
from reconciler.app.interrupt import stop_on_signal
from reconciler.app.settings import TOOL
from reconciler.app.wiring import Wiring
from reconciler.model.entry import RunFinished, RunStarted
from reconciler.model.errors import PlanRefused, ReconcilerError
from reconciler.model.event import Emit, Event, EventType
from reconciler.model.manifest import Desired, Project
from reconciler.model.plan import Plan, Target
from reconciler.model.ports import Provider
from reconciler.model.values import JSON

if TYPE_CHECKING:
    from reconciler.engine.options import Options
    from reconciler.state.log import Log

DOWNLOADS = Path("exports")
"""Where files go, relative to the working directory."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What was asked for.  `saved` is a plan file, None to plan afresh; `timeout` bounds one request, in seconds."""

    options: Options
    saved: Path | None = None
    timeout: float = 30.0
    allow_deletes: int | None = None
    select: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """How the use case talks to whoever started it.

    `show` gets the plan, and what the rails say of it, before anything is sent; `confirm` answers
    whether to go on; `note` takes a sentence about what is found out or waited for.
    """

    show: Callable[[Plan, Sequence[str]], None]
    confirm: Callable[[], bool]
    emit: Emit
    note: Callable[[str], None]


class Declined(ReconcilerError):
    """The person said no; nothing was sent."""

    exit_code = 130


async def apply(wiring: Wiring, orders: Orders, talk: Conversation) -> int:
    """Make what is declared real; return the exit code of the contract.

    Everything that happens is in the log before it happens.  The last event is always `run.finished`,
    also when a ReconcilerError leaves this function.
    """
    run = _Apply(wiring, orders, talk)
    try:
        async with AsyncExitStack() as stack:
            run.code = await run.perform(stack)
    except ReconcilerError as error:
        run.finish(error.exit_code, error.message)
        raise
    except asyncio.CancelledError:
        run.finish(130, "interrupted; everything done is recorded")
        raise KeyboardInterrupt from None
    run.finish(run.code)
    return run.code


@dataclass(slots=True)
class _Apply:
    """One apply, from the first look at the log to the last event."""

    wiring: Wiring
    orders: Orders
    talk: Conversation
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    counts: dict[str, int] = field(default_factory=dict)
    code: int = 0
    desired: Desired | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    providers: dict[str, Provider] = field(default_factory=dict)
    lease: AsyncExitStack = field(default_factory=AsyncExitStack)
    leased: bool = False

    async def perform(self, stack: AsyncExitStack) -> int:
        from reconciler.planning import safety
        from reconciler.state.log import Log

        saved = None if self.orders.saved is None else self._read(self.orders.saved)
        if saved is None:
            self.desired = self.wiring.desired()
        project = self.wiring.project() if self.desired is None else self.desired.project
        log = Log(stack.enter_context(closing(self.wiring.backend(project))), self.wiring.clock)
        await log.refresh()
        await stack.enter_async_context(self.lease)
        stop = stack.enter_context(stop_on_signal())
        plan = await self._plan(stack, log, stop) if saved is None else self._verified(saved, log, project)
        allowed = self.orders.allow_deletes
        self.talk.show(plan, safety.warnings(plan, log.recorded, project.safety, allowed))
        safety.refuse(plan, log.recorded, project.safety, allowed)
        if not plan.steps and not plan.pending:
            return _in_doubt(log)
        if plan.steps and saved is None and not await asyncio.to_thread(self.talk.confirm):
            raise Declined("not confirmed; nothing was sent")
        return await self._execute(stack, plan, log, stop, saved)

    def finish(self, code: int, message: str = "") -> None:
        """Tell how it ended."""
        self._tell(
            EventType.RUN_FINISHED,
            {
                "run": self.name,
                "counts": dict(self.counts),
                "exit_code": code,
                **({"message": message} if message else {}),
            },
        )

    def _tell(self, type_: EventType, data: dict[str, JSON]) -> None:
        self._emit(Event(type_, self._now(), data=data))

    def _emit(self, event: Event) -> None:
        """Pass an event on, and count how steps end, so that the counts are right whatever happens."""
        from reconciler.engine.result import COUNTED

        if event.type in COUNTED:
            name = COUNTED[event.type]
            self.counts[name] = self.counts.get(name, 0) + 1
        self.talk.emit(event)

    def _now(self) -> str:
        return self.wiring.clock.wall().isoformat(timespec="seconds").replace("+00:00", "Z")

    def _read(self, file: Path) -> Plan:
        from reconciler.planning.codec import parse

        try:
            data = file.read_bytes()
        except OSError as error:
            raise PlanRefused(f"cannot read the plan {file}: {error.strerror}", "make it with `plan --out`") from error
        return parse(data, self.wiring.plan_key)

    async def _plan(self, stack: AsyncExitStack, log: Log, stop: asyncio.Event) -> Plan:
        """Settle what is in doubt, then plan what is left to do."""
        from reconciler.engine.settle import settle

        desired = self.wiring.desired() if self.desired is None else self.desired
        self.targets = planner.targets_of(self.wiring, desired, log.recorded)
        doubtful = {doubt.address.provider for doubt in log.recorded.in_doubt.values()}
        if doubtful:
            await self._connect(stack, doubtful)
            await self._take_lease(log, expect=log.recorded.position)
            await settle(
                run=self.name,
                providers=self.providers,
                journal=log,
                clock=self.wiring.clock,
                options=self.orders.options,
                stop=stop,
                note=self.talk.note,
            )
        return planner.make(self.wiring, desired, log.recorded, self.targets, select=self.orders.select).plan

    def _verified(self, saved: Plan, log: Log, project: Project) -> Plan:
        """The saved plan, if it may still be performed; raises PlanRefused."""
        from reconciler.planning import validity

        desired = self.wiring.load().desired  # only for an organization that is named nowhere but in manifests
        self.targets = self.wiring.targets(project, saved.targets, desired)
        validity.verify(
            saved,
            recorded=log.recorded,
            now=self.wiring.clock.now(),
            environment=self.wiring.settings.environment,
            targets=self.targets,
        )
        self.desired = desired
        return saved

    async def _connect(self, stack: AsyncExitStack, names: Collection[str]) -> None:
        missing = {name: self.targets[name] for name in sorted(names) if name not in self.providers}
        options = self.orders.options
        self.providers |= await self.wiring.connect(
            stack, missing, timeout=self.orders.timeout, concurrency=options.concurrency, desired=self.desired
        )

    async def _take_lease(self, log: Log, *, expect: int, plan: str | None = None) -> None:
        from reconciler.state.holder import this_holder
        from reconciler.state.lease import take_lease

        holder = this_holder("apply")
        commit = planner.git_commit(self.wiring.settings.folder)
        started = RunStarted(self.name, self._now(), holder, TOOL, commit=commit, plan=plan)
        lease = take_lease(log, run=self.name, holder=holder, clock=self.wiring.clock, expect=expect, extra=[started])
        await self.lease.enter_async_context(lease)
        self.leased = True

    async def _execute(
        self, stack: AsyncExitStack, plan: Plan, log: Log, stop: asyncio.Event, saved: Plan | None
    ) -> int:
        from reconciler.delivery.files import Folder
        from reconciler.engine.run import run

        addresses = [*(step.address for step in plan.steps), *(pending.address for pending in plan.pending)]
        await self._connect(stack, {address.provider for address in addresses})
        if plan.steps and not self.leased:
            await self._take_lease(log, expect=plan.position, plan=saved.digest if saved else None)
        self._tell(EventType.RUN_STARTED, {"run": self.name, "steps": len(plan.steps), "plan": plan.digest})
        result = await run(
            plan,
            run=self.name,
            providers=self.providers,
            journal=log,
            clock=self.wiring.clock,
            deliver=Folder(DOWNLOADS),
            emit=self._emit,
            options=self.orders.options,
            stop=stop,
            content=self.wiring.content,
            mutated=self.lease.aclose,
        )
        code = result.exit_code() or _in_doubt(log)
        await log.record([RunFinished(self.name, self._now(), code, self.counts)])
        return code


def _in_doubt(log: Log) -> int:
    """7 while nobody knows what became of something, else 0."""
    exports = log.recorded.exports.values()
    return 7 if log.recorded.in_doubt or any(kept.run is not None and kept.run.unknown for kept in exports) else 0
