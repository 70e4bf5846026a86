"""What a run tells while it runs; one event is one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from reconciler.model.values import JSON, Address


class EventType(StrEnum):
    """The kinds of event.  Each planned step ends in exactly one that `is_terminal`; `step.settled` is about a step of
    an earlier run."""

    RUN_STARTED = "run.started"
    STEP_SETTLED = "step.settled"
    STEP_STARTED = "step.started"
    STEP_APPLIED = "step.applied"
    STEP_REJECTED = "step.rejected"
    STEP_DOUBTED = "step.doubted"
    STEP_SKIPPED = "step.skipped"
    EXPORT_STARTED = "export.started"
    EXPORT_PROGRESS = "export.progress"
    EXPORT_ACCEPTED = "export.accepted"
    EXPORT_DELIVERED = "export.delivered"
    EXPORT_FAILED = "export.failed"
    RUN_FINISHED = "run.finished"

    @property
    def is_terminal(self) -> bool:
        """Whether a step or an export ends with it."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        EventType.STEP_APPLIED,
        EventType.STEP_REJECTED,
        EventType.STEP_DOUBTED,
        EventType.STEP_SKIPPED,
        EventType.EXPORT_ACCEPTED,
        EventType.EXPORT_DELIVERED,
        EventType.EXPORT_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at `time` (RFC 3339, UTC); `data` holds plain JSON, more keys may come."""

    type: EventType
    time: str
    address: Address | None = None
    data: dict[str, JSON] = field(default_factory=dict)


Emit: TypeAlias = Callable[[Event], None]
