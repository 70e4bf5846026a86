"""The steps of a plan and how far each has come: what may start, what must not any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from reconciler.engine.result import Teller
from reconciler.model.event import EventType
from reconciler.model.outcome import Cause, Refused
from reconciler.model.plan import Action, Step
from reconciler.model.values import JSON


class _Stage(Enum):
    WAITING = auto()
    BEGUN = auto()
    INTENDED = auto()
    DOUBTFUL = auto()
    RUNNING = auto()
    ENDED = auto()


_WORDS = {
    EventType.STEP_REJECTED: "was rejected",
    EventType.STEP_DOUBTED: "is in doubt",
    EventType.STEP_SKIPPED: "was skipped",
    EventType.EXPORT_FAILED: "failed",
}


class Board:
    """Steps by their index in the plan.  Each ends once; what depends on a failure is skipped with it.

    A step waits for the one before it at its own address, and for the last one at each address it
    needs; an address that has no step in the plan is not waited for.
    """

    def __init__(self, steps: Sequence[Step], teller: Teller) -> None:
        self._steps = steps
        self._teller = teller
        self._stages = [_Stage.WAITING] * len(steps)
        self._missing = [0] * len(steps)
        self._followers: list[list[int]] = [[] for _ in steps]
        self._doubts: dict[str, tuple[int, str, tuple[str, ...]]] = {}
        last = {step.address: index for index, step in enumerate(steps)}
        latest: dict[object, int] = {}
        for index, step in enumerate(steps):
            before = {last[need] for need in step.needs if need in last and need != step.address}
            if step.address in latest:
                before.add(latest[step.address])
            latest[step.address] = index
            self._missing[index] = len(before)
            for earlier in before:
                self._followers[earlier].append(index)
        self._ready = deque(index for index, missing in enumerate(self._missing) if not missing)

    def next(self) -> int | None:
        """A step that may start now, marked as begun; None when there is none."""
        while self._ready:
            index = self._ready.popleft()
            if self._stages[index] is _Stage.WAITING:
                self._stages[index] = _Stage.BEGUN
                self._teller.tell(EventType.STEP_STARTED, self._steps[index].address, self._about(index))
                return index
        return None

    def intended(self, index: int) -> None:
        """The intention is durable: from here on nobody knows, until an outcome is recorded."""
        self._stages[index] = _Stage.INTENDED

    def applied(self, index: int, **data: JSON) -> None:
        """The step is done and recorded; what waited for it may start."""
        self._end(index, EventType.STEP_APPLIED, data)
        self._release(index)

    def running(self, index: int, **data: JSON) -> None:
        """The service runs an export; `end` tells how that went."""
        self._stages[index] = _Stage.RUNNING
        self._teller.tell(EventType.EXPORT_STARTED, self._steps[index].address, {**self._about(index), **data})
        self._release(index)

    def doubtful(self, index: int, operation: str, reason: str) -> None:
        """Nobody knows, and a look-up may tell: it stays open until `settled` or `close`."""
        self._stages[index] = _Stage.DOUBTFUL
        self._doubts[operation] = (index, reason, ())

    def doubts(self) -> dict[str, str]:
        """The provider of every open doubt, by operation."""
        return {operation: self._steps[index].address.provider for operation, (index, *_) in self._doubts.items()}

    def unclear(self, operation: str, finding: str, candidates: tuple[str, ...]) -> None:
        """A look-up could not resolve the doubt; no effect for one that is not on the board."""
        if operation in self._doubts:
            index, reason, _ = self._doubts[operation]
            self._doubts[operation] = (index, f"{reason}; {finding}", candidates)

    def settled(self, operation: str, **data: JSON) -> None:
        """A look-up found that the doubtful step happened; no effect for one that is not on the board."""
        if operation in self._doubts:
            index, *_ = self._doubts.pop(operation)
            self.applied(index, settled=True, **data)

    def rejected(self, index: int, refused: Refused) -> None:
        """The step did not happen; an export that was refused has failed.

        Who was refused because of credentials is not asked for anything further.
        """
        data = {"cause": refused.cause.value, "code": refused.code, "message": refused.message}
        if self._steps[index].action is Action.EXPORT:
            self.failed(index, EventType.EXPORT_FAILED, ran=False, **data)
        else:
            self.failed(index, EventType.STEP_REJECTED, **data)
        if refused.cause is Cause.CREDENTIALS:
            provider = self._steps[index].address.provider
            self._bar(provider, f"{provider} does not accept the credentials")

    def failed(self, index: int, type_: EventType, **data: JSON) -> None:
        """The step came to nothing; everything that waited for it is skipped."""
        self._end(index, type_, data)
        reason = f"depends on {self._steps[index].address}, which {_WORDS[type_]}"
        queue = deque(self._followers[index])
        while queue:
            follower = queue.popleft()
            if self._stages[follower] is _Stage.WAITING:
                self._end(follower, EventType.STEP_SKIPPED, {"reason": reason})
                queue.extend(self._followers[follower])

    def end(self, index: int, type_: EventType, data: Mapping[str, JSON]) -> None:
        """A running export is over, or left to itself."""
        self._end(index, type_, data)

    def finish(self, reason: str) -> None:
        """End every step that has not ended, except exports that run: what may have been sent is in
        doubt, the rest is skipped."""
        for index, doubt, candidates in self._doubts.values():
            self.failed(index, EventType.STEP_DOUBTED, reason=doubt, candidates=list(candidates) or None)
        self._doubts.clear()
        for index, stage in enumerate(self._stages):
            if stage is _Stage.INTENDED:
                self.failed(index, EventType.STEP_DOUBTED, reason=reason)
        for index, stage in enumerate(self._stages):
            if stage not in (_Stage.RUNNING, _Stage.ENDED):
                self._end(index, EventType.STEP_SKIPPED, {"reason": reason})

    def close(self, reason: str) -> None:
        """End whatever has not ended; an export that runs is left in flight."""
        self.finish(reason)
        for index, stage in enumerate(self._stages):
            if stage is _Stage.RUNNING:
                self._end(index, EventType.EXPORT_ACCEPTED, {"reason": reason})

    def _bar(self, provider: str, reason: str) -> None:
        for index, step in enumerate(self._steps):
            if step.address.provider == provider and self._stages[index] is _Stage.WAITING:
                self._end(index, EventType.STEP_SKIPPED, {"reason": reason})

    def _about(self, index: int) -> dict[str, JSON]:
        step = self._steps[index]
        return {"action": step.action.value, "occurrence": step.occurrence}

    def _release(self, index: int) -> None:
        for follower in self._followers[index]:
            self._missing[follower] -= 1
            if not self._missing[follower]:
                self._ready.append(follower)

    def _end(self, index: int, type_: EventType, data: Mapping[str, JSON]) -> None:
        self._stages[index] = _Stage.ENDED
        self._teller.tell(type_, self._steps[index].address, {**self._about(index), **data})
