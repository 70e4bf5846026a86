"""A small world to plan in: two kinds, manifests, and an imagined apply."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel

from reconciler.model.canonical import digest
from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.entry import Holder
from reconciler.model.manifest import Desired, Lifecycle, Manifest, OnRemove, Project
from reconciler.model.plan import Action, Due, Plan, Target
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Lease, Recorded, Resource, RunState
from reconciler.model.values import Address, JSONObject, Reference, Span
from reconciler.planning import plan as planner

NOW = datetime(2026, 11, 23, 6, 30, 0, 123456, tzinfo=UTC)


class FakeKind:
    """What both kinds share; `order` and empty values mean nothing."""

    api_version, kind, provider = "blue/v1", "Report", "blue"
    update_only: Collection[str] = ("config",)
    switches: Collection[str] = ()

    def model(self) -> type[BaseModel]:
        return BaseModel

    def check(self, spec: JSONObject) -> Sequence[Violation]:
        found = []
        if len(spec.get("title", "")) > 20:
            found.append(Violation(("title",), "title.long", "is longer than 20 characters", "shorten it"))
        if spec.get("empty"):
            found.append(Violation((), "report.empty", "holds nothing", severity=Severity(spec["empty"])))
        return found

    def normalise(self, spec: JSONObject) -> JSONObject:
        found = {key: value for key, value in spec.items() if value not in (None, [], {})}
        if "projectIds" in found:
            found["projectIds"] = sorted(found["projectIds"])
        if isinstance(found.get("schedule"), str):
            found["schedule"] = {"cron": found["schedule"], "timezone": "UTC"}
        return found

    def creation(self, spec: JSONObject) -> JSONObject:
        return {key: value for key, value in spec.items() if key not in self.update_only}

    def content(self, spec: JSONObject) -> JSONObject:
        return {key: value for key, value in spec.items() if key not in self.switches}

    def references(self, spec: JSONObject) -> Sequence[Reference]:
        target = spec.get("report", {}).get("ref")
        return [Reference(("report",), Address.parse(target))] if target else []

    def widens(self, before: JSONObject, after: JSONObject) -> Sequence[str]:
        widened = "projectIds" in before and "projectIds" not in after
        return ["reaches all workspaces, not only some"] if widened else []

    def organization(self, spec: JSONObject) -> str:
        return ""

    def mentions(self, spec: JSONObject) -> Mapping[str, Collection[str]]:
        return {}


class FakeExportKind(FakeKind):
    api_version, kind, provider = "pipefy/v1", "Export", "pipefy"
    update_only = ()
    switches = ("schedule", "runOnCreate", "deliver")


KINDS = {("blue", "report"): FakeKind(), ("pipefy", "report"): FakeKind(), ("pipefy", "export"): FakeExportKind()}
TARGETS = {"blue": Target("https://blue.test/graphql", "acme"), "pipefy": Target("https://pipefy.test/graphql", "300")}


def address(text: str) -> Address:
    return Address.parse(text)


def manifest(text: str, spec: JSONObject, *, labels: Mapping[str, str] = {}, **lifecycle: Any) -> Manifest:
    named = address(text)
    return Manifest(
        address=named,
        api_version=f"{named.provider}/v1",
        spec=spec,
        origin=Span(f"{named.name}.yaml", 4, 9, 4, 12),
        labels=labels,
        lifecycle=Lifecycle(**lifecycle),
        references=tuple(KINDS[(named.provider, named.kind)].references(spec)),
    )


def desired(*manifests: Manifest) -> Desired:
    return Desired(Project("acme"), "default", manifests, "sha256:tree")


def resource(text: str, spec: JSONObject, *, id: str = "r1", **more: Any) -> Resource:  # noqa: A002 - the field's name
    return Resource(address(text), id, spec, "2026-11-01T00:00:00Z", **more)


def export(text: str, spec: JSONObject, run: ExportRun | None = None, **more: Any) -> ExportRecord:
    return ExportRecord(address(text), spec, "2026-11-01T00:00:00Z", run=run, **more)


def run(spec: JSONObject, state: RunState = RunState.DELIVERED, **more: Any) -> ExportRun:
    """A run of the content of an export's normalised spec."""
    content = digest(FakeExportKind().content(spec))
    values: dict[str, Any] = {"occurrence": None, "export_id": "77", **more}
    return ExportRun("run.0", "run", content=content, intended_at="2026-11-02T00:00:00Z", state=state, **values)


def doubt(text: str, action: Action = Action.CREATE, **more: Any) -> Doubt:
    at = "2026-11-02T00:00:00Z"
    return Doubt(f"run.{text}", "run", address(text), action, None, None, at, at, **more)


def recorded(*things: Resource | ExportRecord | Doubt) -> Recorded:
    state = Recorded(lineage="sha256:log", position=9, changed=7)
    for thing in things:
        if isinstance(thing, Resource):
            state.resources[thing.address] = thing
        elif isinstance(thing, ExportRecord):
            state.exports[thing.address] = thing
        else:
            state.in_doubt[thing.operation] = thing
    return state


def make(want: Desired, have: Recorded, **more: Any) -> Plan:
    given: dict[str, Any] = {
        "due": {},
        "observed": None,
        "targets": TARGETS,
        "created": NOW,
        "tool": "reconciler 0",
        "commit": None,
    }
    return planner.plan(desired=want, recorded=have, kinds=KINDS, **{**given, **more})


def applied(plan: Plan, have: Recorded) -> Recorded:
    """What the log folds to after everything in a plan went well."""
    state = Recorded("sha256:log", have.position + 1, have.changed + 1, dict(have.resources), dict(have.exports))
    for step in plan.steps:
        at = step.address
        if step.action in (Action.DELETE, Action.FORGET):
            state.resources.pop(at, None)
            state.exports.pop(at, None)
        elif at.is_export:
            known = state.exports.get(at)
            ran = known.run if known else None
            if step.action is Action.EXPORT:
                ran = run(step.after or {}, occurrence=step.occurrence)
            state.exports[at] = ExportRecord(at, step.after or {}, plan.created, step.lifecycle, step.labels, run=ran)
        else:
            known_id = state.resources[at].id if at in state.resources else f"id-{at}"
            state.resources[at] = Resource(at, known_id, step.after or {}, plan.created, step.lifecycle, step.labels)
    return state


names = st.sampled_from(["a", "b", "c"])
lifecycles = st.builds(Lifecycle, on_remove=st.sampled_from(OnRemove))
reports = st.builds(
    lambda provider, name, spec, rules: replace(manifest(f"{provider}/report/{name}", spec), lifecycle=rules),
    st.sampled_from(["blue", "pipefy"]),
    names,
    st.fixed_dictionaries(
        {"title": st.text("xyz", max_size=3)},
        optional={
            "projectIds": st.none() | st.lists(st.sampled_from("123"), unique=True),
            "config": st.just({}) | st.fixed_dictionaries({"hidden": st.booleans() | st.none()}),
            "sources": st.lists(st.fixed_dictionaries({"n": st.integers(0, 2)}), max_size=2),
        },
    ),
    lifecycles,
)
exports = st.builds(
    lambda name, spec: manifest(f"pipefy/export/{name}", spec),
    names,
    st.fixed_dictionaries(
        {"pipeIds": st.lists(st.sampled_from("12"), max_size=2)},
        optional={
            "schedule": st.sampled_from(["0 6 * * 1", {"cron": "0 6 * * 1", "timezone": "UTC"}]),
            "runOnCreate": st.booleans(),
        },
    ),
)


@dataclass(frozen=True)
class World:
    """The functions above, for tests, which cannot import a conftest."""

    now: datetime = NOW
    kinds: Any = field(default_factory=lambda: KINDS)
    targets: Any = field(default_factory=lambda: TARGETS)
    lease: Lease = Lease("run", Holder("me", "here", "1", "apply"), "2026-11-23T06:00:00Z", "2026-11-23T06:05:00Z")
    address = staticmethod(address)
    manifest = staticmethod(manifest)
    desired = staticmethod(desired)
    resource = staticmethod(resource)
    export = staticmethod(export)
    run = staticmethod(run)
    doubt = staticmethod(doubt)
    recorded = staticmethod(recorded)
    make = staticmethod(make)
    applied = staticmethod(applied)


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def manifest_sets() -> st.SearchStrategy[list[Manifest]]:
    """Sets of manifests, in any order."""
    return st.lists(reports | exports, max_size=6, unique_by=lambda one: one.address)


def dues(want: Desired, occurrence: str | None, missed: int = 0) -> dict[Address, Due]:
    return {
        one.address: Due(occurrence, missed, "2026-11-30T06:00:00Z")
        for one in want.manifests
        if one.address.is_export and one.spec.get("schedule")
    }


@pytest.fixture(scope="session")
def due_for() -> Any:
    return dues
