"""Events, one line each."""

from __future__ import annotations

import json
from typing import Final

from reconciler.model.event import Event, EventType
from reconciler.model.values import JSON
from reconciler.render.escape import literal, plain
from reconciler.render.words import count

_WORDS: Final = {
    EventType.RUN_STARTED: "started",
    EventType.STEP_SETTLED: "looked up",
    EventType.STEP_STARTED: "begins",
    EventType.STEP_APPLIED: "done",
    EventType.STEP_REJECTED: "REJECTED",
    EventType.STEP_DOUBTED: "IN DOUBT",
    EventType.STEP_SKIPPED: "SKIPPED",
    EventType.EXPORT_STARTED: "started",
    EventType.EXPORT_PROGRESS: "waiting",
    EventType.EXPORT_ACCEPTED: "accepted",
    EventType.EXPORT_DELIVERED: "delivered",
    EventType.EXPORT_FAILED: "FAILED",
    EventType.RUN_FINISHED: "finished",
}

_SHOWN: Final = (
    ("id", "id {}"),
    ("export_id", "export {}"),
    ("occurrence", "scheduled for {}"),
    ("state", "{}"),
    ("finding", "{}"),
    ("seconds", "after {} s"),
    ("location", "{}"),
    ("bytes", "{} bytes"),
    ("sha256", "sha256 {}"),
    ("code", "{}"),
    ("message", "{}"),
    ("reason", "{}"),
    ("notes", "{}"),
    ("warnings", "{}"),
    ("steps", "{}"),
    ("counts", "{}"),
    ("exit_code", "exit code {}"),
)


def event_jsonl(event: Event) -> str:
    """Return `reconciler.event/1` on one line with its line end; data never hides what every event has."""
    own: dict[str, JSON] = {"format": "reconciler.event/1", "time": event.time, "type": event.type.value}
    if event.address is not None:
        own["address"] = str(event.address)
    return json.dumps({**own, **event.data, **own}, allow_nan=False) + "\n"


def event_text(event: Event) -> str:
    """Return one plain line with its line end; data it does not know is left out."""
    return event_line(event) + "\n"


def summary_text(finished: Event) -> str:
    """Return the last line of a run for people: how many steps ended how, from its `run.finished`."""
    head = "Done" if finished.data.get("exit_code") == 0 else "Not everything is done"
    return f"{head}: {_text(finished.data.get('counts') or {})}.\n"


def event_line(event: Event) -> str:
    """The line without its end: what, where, how it went, and what else is worth knowing."""
    what = plain(f"{event.data.get('action', event.type.value.split('.')[0])}")
    where = plain(str(event.address)) if event.address else plain(f"{event.data.get('run', '')}")
    data = {**event.data, "steps": _steps(event.data.get("steps"))}
    details = "; ".join(form.format(_text(data[key])) for key, form in _SHOWN if _told(data.get(key)))
    head = " ".join(filter(None, (what, where)))
    return f"{plain(event.time)} {head}: {_WORDS[event.type]}" + (f" ({details})" if details else "")


def _steps(number: JSON) -> JSON:
    return count(number, "step") if isinstance(number, int) else number


def _told(value: JSON) -> bool:
    return value not in (None, "", [], {})


def _text(value: JSON) -> str:
    """A value as a person would write it."""
    if isinstance(value, dict):
        return ", ".join(f"{_text(item)} {plain(key)}" for key, item in value.items() if item) or "nothing done"
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if isinstance(value, str):
        return plain(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else literal(value)
