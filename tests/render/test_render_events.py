from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from reconciler.model.event import Event, EventType
from reconciler.model.values import Address
from reconciler.render import renderer
from reconciler.render.live import Live

# A busy machine is slow, not wrong.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Golden = Callable[[str, str], None]
REPORT, EXPORT = Address("blue", "report", "emea"), Address("pipefy", "export", "weekly")


def at(type_: EventType, address: Address | None = None, **data: Any) -> Event:
    return Event(type_, "2026-11-23T06:30:00Z", address, data)


@pytest.fixture
def told(evil: str) -> list[Event]:
    run = {"action": "export", "occurrence": "2026-11-23T06:00:00Z", "export_id": "77"}
    return [
        at(EventType.RUN_STARTED, run="r1", steps=1200),
        at(EventType.STEP_SETTLED, REPORT, action="create", finding="unclear", reason=evil, candidates=[evil, "clx2"]),
        at(EventType.STEP_STARTED, REPORT, action="create"),
        at(EventType.STEP_APPLIED, REPORT, action="create", id=evil, notes=["kept as it was", evil], settled=True),
        at(EventType.STEP_REJECTED, REPORT, action="update", cause="service", code="BAD_USER_INPUT", message=evil),
        at(EventType.STEP_DOUBTED, REPORT, action="delete", reason=evil, candidates=["clx1"]),
        at(EventType.STEP_SKIPPED, REPORT, action="update", reason="depends on blue/report/x, which failed"),
        at(EventType.EXPORT_STARTED, EXPORT, **run),
        at(EventType.EXPORT_PROGRESS, EXPORT, **run, state="processing", seconds=1234, message=None),
        at(EventType.EXPORT_ACCEPTED, EXPORT, **run),
        at(EventType.EXPORT_DELIVERED, EXPORT, **run, location="exports/a.xlsx", sha256="ab" * 32, bytes=1234567),
        at(EventType.EXPORT_FAILED, EXPORT, **run, code="FAILED", message="no reason given", ran=True),
        at(EventType.STEP_APPLIED, REPORT, action={"odd": 1}, id=7, new_key=["x"], warnings=[evil], seconds=0.5),
        at(EventType.STEP_APPLIED, REPORT),
        at(EventType.RUN_FINISHED, run="r1", counts={"applied": 3, "failed": 1, "skipped": 0}, exit_code=7),
        at(EventType.RUN_FINISHED, counts={"applied": 0}, exit_code=0),
    ]


def test_text(golden: Golden, told: list[Event]) -> None:
    text = "".join(map(renderer("events", "text"), told))
    golden("events.txt", text)
    assert len(text.splitlines()) == len(told)


def test_jsonl(golden: Golden, told: list[Event]) -> None:
    text = "".join(map(renderer("events", "jsonl"), told))
    golden("events.jsonl", text)
    assert text.isascii()
    for line, event in zip(text.splitlines(), told, strict=True):
        document = json.loads(line)
        own = {"format": "reconciler.event/1", "time": event.time, "type": event.type.value}
        assert document == {**own, **({"address": str(event.address)} if event.address else {}), **event.data}


def test_data_hides_nothing_of_the_event() -> None:
    event = Event(EventType.STEP_APPLIED, "t", REPORT, {"type": "x", "format": "y", "address": "z"})
    document = json.loads(renderer("events", "jsonl")(event))
    assert (document["type"], document["format"], document["address"]) == (
        "step.applied",
        "reconciler.event/1",
        str(REPORT),
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    max_leaves=4,
)
keys = st.sampled_from(["action", "run", "id", "steps", "counts", "notes", "bytes", "message", "exit_code", "other"])


@RELAXED
@given(st.sampled_from(EventType), st.dictionaries(keys, values))
def test_any_data_is_one_line(type_: EventType, data: dict[str, Any]) -> None:
    line = renderer("events", "text")(Event(type_, "t", None, data))
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    line.encode()


def live(told: list[Event], *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=terminal, width=60, color_system="standard" if terminal else None, legacy_windows=False
    )
    with Live(console) as show:
        for event in told:
            show(event)
    return out.getvalue()


def test_live_shows_a_line_for_what_is_over(told: list[Event]) -> None:
    lines = [line for line in live(told, terminal=False).splitlines() if line.startswith("2026")]
    over = [event for event in told if event.type.is_terminal or event.type is EventType.RUN_FINISHED]
    assert [f"{line}\n" for line in lines] == list(map(renderer("events", "text"), over))


def test_live_counts_what_is_over(told: list[Event]) -> None:
    shown = live(told, terminal=True)
    assert "9/1200" in shown
    assert "\x9b" not in shown
    assert "\u202e" not in shown
    assert "\\u202e" in shown


def test_live_survives_what_it_does_not_know() -> None:
    assert "?" in live([at(EventType.RUN_STARTED, steps="many")], terminal=True)


def test_live_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with renderer("events", "rich")() as show:
        show(at(EventType.STEP_APPLIED, REPORT, action="create"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "create blue/report/emea: done" in err
