"""Whether a plan may be performed: validity of a saved one, and the valve for deletes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.errors import PlanRefused, RailRefused
from reconciler.model.manifest import Lifecycle, Safety
from reconciler.model.plan import Action, Plan, Target
from reconciler.planning import safety, validity

# A busy machine is slow, not wrong.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def plan(world: Any) -> Plan:
    made: Plan = world.make(world.desired(world.manifest("blue/report/a", {})), world.recorded())
    return made


def verify(world: Any, plan: Plan, **wrong: Any) -> None:
    state = world.recorded()
    for name in ("lineage", "position", "changed", "plans"):
        if name in wrong:
            setattr(state, name, wrong[name])
    validity.verify(
        plan,
        recorded=state,
        now=world.now + wrong.get("later", timedelta(0)),
        environment=wrong.get("environment", "default"),
        targets=wrong.get("targets", world.targets),
    )


BLUE, PIPEFY = Target("https://blue.test/graphql", "acme"), Target("https://pipefy.test/graphql", "300")
REASONS: list[tuple[dict[str, Any], str]] = [
    ({"plans": "digest"}, "was used"),
    ({"environment": "prod"}, "for the environment default, not prod"),
    ({"targets": {"blue": BLUE}}, "pipefy is not configured"),
    ({"targets": {"blue": replace(BLUE, endpoint="https://x.test"), "pipefy": PIPEFY}}, "blue endpoint https://blue"),
    ({"targets": {"blue": BLUE, "pipefy": replace(PIPEFY, organization="9")}}, "pipefy organization 300, not 9"),
    ({"later": timedelta(hours=24)}, "expired at 2026-11-24T06:30:00Z"),
    ({"lineage": "sha256:other"}, "another log"),
    ({"position": 8}, "position 9 of the log, which now ends at 8"),
    ({"changed": 10}, "stale.*position 9.*position 10"),
]


def test_a_valid_plan_passes(world: Any, plan: Plan) -> None:
    verify(world, plan)
    verify(world, plan, changed=9, targets={**world.targets, "third": BLUE}, later=timedelta(hours=23))


@pytest.mark.parametrize(("wrong", "message"), REASONS)
def test_each_reason_has_its_message(world: Any, plan: Plan, wrong: dict[str, Any], message: str) -> None:
    wrong = {**wrong, **({"plans": {plan.digest}} if "plans" in wrong else {})}
    with pytest.raises(PlanRefused, match=message):
        verify(world, plan, **wrong)


def test_the_first_reason_is_the_one_that_is_said(world: Any, plan: Plan) -> None:
    for index, (_, message) in enumerate(REASONS):
        wrong = {key: value for reason, _ in reversed(REASONS[index:]) for key, value in reason.items()}
        with pytest.raises(PlanRefused, match=message):
            verify(world, plan, **{**wrong, **({"plans": {plan.digest}} if "plans" in wrong else {})})


def test_a_plan_made_before_there_was_a_log(world: Any, plan: Plan) -> None:
    early = replace(plan, lineage=None, position=0)
    verify(world, early, changed=0)
    with pytest.raises(PlanRefused, match="stale"):
        verify(world, early, changed=1)


def test_steps_for_a_target_that_the_plan_does_not_name(world: Any, plan: Plan) -> None:
    with pytest.raises(PlanRefused, match="blue is not in it"):
        verify(world, replace(plan, targets={}))


def deleting(world: Any, deletes: int, total: int, *, protect: bool = False) -> tuple[Plan, Any]:
    have = world.recorded(
        *(world.resource(f"blue/report/r{n:03}", {}, lifecycle=Lifecycle(protect=protect)) for n in range(total))
    )
    kept = [world.manifest(f"blue/report/r{n:03}", {}, protect=protect) for n in range(deletes, total)]
    return world.make(world.desired(*kept), have), have


@pytest.mark.parametrize(
    ("deletes", "total", "allowed", "refused"),
    [
        (0, 0, None, ""),
        (9, 9, None, ""),
        (3, 10, None, ""),
        (4, 10, None, "deletes 4 of 10 .*; at most 30% at once"),
        (10, 40, None, ""),
        (11, 40, None, "deletes 11 of 40 .*r009 and 1 more.*; at most 10 at once"),
        (11, 40, 11, ""),
        (11, 40, 10, "--allow-deletes allows 10"),
        (1, 40, 0, "--allow-deletes allows 0"),
        (0, 40, 0, ""),
    ],
)
def test_the_valve(world: Any, deletes: int, total: int, allowed: int | None, refused: str) -> None:
    plan, have = deleting(world, deletes, total)
    said = safety.warnings(plan, have, Safety(), allowed)
    if not refused:
        safety.refuse(plan, have, Safety(), allowed)
        assert said == ()
        return
    with pytest.raises(RailRefused, match=refused) as caught:
        safety.refuse(plan, have, Safety(), allowed)
    assert said == (caught.value.message,)
    assert caught.value.hint == f"if that is meant, say --allow-deletes {deletes}"


def test_protection_gives_way_to_nothing(world: Any) -> None:
    plan, have = deleting(world, 1, 1, protect=True)
    with pytest.raises(RailRefused, match=r"deletes what is protected: blue/report/r000$") as caught:
        safety.refuse(plan, have, Safety(), 99)
    assert "lifecycle.protect: false" in caught.value.hint
    with pytest.raises(RailRefused, match=r"protected: .*; the plan deletes 1 of 1"):
        safety.refuse(plan, have, Safety(max_deletes=0), None)
    assert len(safety.warnings(plan, have, Safety(max_deletes=0))) == 2


def test_protection_is_the_recorded_one(world: Any) -> None:
    plan, have = deleting(world, 1, 1)
    have.resources = {at: replace(one, lifecycle=Lifecycle(protect=True)) for at, one in have.resources.items()}
    with pytest.raises(RailRefused, match="protected"):
        safety.refuse(plan, have, Safety(), None)


def test_lifting_protection_takes_two_applies(world: Any) -> None:
    have = world.recorded(world.resource("blue/report/a", {}, lifecycle=Lifecycle(protect=True)))
    lifted = world.make(world.desired(world.manifest("blue/report/a", {})), have)
    safety.refuse(lifted, have, Safety(), None)
    after = world.applied(lifted, have)
    safety.refuse(world.make(world.desired(), after), after, Safety(), None)


@RELAXED
@given(deletes=st.integers(0, 30), kept=st.integers(0, 30), limit=st.integers(0, 30), share=st.floats(0, 1))
def test_what_was_allowed_in_number_passes(world: Any, deletes: int, kept: int, limit: int, share: float) -> None:
    plan, have = deleting(world, deletes, deletes + kept)
    safety.refuse(plan, have, Safety(limit, share), deletes)


def vanished(world: Any, gone: int, total: int, *, removed: int = 0, protect: bool = False) -> tuple[Plan, Any]:
    """A plan made after looking: the first are not there any more, the last have lost their manifests."""
    names = [f"blue/report/r{n:03}" for n in range(total)]
    have = world.recorded(*(world.resource(name, {}, lifecycle=Lifecycle(protect=protect)) for name in names))
    want = world.desired(*(world.manifest(name, {}, protect=protect) for name in names[: total - removed]))
    live = {world.address(name): None for name in names[:gone]}
    return world.make(want, have, observed=live), have


@pytest.mark.parametrize(
    ("gone", "removed", "total", "allowed", "refused"),
    [
        (1, 0, 1, None, ""),
        (3, 0, 10, None, ""),
        (4, 0, 10, None, r"replaces what is gone \(or can no longer be seen\): 4 of 10 .*; at most 30% at once"),
        (11, 0, 40, None, r"replaces what is gone .*: 11 of 40 .*; at most 10 at once"),
        (2, 2, 10, None, r"deletes, or replaces what is gone \(or can no longer be seen\): 4 of 10 .*r008.*r001"),
        (11, 0, 11, 11, ""),
        (1, 0, 1, 0, "--allow-deletes allows 0"),
    ],
)
def test_the_valve_for_what_is_made_again(
    world: Any, gone: int, removed: int, total: int, allowed: int | None, refused: str
) -> None:
    plan, have = vanished(world, gone, total, removed=removed)
    if not refused:
        safety.refuse(plan, have, Safety(), allowed)
        assert safety.warnings(plan, have, Safety(), allowed) == ()
        return
    with pytest.raises(RailRefused, match=refused) as caught:
        safety.refuse(plan, have, Safety(), allowed)
    assert caught.value.hint == f"if that is meant, say --allow-deletes {gone + removed}"


def test_what_is_protected_is_not_made_again_unasked(world: Any) -> None:
    plan, have = vanished(world, 1, 2, protect=True)
    with pytest.raises(
        RailRefused, match=r"replaces what is gone \(or .*seen\) but protected: blue/report/r000$"
    ) as caught:
        safety.refuse(plan, have, Safety(), 99)
    assert "lifecycle.protect: false" in caught.value.hint
    assert "--refresh" in caught.value.hint
    plan, have = vanished(world, 1, 2, removed=1, protect=True)
    with pytest.raises(RailRefused, match=r"deletes what is protected: .*r001; .*but protected: .*r000$"):
        safety.refuse(plan, have, Safety(), 99)


def test_forgetting_what_is_gone_and_not_declared_counts_for_nothing(world: Any) -> None:
    have = world.recorded(world.resource("blue/report/a", {}, lifecycle=Lifecycle(protect=True)))
    plan = world.make(world.desired(), have, observed={world.address("blue/report/a"): None})
    assert [step.action for step in plan.steps] == [Action.FORGET]
    safety.refuse(plan, have, Safety(max_deletes=0), None)
