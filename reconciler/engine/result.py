"""What a run came to, counted from the events it told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from reconciler.engine import timing
from reconciler.model.event import Emit, Event, EventType
from reconciler.model.outcome import Cause
from reconciler.model.ports import Clock
from reconciler.model.values import JSON, Address

COUNTED: Final[Mapping[EventType, str]] = MappingProxyType(
    {
        EventType.STEP_APPLIED: "applied",
        EventType.STEP_REJECTED: "rejected",
        EventType.STEP_DOUBTED: "doubted",
        EventType.STEP_SKIPPED: "skipped",
        EventType.EXPORT_ACCEPTED: "accepted",
        EventType.EXPORT_DELIVERED: "delivered",
        EventType.EXPORT_FAILED: "failed",
    }
)
"""The name under which each terminal event is counted."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended.  `counts` has every name of `COUNTED`; `unfinished` counts accepted exports
    that were meant to be waited for; `refused` counts what went wrong because of credentials."""

    counts: Mapping[str, int]
    unfinished: int = 0
    refused: int = 0
    interrupted: bool = False

    def exit_code(self) -> int:
        """0, 4, 7 or 130, as the command line promises."""
        counts = self.counts
        failures = counts["rejected"] + counts["doubted"] + counts["failed"] + self.unfinished
        if self.interrupted and (counts["skipped"] or counts["doubted"] or self.unfinished):
            return 130
        started = counts["accepted"] - self.unfinished
        if failures and failures == self.refused and not (counts["applied"] or counts["delivered"] or started):
            return 4
        return 7 if failures or counts["skipped"] else 0


class Teller:
    """Turns what happens into events, and counts them.

    Every event has `action`.  Further keys: `id` on step.applied (with `notes`, and `settled` after a
    look-up); `cause`, `code`, `message` on step.rejected; `reason` on step.doubted (with `candidates` that a
    look-up gave) and step.skipped;
    `occurrence`, `export_id` on every export event past its start (and `earlier` when an earlier run started
    it); `state`, `seconds` or `message` on export.progress; `reason` on an export.accepted that should
    have been more; `location`, `sha256`, `bytes` on export.delivered; `code`, `message`, `ran` on export.failed.
    """

    def __init__(self, emit: Emit, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        self._counts = dict.fromkeys(COUNTED.values(), 0)
        self._unfinished = 0
        self._refused = 0

    def tell(self, type_: EventType, address: Address, data: Mapping[str, JSON]) -> None:
        """Emit one event; keys whose value is None are left out."""
        if type_ in COUNTED:
            self._counts[COUNTED[type_]] += 1
            self._unfinished += type_ is EventType.EXPORT_ACCEPTED and "reason" in data
            self._refused += data.get("cause") == Cause.CREDENTIALS
        kept = {key: value for key, value in data.items() if value is not None}
        self._emit(Event(type_, timing.wall(self._clock), address, kept))

    def result(self, *, interrupted: bool) -> Result:
        """What has been told so far."""
        return Result(dict(self._counts), self._unfinished, self._refused, interrupted)
