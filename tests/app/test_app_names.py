"""Names are looked up once, remembered in the log, and never guessed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.app import apply as applying
from reconciler.app import names
from reconciler.app import plan as planning
from reconciler.app.apply import Conversation, Orders, apply
from reconciler.app.wiring import Wiring
from reconciler.engine.options import Options
from reconciler.model.entry import Entry, ExportIntended, Intended, Resolved
from reconciler.model.errors import Conflict, CredentialError, InvalidManifests, PlanRefused, RailRefused, Unavailable
from reconciler.model.manifest import Desired
from reconciler.model.naming import Place
from reconciler.model.plan import Plan
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject, Span
from reconciler.planning.diff import apply as apply_changes
from reconciler.planning.diff import diff, same
from reconciler.sandbox import world
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

REPORT = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec:
  title: Sales
  dataSources:
    - projects: [{slug: sales-emea}]
  reportUsers:
    - {email: SANA@acme.example, role: EDITOR}
"""
SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {name: saved}
spec: {name: Saved, pipes: [{name: Hiring}], fields: [title]}
"""
EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: cards}
spec: {pipes: [{name: Hiring}], columns: [title], deadline: 20m}
"""
PLAIN = REPORT.replace("projects: [{slug: sales-emea}]", "projectIds: [cmws000000000000salesemea]").replace(
    "email: SANA@acme.example", "userId: cmuser000000000000000sana"
)
EMEA, APAC = "cmws000000000000salesemea", "cmws000000000000salesapac"
SANA = "cmuser000000000000000sana"
DATA = Path(".reconciler/sandbox.db")


class Said:
    """A conversation in which everything is agreed to."""

    def __init__(self, answer: bool = True) -> None:
        self.plans: list[Plan] = []
        self.types: list[str] = []
        self.notes: list[str] = []
        self.talk = Conversation(
            show=lambda plan, warnings: self.plans.append(plan),
            confirm=lambda: answer,
            emit=lambda event: self.types.append(event.type.value),
            note=self.notes.append,
        )


@pytest.fixture
def project(wiring: Callable[..., Wiring]) -> Callable[..., Wiring]:
    """A project in the sandbox."""

    def make(*documents: str, **more: Any) -> Wiring:
        return wiring(*documents, **{"sandbox": True, **more})

    return make


def run(wired: Wiring, *, code: int = 0, said: Said | None = None, **orders: Any) -> Plan:
    """Apply; return what was shown."""
    said = said or Said()
    options = Options(poll_interval=0.02, settle_delay=0)
    assert apply(wired, Orders(options=options, **orders), said.talk) == code
    return said.plans[-1]


def plan(wired: Wiring, **more: Any) -> Plan:
    return asyncio.run(planning.plan(wired, **more)).plan


def recorded(wired: Wiring) -> Recorded:
    from reconciler.state.log import read

    with closing(wired.backend(wired.project())) as backend:
        return read(backend)


def entries(wired: Wiring) -> list[Entry]:
    from reconciler.state import codec

    with closing(wired.backend(wired.project())) as backend:
        batches = [json.loads(batch)["entries"] for _, batch in backend.read(-1)[1]]
    return [codec.decode(entry) for batch in batches for entry in batch]


@pytest.fixture
def change() -> Callable[..., None]:
    """Change documents of the world: `change(collection, id, field=value)`."""

    def put(collection: str, key: str, **fields: Any) -> None:
        store = Store(DATA)
        with closing(store):
            world.seed(store)
            doc = store.get(collection, key)
            assert doc is not None
            store.put(collection, key, {**doc, **fields})

    return put


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many names each question was about."""
    from reconciler.providers.base import ServiceProvider

    counts: list[int] = []
    resolve = ServiceProvider.resolve

    async def counting(self: Any, wanted: Any) -> Any:
        counts.append(len(wanted))
        return await resolve(self, wanted)

    monkeypatch.setattr(ServiceProvider, "resolve", counting)
    return counts


def test_names_are_looked_up_once_and_remembered(project: Any, asked: Any) -> None:
    wired = project(REPORT, SAVED, EXPORT)
    shown = run(wired)
    assert all(not wired.kind(step.address).named(step.after or {}) for step in shown.steps)
    assert all(step.warnings == () for step in shown.steps)
    assert asked == [2, 1]
    known = recorded(wired)
    assert known.names == {
        "blue": {"user:email:sana@acme.example": SANA, "workspace:slug:sales-emea": EMEA},
        "pipefy": {"pipe:name:Hiring": "301000005"},
    }
    specs = {str(address): resource.spec for address, resource in known.resources.items()}
    assert specs["blue/report/sales"]["dataSources"] == [{"projectIds": [EMEA]}]
    assert specs["blue/report/sales"]["reportUsers"] == [{"userId": SANA, "role": "EDITOR"}]
    assert specs["pipefy/report/saved"]["pipeIds"] == [301000005]
    for entry in entries(wired):
        if isinstance(entry, Intended | ExportIntended) and entry.after is not None:
            assert not wired.kind(entry.address).named(entry.after)
    later = project(REPORT, SAVED, EXPORT)
    assert plan(later).steps == ()
    run(later)
    assert asked == [2, 1], "nobody is asked again"
    assert plan(later, refresh=True).steps == ()


def test_the_log_learns_names_before_anything_is_sent(project: Any) -> None:
    wired = project(REPORT)
    run(wired)
    written = entries(wired)
    first = next(index for index, entry in enumerate(written) if isinstance(entry, Intended))
    assert any(isinstance(entry, Resolved) for entry in written[:first])


def test_without_names_nothing_is_asked_or_written(project: Any, asked: Any) -> None:
    wired = project(PLAIN)
    run(wired)
    assert not any(isinstance(entry, Resolved) for entry in entries(wired))
    position = recorded(wired).position
    run(project(PLAIN), refresh=True)
    assert recorded(wired).position == position
    assert asked == []


def test_an_offline_plan_keeps_names_that_nobody_has_looked_up(wiring: Any, asked: Any) -> None:
    wired = wiring(REPORT, EXPORT)
    made = plan(wired)
    create, update, export = made.steps
    assert create.after is not None
    assert create.after["dataSources"] == [{"projectIds": [{"slug": "sales-emea"}]}]
    assert update.after is not None
    assert update.after["reportUsers"] == [{"email": "sana@acme.example", "role": "EDITOR"}]
    for step, words in ((create, "slug 'sales-emea'"), (update, "'sana@acme.example'"), (export, "name 'Hiring'")):
        (warning,) = step.warnings
        assert words in warning
        assert "looked up" in warning
    assert asked == []
    with pytest.raises(CredentialError):
        plan(wired, refresh=True)


def test_the_plan_covers_its_warnings(wiring: Any, tmp_path: Path) -> None:
    from reconciler.planning import codec

    wired = wiring(REPORT, RECONCILER_NOW="2026-11-23T06:00:00Z")
    made = plan(wired)
    assert codec.parse(codec.dump(made, None), None) == made


def test_a_name_that_leads_elsewhere_is_an_ordinary_change(project: Any, change: Any) -> None:
    wired = project(SAVED)
    run(wired)
    change("pipefy_pipe", "301000005", name="Recruiting")
    change("pipefy_pipe", "301000003", name="Hiring")
    assert plan(wired).steps == (), "the log remembers"
    run(wired)
    (step,) = plan(wired, refresh=True).steps
    assert [(each.path, each.before, each.after) for each in step.changes] == [(("pipeIds",), [301000005], [301000003])]
    run(wired, refresh=True)
    assert recorded(wired).names == {"pipefy": {"pipe:name:Hiring": "301000003"}}
    assert plan(project(SAVED)).steps == ()


def test_names_for_the_same_ids_are_recorded_although_nothing_is_to_be_done(project: Any) -> None:
    run(project(PLAIN))
    wired = project(REPORT)
    assert len(plan(wired).steps) == 1, "nobody knows yet that these are the same"
    said = Said(answer=False)
    assert run(wired, said=said).steps == ()
    assert said.types == ["run.started", "run.finished"]
    assert plan(wired).steps == ()
    position = recorded(wired).position
    run(wired)
    assert recorded(wired).position == position


def test_what_is_declined_or_refused_is_not_recorded(project: Any) -> None:
    wired = project(REPORT)
    with pytest.raises(applying.Declined):
        run(wired, said=Said(answer=False))
    assert recorded(wired).names == {}
    protected = PLAIN.replace("name: sales", "name: kept") + "lifecycle: {protect: true}\n"
    run(project(protected))
    with pytest.raises(RailRefused):
        run(project(REPORT))
    assert recorded(wired).names == {}


def test_only_names_of_what_is_selected_are_looked_up(project: Any) -> None:
    wired = project(REPORT.replace("sales-emea", "nowhere"), SAVED)
    run(wired, select=("pipefy/report/saved",))
    assert recorded(wired).names == {"pipefy": {"pipe:name:Hiring": "301000005"}}
    assert plan(wired, refresh=True, select=("pipefy/report/saved",)).steps == ()
    with pytest.raises(InvalidManifests):
        plan(wired, refresh=True)


@pytest.mark.parametrize("act", [run, lambda wired: plan(wired, refresh=True)], ids=["apply", "plan --refresh"])
def test_names_that_lead_nowhere_are_errors_with_candidates(project: Any, change: Any, act: Any) -> None:
    wired = project(
        REPORT.replace("sales-emea", "sales-emae").replace("SANA@", "saana@"),
        SAVED.replace("[{name: Hiring}]", "[{name: Sales Pipeline}]"),
        EXPORT.replace("Hiring", "hiring"),
    )
    change("pipefy_pipe", "301000005", name="Sales Pipeline")
    with pytest.raises(InvalidManifests) as caught:
        act(wired)
    told = {found.code: (found.message, found.hint) for found in caught.value.diagnostics}
    assert len(caught.value.diagnostics) == 4
    message, hint = told["name-ambiguous"]
    assert message == (
        "several pipes have the name 'Sales Pipeline': 301000001 (Sales Pipeline), 301000005 (Sales Pipeline)"
    )
    assert hint == "write pipeIds instead"
    messages = {found.message for found in caught.value.diagnostics}
    assert "there is no workspace with the slug 'sales-emae', or this account cannot see it" in messages
    assert "there is no user with the e-mail address 'saana@acme.example', or this account cannot see it" in messages
    hints = " ".join(found.hint for found in caught.value.diagnostics)
    assert "sales-emea" in hints
    assert "sana@acme.example" in hints
    assert "or write projectIds instead" in hints
    assert recorded(wired) == Recorded()


def test_each_place_of_a_name_is_told_by_itself(project: Any) -> None:
    wired = project(SAVED.replace("Hiring", "hiring"))
    desired = wired.desired()
    (manifest,) = desired.manifests
    span, line = Span("manifests/all.yaml", 4, 33, 4, 39), "spec: {name: Saved, pipes: [{name: hiring}]"
    placed = replace(manifest, places={("pipes", 0, "name"): Place(span, line)})
    with pytest.raises(InvalidManifests) as caught:
        _declared(wired, replace(desired, manifests=(placed,)))
    (found,) = caught.value.diagnostics
    assert (found.span, found.source, found.address) == (span, line, manifest.address)
    with pytest.raises(InvalidManifests) as caught:
        _declared(wired, replace(desired, manifests=(replace(manifest, places={}),)))
    assert caught.value.diagnostics[0].span == manifest.origin


def _declared(wired: Wiring, desired: Desired) -> None:
    service = names.Service(wired.targets(desired.project, ["pipefy"]), (), 30.0)
    asyncio.run(names.declared(wired, desired, Recorded(), service, look=names.Look.ALWAYS))


@pytest.mark.parametrize("emails", ["visible", "blank"])
def test_a_hidden_address_cannot_be_told(project: Any, monkeypatch: pytest.MonkeyPatch, emails: str) -> None:
    wired = project(REPORT)
    with closing(Store(_made(DATA))) as store:
        world.seed(store)
        Switches(store).set("emails", emails)
    monkeypatch.setitem(world.BLUE_TOKENS, "owner", world.BLUE_TOKENS["member"])  # type: ignore[arg-type]  # a dict
    if emails == "visible":
        run(wired)
        assert recorded(wired).names["blue"]["user:email:sana@acme.example"] == SANA
        return
    with pytest.raises(InvalidManifests) as caught:
        run(wired)
    (found,) = caught.value.diagnostics
    assert found.code == "name-hidden"
    assert "cannot be told" in found.message
    assert "write userId instead, or use the token of an owner" in found.hint


def _made(file: Path) -> Path:
    file.parent.mkdir(exist_ok=True)
    return file


def test_a_person_by_address_and_by_id_is_listed_twice(project: Any) -> None:
    twice = f"{REPORT}    - {{userId: {SANA}, role: VIEWER}}\n"
    wired = project(twice)
    with pytest.raises(InvalidManifests) as caught:
        run(wired)
    (found,) = caught.value.diagnostics
    assert found.code == "repeated-user"
    assert SANA in found.message
    assert "sana@acme.example" in found.message
    assert recorded(wired) == Recorded()
    run(project(REPORT))
    with pytest.raises(InvalidManifests):
        plan(project(twice))


def test_a_workspace_by_name_and_by_id_is_one(project: Any) -> None:
    wired = project(
        REPORT.replace(
            "[{slug: sales-emea}]", f"[{{slug: sales-emea}}, {{name: Sales EMEA}}]\n      projectIds: [{EMEA}]"
        )
    )
    run(wired)
    (resource,) = recorded(wired).resources.values()
    assert resource.spec["dataSources"] == [{"projectIds": [EMEA]}]
    assert plan(wired).steps == ()


def test_an_id_that_a_service_cannot_be_given_is_an_error(project: Any, change: Any) -> None:
    wired = project(SAVED)
    change("pipefy_pipe", "301000005", id="4000000000")
    with pytest.raises(InvalidManifests, match="1 error"):
        run(wired)


def save(wired: Wiring, made: Plan) -> Path:
    file = Path("p.json")
    planning.save(wired, made, file)
    return file


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)
json_objects = st.dictionaries(st.sampled_from("abc"), json_values)


@given(json_objects, json_objects)
def test_changes_undone_lead_back(before: JSONObject, after: JSONObject) -> None:
    changes = diff(before, after)
    assert same(apply_changes(map(names._undone, changes), after), before)


def test_a_saved_plan_is_given_its_ids_before_anything_is_sent(project: Any) -> None:
    wired = project(REPORT, SAVED, EXPORT)
    made = plan(wired)
    shown = run(wired, saved=save(wired, made))
    assert shown.digest == made.digest
    assert all(step.warnings for step in made.steps)
    assert not any(step.warnings for step in shown.steps)
    fresh = plan(project(REPORT, SAVED, EXPORT, state="sqlite:other.db"))
    assert [step.address for step in shown.steps] == [step.address for step in fresh.steps]
    create = next(step for step in shown.steps if step.address.name == "saved")
    assert {each.path: each.after for each in create.changes}[("pipeIds",)] == [301000005]
    assert plan(wired).steps == ()
    with pytest.raises(PlanRefused, match="used"):
        run(wired, saved=Path("p.json"))


def test_a_saved_plan_is_changed_from_what_it_was_planned_from(project: Any) -> None:
    shared = f"    - {{userId: {SANA}, role: VIEWER}}\n"
    run(project(PLAIN.replace("    - {userId: cmuser000000000000000sana, role: EDITOR}\n", shared)))
    wired = project(REPORT.replace("sales-emea}", "sales-emea}, {slug: sales-apac}") + "lifecycle: {protect: true}\n")
    shown = run(wired, saved=save(wired, plan(wired)))
    (step,) = shown.steps
    assert [(each.path, each.before, each.after) for each in step.changes] == [
        (("dataSources", 0, "projectIds"), [EMEA], [APAC, EMEA]),
        (("reportUsers", 0, "role"), "VIEWER", "EDITOR"),
        (("lifecycle", "protect"), False, True),
    ]
    assert plan(wired).steps == ()


def test_an_export_of_the_same_content_is_not_run_again(project: Any) -> None:
    by_id = EXPORT.replace("pipes: [{name: Hiring}]", "pipeIds: [301000005]")
    run(project(by_id))
    wired = project(EXPORT)
    made = plan(wired)
    assert [step.action.value for step in made.steps] == ["export"]
    shown = run(wired, saved=save(wired, made))
    assert [step.action.value for step in shown.steps] == ["update"]
    assert len(list(Path("exports").iterdir())) == 1
    assert plan(wired).steps == ()


def test_an_export_of_other_content_is_run(project: Any) -> None:
    run(project(EXPORT.replace("Hiring", "Sales Pipeline")))
    wired = project(EXPORT)
    shown = run(wired, saved=save(wired, plan(wired)))
    assert [step.action.value for step in shown.steps] == ["export"]
    assert len(list(Path("exports").iterdir())) == 2


def test_what_a_saved_plan_names_and_nobody_has_is_told_by_address_and_path(project: Any) -> None:
    wired = project(SAVED.replace("Hiring", "hiring"))
    with pytest.raises(InvalidManifests) as caught:
        run(wired, saved=save(wired, plan(wired)))
    (found,) = caught.value.diagnostics
    assert found.span is None
    assert found.message.startswith("pipefy/report/saved, pipeIds[0].name: there is no pipe with the name 'hiring'")
    assert recorded(wired) == Recorded()


def test_a_name_in_two_steps_of_a_saved_plan_is_told_once(project: Any) -> None:
    wired = project(REPORT.replace("sales-emea", "nowhere").replace("SANA", "nobody"))
    with pytest.raises(InvalidManifests) as caught:
        run(wired, saved=save(wired, plan(wired)))
    assert len(caught.value.diagnostics) == 2


def test_a_saved_plan_in_which_two_names_are_one_person_is_refused(project: Any) -> None:
    wired = project(f"{REPORT}    - {{userId: {SANA}, role: VIEWER}}\n")
    with pytest.raises(InvalidManifests) as caught:
        run(wired, saved=save(wired, plan(wired)))
    (found,) = caught.value.diagnostics
    assert found.code == "repeated-user"
    assert found.message.startswith("blue/report/sales, reportUsers[1].email: ")


def test_a_saved_plan_with_ids_teaches_the_log_their_names(project: Any) -> None:
    wired = project(REPORT)
    made = plan(wired, refresh=True)
    assert not any(step.warnings for step in made.steps)
    run(wired, saved=save(wired, made))
    assert plan(wired).steps == ()


def test_a_saved_plan_with_other_ids_than_the_log_knows_teaches_it_those(project: Any, change: Any) -> None:
    run(project(SAVED))
    change("pipefy_pipe", "301000005", name="Recruiting")
    change("pipefy_pipe", "301000003", name="Hiring")
    wired = project(SAVED)
    run(wired, saved=save(wired, plan(wired, refresh=True)))
    assert recorded(wired).names == {"pipefy": {"pipe:name:Hiring": "301000003"}}
    assert plan(wired).steps == ()


def test_a_name_whose_id_another_one_has_now_is_looked_up_again(project: Any, change: Any, asked: Any) -> None:
    run(project(SAVED))
    change("pipefy_pipe", "301000003", name="Hiring")
    change("pipefy_pipe", "301000005", name="Recruiting")
    both = SAVED.replace("[{name: Hiring}]", "[{name: Hiring}, {name: Recruiting}]")
    run(project(both))
    assert asked == [1, 1, 1]
    (resource,) = recorded(project(both)).resources.values()
    assert resource.spec["pipeIds"] == [301000003, 301000005], "not one of them, for two names"
    assert plan(project(both), refresh=True).steps == ()
    change("pipefy_pipe", "301000005", name="Hired")
    third = SAVED.replace("name: saved", "name: third").replace("Hiring", "Hired")
    wired = project(both, third)
    run(wired, select=("pipefy/report/third",))
    assert set(recorded(wired).names["pipefy"]) == {"pipe:name:Hiring", "pipe:name:Hired"}
    with pytest.raises(InvalidManifests):
        run(wired)


def test_a_saved_plan_that_found_nothing_to_do_teaches_the_log_why(project: Any, change: Any) -> None:
    run(project(SAVED))
    run(project(SAVED.replace("pipes: [{name: Hiring}]", "pipeIds: [301000003]")))
    change("pipefy_pipe", "301000005", name="Recruiting")
    change("pipefy_pipe", "301000003", name="Hiring")
    wired = project(SAVED, PLAIN)
    made = plan(wired, refresh=True)
    assert {step.address.name for step in made.steps} == {"sales"}
    run(wired, saved=save(wired, made))
    assert plan(wired).steps == ()


def test_a_saved_plan_with_other_ids_is_not_performed_unless_the_log_can_learn_them(
    project: Any, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project(SAVED))
    change("pipefy_pipe", "301000005", name="Recruiting")
    change("pipefy_pipe", "301000003", name="Hiring")
    wired = project(SAVED)
    file, before = save(wired, plan(wired, refresh=True)), recorded(wired)

    async def unavailable(*_: Any) -> Any:
        raise Unavailable("not today")

    monkeypatch.setattr("reconciler.providers.pipefy.names.resolve", unavailable)
    with pytest.raises(Unavailable):
        run(wired, saved=file)
    assert recorded(wired) == before


def test_a_saved_plan_of_what_the_log_knows_asks_nobody(project: Any, asked: Any) -> None:
    run(project(SAVED, REPORT))
    changed = project(SAVED.replace("[title]", "[title, status]"), REPORT)
    assert asked == [2, 1]
    run(changed, saved=save(changed, plan(changed)))
    assert asked == [2, 1]


def test_a_saved_plan_does_not_fail_for_what_it_does_not_do(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wired = project(PLAIN, SAVED)
    made = plan(wired, select=("blue/report/sales",))
    file = save(wired, made)

    async def unavailable(*_: Any) -> Any:
        raise Unavailable("not today")

    monkeypatch.setattr("reconciler.providers.pipefy.names.resolve", unavailable)
    run(wired, saved=file)
    assert recorded(wired).names == {}


def test_a_plan_is_stale_when_a_name_has_come_to_lead_elsewhere(project: Any, change: Any) -> None:
    run(project(SAVED))
    wired = project(SAVED, EXPORT)
    file = save(wired, plan(wired))
    change("pipefy_pipe", "301000005", name="Recruiting")
    change("pipefy_pipe", "301000003", name="Hiring")
    run(wired, refresh=True, select=("pipefy/report/saved",))
    with pytest.raises(PlanRefused, match="stale"):
        run(wired, saved=file)


def test_a_crash_between_the_look_up_and_the_run_changes_nothing(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wired = project(REPORT)

    async def crash(*_: Any, **__: Any) -> int:
        raise Conflict("somebody was quicker")

    with monkeypatch.context() as patch:
        patch.setattr(applying._Apply, "_execute", crash)
        with pytest.raises(Conflict):
            run(wired)
    assert recorded(wired) == Recorded()
    run(wired)
    assert plan(wired).steps == ()


def test_a_crash_right_after_the_log_learnt_the_names(
    project: Any, monkeypatch: pytest.MonkeyPatch, asked: Any
) -> None:
    wired = project(REPORT)

    async def crash(*_: Any, **__: Any) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr("reconciler.engine.run.run", crash)
        with pytest.raises(OSError, match="power"):
            run(wired)
    assert recorded(wired).names["blue"]["workspace:slug:sales-emea"] == EMEA
    assert recorded(wired).resources == {}
    run(project(REPORT))
    assert asked == [2], "the log remembers"
    assert plan(wired).steps == ()


def test_names_of_another_place_are_not_believed(project: Any) -> None:
    wired = project(REPORT)
    run(wired)
    elsewhere = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\nspec:\n"
    moved = project(REPORT, project=elsewhere + "  providers: {blue: {organization: other}}\n")
    (step,) = plan(moved, retarget=True).steps
    assert len(step.warnings) == 2
    with pytest.raises(InvalidManifests):
        run(moved, retarget=True)


def test_a_service_that_cannot_be_asked_leaves_everything_as_it_is(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired = project(REPORT)

    async def unavailable(*_: Any) -> Any:
        raise Unavailable("not today")

    monkeypatch.setattr("reconciler.providers.blue.names.resolve", unavailable)
    said = Said()
    with pytest.raises(Unavailable):
        run(wired, said=said)
    assert said.types == ["run.finished"]
    assert recorded(wired) == Recorded()
