"""Plans from what a run left behind: what the log can hold besides applies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from reconciler.app import rollback
from reconciler.app.wiring import Wiring
from reconciler.model.entry import (
    Applied,
    Archived,
    Entry,
    ExportIntended,
    Forgotten,
    Holder,
    Imported,
    Intended,
    LeaseBroken,
    Moved,
    RunFinished,
    RunStarted,
)
from reconciler.model.errors import Usage
from reconciler.model.manifest import Lifecycle
from reconciler.model.plan import Action, Plan
from reconciler.model.values import Address
from reconciler.state import codec, snapshot
from reconciler.state.chain import Chain

HOLDER = Holder("ann", "build-7", "p", "apply")
AT = "2026-11-23T06:00:00Z"
SALES, OTHER, WEEKLY, BLUE = map(
    Address.parse, ("pipefy/report/sales", "pipefy/report/other", "pipefy/export/weekly", "blue/report/a")
)
SPEC = {"name": "Sales", "pipeIds": [301000001], "fields": ["title"]}
Make = Callable[..., Wiring]


def write(wiring: Wiring, *batches: Sequence[Entry]) -> None:
    prev = None
    with closing(wiring.backend(wiring.project())) as backend:
        for position, entries in enumerate(batches, start=1):
            batch = codec.seal(prev, map(codec.encode, entries))
            backend.append(position, batch)
            prev = codec.sha256(batch)


def made(run: str, address: Address, spec: dict[str, Any], id_: str = "1", **known: Any) -> list[Entry]:
    operation = f"{run}.{address}"
    return [
        Intended(run, operation, AT, address, Action.CREATE, None, spec, "sha256:r", **known),
        Applied(run, operation, AT, id=id_),
    ]


def over(run: str) -> RunFinished:
    return RunFinished(run, AT, 0)


def plan(wiring: Wiring, run: str, **options: Any) -> Plan:
    return asyncio.run(rollback.plan(wiring, run, **options)).plan


def steps(found: Plan) -> list[tuple[Action, Address]]:
    return [(step.action, step.address) for step in found.steps]


def test_what_was_renamed_since_goes_back_under_its_new_name(wiring: Make) -> None:
    here = wiring(sandbox=True)
    third = Address.parse("pipefy/report/third")
    write(
        here,
        [
            *made("r1", SALES, SPEC),
            *made("r1", WEEKLY, {"report": {"ref": str(SALES)}, "schedule": _MONDAYS}),
            over("r1"),
        ],
        [Moved("r2", AT, SALES, OTHER), Moved("r3", AT, OTHER, third)],
        made("r4", WEEKLY, {"report": {"ref": str(third)}, "schedule": _MONDAYS, "deadline": 60}),
        made("r4", SALES, {**SPEC, "name": "Another of the old name"}, "2"),
    )
    found = plan(here, "r1")
    assert steps(found) == [(Action.DELETE, SALES), (Action.UPDATE, WEEKLY)]
    (change,) = found.steps[1].changes
    assert (change.path, change.after) == (("deadline",), None)
    assert (found.steps[1].after or {})["report"] == {"ref": str(third)}


_MONDAYS = {"cron": "0 6 * * 1", "timezone": "UTC"}


def test_what_was_adopted_since_is_forgotten_and_never_deleted(wiring: Make) -> None:
    here = wiring(sandbox=True)
    moved = Address.parse("pipefy/report/moved")
    write(
        here,
        [*made("r1", SALES, SPEC), over("r1")],
        [Imported("r2", AT, OTHER, "9", SPEC, Lifecycle(protect=True)), Moved("r3", AT, OTHER, moved)],
        [*made("r4", BLUE, {"title": "Made", "dataSources": []})],
    )
    found = plan(here, "r1")
    assert steps(found) == [(Action.DELETE, BLUE), (Action.FORGET, moved)]
    assert found.steps[1].reason == "adopted since run r1; its object stays"
    assert found.steps[1].lifecycle == Lifecycle(protect=True)


def test_what_was_adopted_since_and_was_there_before_goes_back(wiring: Make) -> None:
    here = wiring(sandbox=True)
    write(
        here,
        [*made("r1", SALES, SPEC), over("r1")],
        [Forgotten("r2", AT, SALES)],
        [Imported("r3", AT, SALES, "9", {**SPEC, "name": "New"})],
    )
    (step,) = plan(here, "r1").steps
    assert (step.action, step.id, step.after) == (Action.UPDATE, "9", SPEC)
    assert [change.path for change in step.changes] == [("name",)]


def test_a_run_that_never_finished_ends_with_its_last_word(wiring: Make) -> None:
    here = wiring(sandbox=True)
    write(
        here,
        [RunStarted("r1", AT, HOLDER, "t", commit="c0ffee"), *made("r1", SALES, SPEC)],
        made("r1", OTHER, SPEC, "2"),
        [LeaseBroken("r1", AT, "r2", "gone"), *made("r2", BLUE, {"title": "Made", "dataSources": []})],
    )
    planned = asyncio.run(rollback.plan(here, "r1"))
    assert steps(planned.plan) == [(Action.DELETE, BLUE)]
    assert (planned.plan.commit, planned.plan.rollback_to) == ("c0ffee", "r1")
    assert planned.warnings[0].startswith("this goes back to run r1 (its commit was c0ffee), but the manifests do not")
    assert planned.warnings[1].startswith("run r1 never said that it was over")


def test_what_was_in_doubt_then_stays_as_it_is_now(wiring: Make) -> None:
    here = wiring(sandbox=True)
    create = {"action": Action.CREATE, "id": None, "after": SPEC, "request": "sha256:r"}
    write(
        here,
        [Intended("r1", "r1.0", AT, SALES, **create), Intended("r1", "r1.1", AT, OTHER, **create), over("r1")],
        [Applied("r1", "r1.0", AT, id="1"), Forgotten("r2", AT, OTHER)],
        [*made("r3", SALES, {**SPEC, "name": "New"})],
    )
    planned = asyncio.run(rollback.plan(here, "r1"))
    assert steps(planned.plan) == []
    assert planned.warnings[-1].endswith(f"left as it is now: {OTHER}, {SALES}")


def test_an_export_of_then_runs_when_its_content_differs(wiring: Make) -> None:
    here = wiring(sandbox=True)
    old, new = {"pipeIds": [1], "columns": ["title"]}, {"pipeIds": [1], "columns": ["priority"]}

    def ran(run: str, spec: dict[str, Any]) -> ExportIntended:
        return ExportIntended(run, f"{run}.e", AT, WEEKLY, None, here.content(WEEKLY, spec), spec, "sha256:r")

    write(here, [ran("r1", old), over("r1")], [ran("r2", new), over("r2")])
    (step,) = plan(here, "r1").steps
    assert (step.action, step.reason, step.after) == (Action.EXPORT, "changed", old)
    assert plan(here, "r2").steps == ()


def test_an_archive_is_as_far_back_as_it_goes(wiring: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    here = wiring(sandbox=True)
    chain, prev = Chain(), None
    for position, entries in enumerate([[*made("r1", SALES, SPEC), over("r1")]], start=1):
        batch = codec.seal(prev, map(codec.encode, entries))
        chain.follow(position, batch)
    assert chain.head is not None
    archive = Archived("r2", AT, 1, chain.head, snapshot.encode(chain.recorded))
    rows = [(2, codec.seal(chain.head, [codec.encode(archive)]))]
    rows.append((3, codec.seal(codec.sha256(rows[0][1]), map(codec.encode, made("r3", OTHER, SPEC, "2")))))

    class Trimmed:
        def read(self, after: int) -> tuple[None, list[tuple[int, bytes]]]:
            return None, rows

        def close(self) -> None:
            """Nothing is held."""

    monkeypatch.setattr(Wiring, "backend", lambda self, project: Trimmed())
    assert steps(plan(here, "r2")) == [(Action.DELETE, OTHER)]
    with pytest.raises(Usage, match="begins with the archive that run r2 made at 2026-11-23T06:00:00Z") as caught:
        plan(here, "r1")
    assert caught.value.hint == f"the latest are: r3 ({AT}), r2 ({AT})"
