"""The board and the small values beside it."""

from __future__ import annotations

from engine_fakes import FakeClock, address, create, export

from reconciler.engine.board import Board
from reconciler.engine.result import Teller
from reconciler.engine.scene import Ids
from reconciler.model.event import Event
from reconciler.model.recorded import Resource


def test_closing_leaves_running_exports_in_flight_and_is_final() -> None:
    events: list[Event] = []
    board = Board([export("x", {}), create("a", {})], Teller(events.append, FakeClock()))
    assert board.next() == 0
    board.running(0, export_id="e1")
    board.finish("over")
    assert [str(event.type) for event in events] == ["step.started", "export.started", "step.skipped"]
    board.close("over")
    board.close("over")
    assert str(events[-1].type) == "export.accepted"
    assert len(events) == 4
    assert board.next() is None


def test_ids_follow_the_recorded_resources() -> None:
    resources: dict[object, Resource] = {}
    ids = Ids(resources)  # type: ignore[arg-type]  # a dict is invariant in its keys
    assert (len(ids), dict(ids)) == (0, {})
    resources[address("a")] = Resource(address("a"), "o1", {}, "2026-11-23T06:00:00Z")
    assert (len(ids), dict(ids)) == (1, {address("a"): "o1"})
