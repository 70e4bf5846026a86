"""Steps for reports: create, update, delete, forget; lifecycle, drift, doubts, limits."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.canonical import digest
from reconciler.model.errors import InvalidManifests, Unavailable
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.outcome import Observed
from reconciler.model.plan import Action, Change, Drift

R = "blue/report/sales"


def test_a_new_report_is_created_with_one_change_per_field(world: Any) -> None:
    plan = world.make(
        world.desired(world.manifest(R, {"title": "T", "projectIds": ["2", "1"]}, protect=True)), world.recorded()
    )
    [step] = plan.steps
    assert (step.action, step.reason, step.id, step.remote_digest) == (Action.CREATE, "new", None, None)
    assert step.after == {"title": "T", "projectIds": ["1", "2"]}
    assert step.changes == (
        Change(("projectIds",), None, ["1", "2"]),
        Change(("title",), None, "T"),
        Change(("lifecycle", "protect"), before=None, after=True),
    )
    assert step.lifecycle == Lifecycle(protect=True)
    assert plan.summary["create"] == 1
    assert plan.unchanged == 0


def test_what_a_create_cannot_carry_follows_in_an_update(world: Any) -> None:
    want = world.desired(world.manifest(R, {"title": "T", "config": {"a": 1}}, labels={"owner": "me"}))
    first, second = world.make(want, world.recorded()).steps
    assert (first.action, first.after) == (Action.CREATE, {"title": "T"})
    assert (second.action, second.after, second.id) == (Action.UPDATE, {"title": "T", "config": {"a": 1}}, None)
    assert second.changes == (Change(("config",), None, {"a": 1}),)
    assert first.labels == second.labels == {"owner": "me"}
    assert second.needs == ()


@pytest.mark.parametrize(
    "spelling", [{}, {"projectIds": None}, {"projectIds": []}, {"config": {}}, {"projectIds": ["2", "1"]}]
)
def test_no_spelling_makes_a_difference(world: Any, spelling: dict[str, Any]) -> None:
    stored = {"title": "T", **({"projectIds": ["1", "2"]} if spelling.get("projectIds") else {})}
    plan = world.make(
        world.desired(world.manifest(R, {"title": "T", **spelling})), world.recorded(world.resource(R, stored))
    )
    assert (plan.steps, plan.unchanged) == ((), 1)


def test_what_an_older_version_recorded_is_normalised_too(world: Any) -> None:
    have = world.recorded(world.resource(R, {"title": "T", "projectIds": ["2", "1"], "config": None}))
    assert world.make(world.desired(world.manifest(R, {"title": "T", "projectIds": ["1", "2"]})), have).steps == ()


def test_an_update_says_what_changes_and_what_widens(world: Any) -> None:
    have = world.recorded(world.resource(R, {"title": "T", "projectIds": ["1"]}))
    [step] = world.make(world.desired(world.manifest(R, {"title": "U"})), have).steps
    assert (step.action, step.reason, step.id) == (Action.UPDATE, "changed", "r1")
    assert step.changes == (Change(("projectIds",), ["1"], None), Change(("title",), "T", "U"))
    assert step.warnings == ("reaches all workspaces, not only some",)
    assert step.remote_digest == digest({"title": "T", "projectIds": ["1"]})


def test_the_digest_is_of_what_the_service_kept(world: Any) -> None:
    have = world.recorded(world.resource(R, {"title": "T"}, remote={"title": "t"}))
    [step] = world.make(world.desired(world.manifest(R, {"title": "U"})), have).steps
    assert step.remote_digest == digest({"title": "t"})


def test_lifecycle_alone_is_an_update_that_is_recorded_only(world: Any) -> None:
    have = world.recorded(world.resource(R, {"title": "T"}, lifecycle=Lifecycle(protect=True)))
    want = world.desired(world.manifest(R, {"title": "T"}, on_remove=OnRemove.DETACH))
    [step] = world.make(want, have).steps
    assert step.reason == "only its lifecycle changes; nothing is sent"
    assert step.changes == (
        Change(("lifecycle", "protect"), before=True, after=False),
        Change(("lifecycle", "onRemove"), "delete", "detach"),
    )


def test_a_report_without_manifest_is_deleted(world: Any) -> None:
    have = world.recorded(world.resource(R, {"title": "T"}, labels={"owner": "me"}))
    [step] = world.make(world.desired(), have).steps
    assert (step.action, step.reason, step.id, step.after) == (Action.DELETE, "its manifest is gone", "r1", None)
    assert step.changes == (Change(("title",), "T", None),)
    assert step.remote_digest == digest({"title": "T"})
    assert step.warnings == ()


def test_a_protected_report_is_planned_for_deletion_with_a_warning(world: Any) -> None:
    have = world.recorded(world.resource(R, {"title": "T"}, lifecycle=Lifecycle(protect=True)))
    [step] = world.make(world.desired(), have).steps
    assert step.action is Action.DELETE
    assert "apply refuses to delete it" in step.warnings[0]


def test_a_detached_report_is_forgotten(world: Any) -> None:
    have = world.recorded(world.resource(R, {"title": "T"}, lifecycle=Lifecycle(on_remove=OnRemove.DETACH)))
    [step] = world.make(world.desired(), have).steps
    assert (step.action, step.changes, step.remote_digest) == (Action.FORGET, (), None)
    assert step.reason == "its manifest is gone; onRemove: detach leaves its object as it is"


class TestRefresh:
    def test_an_object_as_it_was_left_alone_means_nothing(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}, remote={"title": "t"}))
        live = {world.address(R): Observed("r1", {"title": "t", "projectIds": []})}
        plan = world.make(world.desired(world.manifest(R, {"title": "T"})), have, observed=live)
        assert (plan.steps, plan.drift, plan.unchanged) == ((), (), 1)

    def test_drift_is_listed_and_undone(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T", "projectIds": ["1"]}))
        live = {world.address(R): Observed("r1", {"title": "X", "projectIds": ["1"]})}
        plan = world.make(world.desired(world.manifest(R, {"title": "T"})), have, observed=live)
        assert plan.drift == (Drift(world.address(R), "r1", missing=False, changes=(Change(("title",), "T", "X"),)),)
        [step] = plan.steps
        assert step.reason == "changed, here and in the service"
        assert step.changes == (Change(("projectIds",), ["1"], None), Change(("title",), "X", "T"))
        assert step.remote_digest == digest({"title": "X", "projectIds": ["1"]})
        [step] = world.make(
            world.desired(world.manifest(R, {"title": "T", "projectIds": ["1"]})), have, observed=live
        ).steps
        assert step.reason == "changed in the service; restored"

    def test_a_change_of_the_manifest_without_drift_is_what_it_would_be_offline(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}, remote={"title": "t"}))
        want = world.desired(world.manifest(R, {"title": "U"}))
        live = {world.address(R): Observed("r1", {"title": "t"})}
        assert world.make(want, have, observed=live) == world.make(want, have)

    def test_the_same_change_made_by_hand_is_recorded(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}))
        live = {world.address(R): Observed("r1", {"title": "U"})}
        [step] = world.make(world.desired(world.manifest(R, {"title": "U"})), have, observed=live).steps
        assert step.reason == "changed; the service has it already"
        assert step.changes == (Change(("title",), "T", "U"),)
        assert step.remote_digest == digest({"title": "U"})

    def test_drift_that_ends_at_the_declared_state_is_recorded(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}, remote={"title": "t"}))
        live = {world.address(R): Observed("r1", {"title": "T"})}
        want = world.desired(world.manifest(R, {"title": "T"}))
        plan = world.make(want, have, observed=live)
        [step] = plan.steps
        assert (step.action, step.reason) == (Action.UPDATE, "corrected in the service")
        assert step.changes == (Change(("title",), "t", "T"),)
        assert (step.after, step.remote_digest) == ({"title": "T"}, digest({"title": "T"}))
        after = world.make(want, world.applied(plan, have), observed=live)
        assert (after.steps, after.drift) == ((), ())

    def test_a_missing_object_is_created_again(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}))
        plan = world.make(world.desired(world.manifest(R, {"title": "T"})), have, observed={world.address(R): None})
        assert plan.drift == (Drift(world.address(R), "r1", missing=True),)
        forget, create = plan.steps
        assert (forget.action, forget.id) == (Action.FORGET, "r1")
        assert "gone" in forget.reason
        assert (create.action, create.reason, create.id) == (Action.CREATE, "gone from the service", None)

    def test_a_missing_object_without_manifest_is_forgotten_even_when_protected(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}, lifecycle=Lifecycle(protect=True)))
        [step] = world.make(world.desired(), have, observed={world.address(R): None}).steps
        assert (step.action, step.reason) == (Action.FORGET, "its manifest is gone, and so is its object")

    def test_a_removed_object_is_deleted_as_it_is_now(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}))
        live = {world.address(R): Observed("r1", {"title": "X"})}
        [step] = world.make(world.desired(), have, observed=live).steps
        assert step.remote_digest == digest({"title": "X"})

    def test_kinds_nobody_knows_any_more_are_compared_as_they_are(self, world: Any) -> None:
        have = world.recorded(world.resource("other/report/x", {"title": "T"}))
        live = {world.address("other/report/x"): Observed("r1", {"title": "X"})}
        plan = world.make(world.desired(), have, observed=live)
        assert plan.drift[0].changes == (Change(("title",), "T", "X"),)

    def test_what_nobody_looked_at_or_nobody_recorded_has_no_drift(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}))
        plan = world.make(
            world.desired(world.manifest(R, {"title": "T"})), have, observed={world.address("a/b/c"): None}
        )
        assert (plan.steps, plan.drift) == ((), ())


class TestDoubts:
    def test_what_is_in_doubt_is_left_alone(self, world: Any) -> None:
        have = world.recorded(
            world.resource(R, {"title": "T"}),
            world.doubt(R, Action.UPDATE),
            world.doubt("blue/report/gone", Action.DELETE),
        )
        want = world.desired(world.manifest(R, {"title": "U"}), world.manifest("blue/report/new", {"title": "N"}))
        plan = world.make(want, have, observed={world.address(R): None})
        assert [str(step.address) for step in plan.steps] == ["blue/report/new"]
        assert list(map(str, plan.in_doubt)) == ["blue/report/gone", R]
        assert (plan.drift, plan.unchanged) == ((), 0)

    @pytest.mark.parametrize(
        ("action", "recorded", "alone"), [("create", False, True), ("delete", True, True), ("update", True, False)]
    )
    def test_so_is_what_refers_to_an_object_that_may_not_exist(
        self, world: Any, action: str, recorded: bool, alone: bool
    ) -> None:
        target = "pipefy/report/saved"
        have = world.recorded(*[world.resource(target, {"title": "T"})] * recorded, world.doubt(target, Action(action)))
        export = world.manifest("pipefy/export/weekly", {"report": {"ref": target}})
        plan = world.make(world.desired(world.manifest(target, {"title": "T"}), export), have)
        assert (export.address in plan.in_doubt) is alone
        assert [step.address for step in plan.steps] == ([] if alone else [export.address])

    def test_and_what_refers_to_that(self, world: Any) -> None:
        chain = [
            world.manifest(f"blue/report/{name}", {"report": {"ref": f"blue/report/{target}"}})
            for name, target in ("cb", "ba")
        ]
        have = world.recorded(world.doubt("blue/report/a"))
        plan = world.make(world.desired(*chain, world.manifest("blue/report/a", {})), have)
        assert (plan.steps, len(plan.in_doubt)) == ((), 3)


class TestLimits:
    def test_are_checked_again_on_what_is_sent(self, world: Any) -> None:
        want = world.desired(
            world.manifest(R, {"title": "T" * 21, "config": {"a": 1}, "empty": "error"}),
            world.manifest("blue/report/ok", {"title": "T"}),
        )
        with pytest.raises(InvalidManifests) as caught:
            world.make(want, world.recorded())
        first, second = caught.value.diagnostics
        assert (second.code, second.message, second.hint) == (
            "title.long",
            "title: is longer than 20 characters",
            "shorten it",
        )
        assert (first.code, first.message) == ("report.empty", "holds nothing")
        assert first.span == second.span == want.manifests[0].origin
        assert str(first.address) == R

    def test_warnings_stop_nothing(self, world: Any) -> None:
        plan = world.make(world.desired(world.manifest(R, {"title": "T", "empty": "warning"})), world.recorded())
        assert len(plan.steps) == 1

    def test_numbers_that_json_cannot_carry_are_refused_at_their_manifest(self, world: Any) -> None:
        want = world.desired(world.manifest(R, {"n": 2**60}), world.manifest("blue/report/ok", {"n": 1}))
        with pytest.raises(InvalidManifests) as caught:
            world.make(want, world.recorded())
        assert [(found.code, str(found.address)) for found in caught.value.diagnostics] == [("not-json", R)]

    def test_in_what_is_live_they_are_told_with_their_address(self, world: Any) -> None:
        have = world.recorded(world.resource(R, {"title": "T"}))
        live = {world.address(R): Observed("r1", {"title": "T", "n": 2**60})}
        want = world.desired(world.manifest(R, {"title": "T"}))
        with pytest.raises(Unavailable, match=f"^{R} cannot be compared"):
            world.make(want, have, observed=live)

    def test_elsewhere_they_are_a_defect(self, world: Any) -> None:
        with pytest.raises(ValueError, match="UTF-8"):
            world.make(world.desired(world.manifest(R, {})), world.recorded(), tool="\ud800")


def test_references_that_run_in_a_circle_are_refused(world: Any) -> None:
    pair = [
        world.manifest(f"blue/report/{name}", {"report": {"ref": f"blue/report/{target}"}})
        for name, target in ("ab", "ba")
    ]
    with pytest.raises(InvalidManifests) as caught:
        world.make(world.desired(*pair), world.recorded())
    [found] = caught.value.diagnostics
    assert found.message.startswith("references run in a circle: ")
    assert found.span is not None
