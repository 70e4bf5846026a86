"""What every part of a run works with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.engine import timing
from reconciler.engine.board import Board
from reconciler.engine.options import Options
from reconciler.model.canonical import canonical, digest
from reconciler.model.errors import Locked
from reconciler.model.outcome import Cause, Outcome, Refused, Request
from reconciler.model.plan import Step
from reconciler.model.ports import Clock, Journal, Provider
from reconciler.model.recorded import Resource
from reconciler.model.values import JSON, Address, JSONObject

ContentDigest: TypeAlias = Callable[[Address, JSONObject], str]
"""The digest of the part of a normalised export spec that decides about the file."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One run's ports and choices; `created` is the instant its plan was made at.

    `halted` says whether the run has broken: then nothing more may be sent; `halt` breaks it.  `creates` are the
    addresses for which the plan makes an object.
    """

    run: str
    created: str
    providers: Mapping[str, Provider]
    journal: Journal
    clock: Clock
    options: Options
    content: ContentDigest
    board: Board
    halted: Callable[[], bool]
    halt: Callable[[Exception], None]
    creates: Collection[Address] = ()

    def at(self) -> str:
        """The real instant, as entries hold it."""
        return timing.wall(self.clock)

    def operation(self, index: int) -> str:
        """The name that joins the entries of a step; unique in the log, as runs are."""
        return f"{self.run}.{index}"

    def due_from(self, step: Step) -> str | None:
        """The instant from which an export's schedule counts; None when that stays as it was."""
        if step.after is None or not step.address.is_export:
            return None
        record = self.journal.recorded.exports.get(step.address)
        if record is not None and same(record.spec.get("schedule"), step.after.get("schedule")):
            return None
        return self.created

    async def send(self, provider: Provider, request: Request) -> Outcome:
        """Send what has been intended, unless the run has broken meanwhile, or has lost its lease."""
        if self.halted():
            return Refused(Cause.UNSENT, "UNSENT", "the run broke off before this was sent")
        try:
            return await provider.perform(request)
        except Locked as error:
            self.halt(error)
            return Refused(Cause.UNSENT, "LOCKED", error.message)


class Ids(Mapping[Address, str]):
    """The ids of recorded objects by address, always as they are now; nothing is copied."""

    def __init__(self, resources: Mapping[Address, Resource]) -> None:
        self._resources = resources

    def __getitem__(self, address: Address) -> str:
        return self._resources[address].id

    def __iter__(self) -> Iterator[Address]:
        return iter(self._resources)

    def __len__(self) -> int:
        return len(self._resources)


def divergent(content: JSON, after: JSON) -> JSON:
    """The live content where it is not what was asked for, else None."""
    return None if content is None or same(content, after) else content


def same(left: JSON, right: JSON) -> bool:
    """Whether two values are equal as JSON; what canonical JSON cannot hold equals nothing."""
    try:
        return canonical(left) == canonical(right)
    except ValueError:
        return False


def has_digest(value: JSON, expected: str) -> bool:
    """Whether a value has that digest; what canonical JSON cannot hold has none."""
    try:
        return digest(value) == expected
    except ValueError:
        return False
