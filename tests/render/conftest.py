"""Golden files, and one plan, state and set of diagnostics in which everything occurs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.entry import Holder
from reconciler.model.manifest import Lifecycle, Manifest
from reconciler.model.plan import Action, Change, Drift, Pending, Plan, Step, Target
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Lease, Recorded, Resource, RunState
from reconciler.model.values import Address, Span

GOLDEN = Path(__file__).parent / "golden"

EVIL = "a\u202eb\x1b[31m\x9b2J\r\n::error::x\u2028`|</summary><img src=x>@team ![x](http://x) ``` \u200b"
LONG = "The pipeline of the whole of EMEA. " * 20


@pytest.fixture(scope="session")
def golden() -> Callable[[str, str], None]:
    """Compare with a golden file; RECONCILER_UPDATE_GOLDEN=1 writes it instead."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if os.environ.get("RECONCILER_UPDATE_GOLDEN"):
            file.write_bytes(text.encode())
        assert text.encode() == file.read_bytes(), f"{name} differs; RECONCILER_UPDATE_GOLDEN=1 rewrites it"

    return compare


def at(text: str) -> Address:
    return Address.parse(text)


@pytest.fixture
def evil() -> str:
    return EVIL


@pytest.fixture
def plan() -> Plan:
    changes = (
        Change(("dataSources", 0, "filters", "a key"), {"op": "AND"}, {"op": "OR"}),
        Change(("dataSources", 1), None, {"name": EVIL, "sourceType": "TODOS"}),
        Change(("description",), LONG + "Old." + LONG, LONG + "New!" + LONG),
        Change(("note",), "one\ntwo", None),
        Change(("projectIds",), ["p1", "p2"], ["p2", "p3", "p4"]),
        Change(("sortBy",), ["b", "a"], ["a", "b"]),
        Change(("config",), {"widgets": ["chart"] * 40}, {"widgets": []}),
        Change(("lifecycle", "protect"), before=False, after=True),
    )
    return Plan(
        created="2026-11-23T06:30:00Z",
        expires="2026-11-24T06:30:00Z",
        tool="reconciler 0",
        environment="default",
        targets={
            "pipefy": Target("https://api.pipefy.com/graphql", "300"),
            "blue": Target("https://api.blue.cc/graphql", ""),
        },
        lineage="sha256:log",
        position=12,
        tree="sha256:tree",
        commit=None,
        steps=(
            Step(
                at("blue/report/old"),
                Action.DELETE,
                "its manifest is gone",
                "r0",
                changes=(Change(("title",), EVIL, None),),
            ),
            Step(at("blue/report/left"), Action.FORGET, "its manifest is gone", "r9"),
            Step(at("blue/report/was"), Action.MOVE, "renamed", "r8"),
            Step(at("blue/report/found"), Action.ADOPT, "imported", "r7"),
            Step(
                at("blue/report/new"),
                Action.CREATE,
                "new",
                after={},
                changes=(Change(("title",), None, "N\u00fc\u8a9e"),),
            ),
            Step(
                at("blue/report/emea"),
                Action.UPDATE,
                "changed",
                EVIL,
                changes=changes,
                warnings=("reaches all workspaces", EVIL),
            ),
            Step(
                at("pipefy/export/weekly"),
                Action.EXPORT,
                "scheduled for 2026-11-23T06:00:00Z",
                occurrence="2026-11-23T06:00:00Z",
            ),
        ),
        drift=(
            Drift(at("blue/report/emea"), "r1", missing=False, changes=(Change(("title",), "A", EVIL),)),
            Drift(at("blue/report/gone"), "r2", missing=True),
        ),
        pending=(
            Pending(at("pipefy/export/slow"), "2026-11-16T06:00:00Z", "77"),
            Pending(at("pipefy/export/once"), None, EVIL),
        ),
        in_doubt=(at("pipefy/report/odd"),),
        unchanged=1234,
    )


@pytest.fixture
def nothing() -> Plan:
    at_once = "2026-11-23T06:30:00Z"
    return Plan(at_once, at_once, "t", "default", {}, None, 0, "tree", None, (), unchanged=3)


@pytest.fixture
def diagnostics() -> list[Diagnostic]:
    def wrong(code: str, message: str, source: str, column: int, end: int, **more: object) -> Diagnostic:
        span = Span(
            str(more.get("file", "manifests/blue/emea.yaml")), 7, column, int(str(more.get("end_line", 7))), end
        )
        return Diagnostic(
            Severity.ERROR, code, message, span, at("blue/report/emea"), str(more.get("hint", "")), source
        )

    return [
        wrong("title.missing", "title is missing", "spec:", 1, 5, hint="add title: ..."),
        wrong("tabs", "after two tabs", "\t\ttitle: bad", 10, 13),
        wrong("wide", "after wide and combining characters", "\u8a9e\u8a9e e\u0301: \U0001f600\u8a9e x", 8, 10),
        wrong("hidden", EVIL, "name: a\u202eb\x1bc", 7, 11, hint=EVIL, file=f"dir,a:b/{EVIL}.yaml"),
        wrong("block", "spans lines", "description: |  ", 14, 5, end_line=9),
        wrong("beyond", "behind the end of the line", "x: 1", 40, 44),
        wrong("long", "in a long line", "title: " + "x" * 300 + " HERE " + "y" * 300, 309, 313),
        wrong("blank", "on a blank line", "  ", 1, 1),
        Diagnostic(Severity.WARNING, "project.empty", "100% of nothing", None, None, "see --dir"),
    ]


@pytest.fixture
def recorded() -> Recorded:
    holder = Holder("me", "here", "1", "apply")
    run = ExportRun("r1.4", "r1", "2026-11-23T06:00:00Z", "sha256:c", "2026-11-23T06:30:00Z")
    done = ExportRun(
        *("r1.5", "r1", None, "sha256:c", "2026-11-23T06:30:00Z", RunState.DELIVERED, "77", "2026-11-23T06:30:01Z"),
        *("exports/a.xlsx", "ab" * 32, 12345),
    )
    doubt = Doubt(
        "r1.2",
        "r1",
        at("blue/report/odd"),
        Action.CREATE,
        None,
        {},
        "2026-11-23T06:31:00Z",
        "2026-11-23T06:30:00Z",
        reason=EVIL,
    )
    return Recorded(
        lineage="sha256:log",
        position=12,
        changed=11,
        resources={
            at("blue/report/z"): Resource(at("blue/report/z"), "r2", {"title": "Z"}, "2026-11-01T00:00:00Z"),
            at("blue/report/emea"): Resource(
                address=at("blue/report/emea"),
                id=EVIL,
                spec={"title": "E", "dataSources": [{"name": EVIL, "projectIds": ["1"]}], "config": {}},
                applied_at="2026-11-02T00:00:00Z",
                lifecycle=Lifecycle(protect=True),
                labels={"owner": "revops"},
                remote={"title": EVIL},
                version="2026-11-02T00:00:00.123Z",
            ),
        },
        exports={
            at("pipefy/export/weekly"): ExportRecord(
                at("pipefy/export/weekly"),
                {"pipeIds": ["1"]},
                "2026-11-01T00:00:00Z",
                last_occurrence=run.occurrence,
                run=run,
            ),
            at("pipefy/export/once"): ExportRecord(
                at("pipefy/export/once"), {"pipeIds": ["1"]}, "2026-11-01T00:00:00Z", run=done
            ),
            at("pipefy/export/waits"): ExportRecord(at("pipefy/export/waits"), {}, "2026-11-01T00:00:00Z"),
        },
        in_doubt={"r1.2": doubt},
        plans={"sha256:p"},
        lease=Lease("r1", holder, "2026-11-23T06:30:00Z", "2026-11-23T06:35:00Z"),
    )


@pytest.fixture
def manifest() -> Manifest:
    origin = Span("manifests/blue/emea.yaml", 4, 9, 4, 13)
    return Manifest(at("blue/report/emea"), "blue/v1", {"title": "E2", "tags": []}, origin, {"owner": "revops"})
