"""The plan as a whole: order, selection, determinism, and that an apply leaves nothing to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.errors import Usage
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.plan import Action
from reconciler.model.recorded import RunState

# A busy machine is slow, not wrong.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(data=st.data())
def test_a_plan_after_its_apply_is_empty(world: Any, manifest_sets: Any, due_for: Any, data: st.DataObject) -> None:
    have = world.recorded()
    for _ in range(2):
        want = world.desired(*data.draw(manifest_sets))
        occurrence = data.draw(st.sampled_from([None, "2026-11-23T06:00:00Z"]))
        have = world.applied(world.make(want, have, due=due_for(want, occurrence, 2)), have)
        again = world.make(want, have, due=due_for(want, None))
        assert (again.steps, again.drift, again.pending, again.in_doubt) == ((), (), (), ())
        assert again.unchanged == len(want.manifests)


@RELAXED
@given(data=st.data())
def test_equal_input_gives_equal_plans_whatever_its_order(
    world: Any, manifest_sets: Any, due_for: Any, data: st.DataObject
) -> None:
    old, new = data.draw(manifest_sets), data.draw(manifest_sets)
    have = world.applied(world.make(world.desired(*old), world.recorded()), world.recorded())
    plans = []
    for order in (new, list(reversed(new))):
        want = world.desired(*order)
        have.resources = dict(reversed(have.resources.items()))
        plans.append(world.make(want, have, due=due_for(want, "2026-11-23T06:00:00Z")))
    assert plans[0] == plans[1]
    assert plans[0].digest == plans[1].digest


@RELAXED
@given(data=st.data())
def test_steps_come_in_order_and_need_only_what_comes_too(
    world: Any, manifest_sets: Any, due_for: Any, data: st.DataObject
) -> None:
    old, new = data.draw(manifest_sets), data.draw(manifest_sets)
    have = world.applied(world.make(world.desired(*old), world.recorded()), world.recorded())
    want = world.desired(*new)
    plan = world.make(want, have, due=due_for(want, "2026-11-23T06:00:00Z"))
    ranks = [list(Action).index(step.action) for step in plan.steps]
    assert ranks == sorted(ranks)
    assert {need for step in plan.steps for need in step.needs} <= {step.address for step in plan.steps}
    assert sum(plan.summary.values()) == len(plan.steps) + plan.unchanged


def test_what_is_referred_to_comes_first_then_the_address_decides(world: Any) -> None:
    want = world.desired(
        world.manifest("blue/report/a", {"report": {"ref": "blue/report/z"}}),
        world.manifest("blue/report/b", {}),
        world.manifest("blue/report/z", {"config": {"x": 1}}),
        world.manifest("pipefy/export/now", {"report": {"ref": "blue/report/b"}}),
    )
    have = world.recorded(
        world.resource("blue/report/old", {}),
        world.resource("blue/report/left", {}, lifecycle=Lifecycle(on_remove=OnRemove.DETACH)),
    )
    plan = world.make(want, have)
    assert [f"{step.action} {step.address.name}" for step in plan.steps] == [
        "delete old",
        "forget left",
        "create b",
        "create z",
        "create a",
        "update z",
        "export now",
    ]
    needs = {
        f"{step.action} {step.address.name}": [need.name for need in step.needs] for step in plan.steps if step.needs
    }
    assert needs == {"create a": ["z"], "export now": ["b"]}


def test_a_plan_names_its_base_and_its_time(world: Any) -> None:
    plan = world.make(world.desired(), world.recorded(), commit="abc", lifetime=timedelta(hours=1))
    assert (plan.created, plan.expires) == ("2026-11-23T06:30:00Z", "2026-11-23T07:30:00Z")
    assert (plan.lineage, plan.position, plan.tree, plan.commit) == ("sha256:log", 9, "sha256:tree", "abc")
    assert (plan.tool, plan.environment, plan.targets) == ("reconciler 0", "default", world.targets)
    assert world.make(world.desired(), world.recorded()).expires == "2026-11-24T06:30:00Z"


class TestSelect:
    @pytest.fixture
    def want(self, world: Any) -> Any:
        return world.desired(
            world.manifest("blue/report/a", {}, labels={"owner": "x"}),
            world.manifest("blue/report/b", {}, labels={"owner": "y", "team": ""}),
            world.manifest("pipefy/report/saved", {}),
            world.manifest("pipefy/export/e", {"report": {"ref": "pipefy/report/saved"}}),
        )

    @pytest.fixture
    def have(self, world: Any) -> Any:
        spec = {"pipeIds": ["1"]}
        return world.recorded(
            world.resource("blue/report/old", {}, labels={"owner": "x"}),
            world.export("pipefy/export/flying", spec, world.run(spec, RunState.STARTED), labels={"team": "t"}),
            world.export("pipefy/export/lost", spec, world.run(spec, RunState.IN_DOUBT)),
            world.doubt("blue/report/odd", labels={"odd": "yes"}),
        )

    @pytest.mark.parametrize(
        ("select", "touched"),
        [
            ((), "a b e flying lost old saved odd"),
            (("blue/report/a",), "a"),
            (("blue/*",), "a b odd old"),
            (("*/report/?",), "a b"),
            (("owner",), "a b old"),
            (("owner=x",), "a old"),
            (("team=",), "b"),
            (("team",), "b flying"),
            (("odd=yes",), "odd"),
            (("pipefy/export/e",), "e saved"),
            (("blue/report/a", "team=t"), "a flying"),
            (("pipefy/export/lost",), "lost"),
        ],
    )
    def test_it_narrows_the_plan(self, world: Any, want: Any, have: Any, select: tuple[str, ...], touched: str) -> None:
        plan = world.make(want, have, select=select)
        assert {step.address.name for step in plan.steps} | {one.name for one in plan.in_doubt} == set(touched.split())

    def test_it_narrows_everything_else_too(self, world: Any, want: Any, have: Any) -> None:
        gone = {world.address("blue/report/old"): None}
        flying = world.manifest("pipefy/export/flying", {"pipeIds": ["1"]})
        want = world.desired(*want.manifests, flying)
        plan = world.make(want, have, select=["blue/report/a"], observed=gone)
        assert (plan.drift, plan.pending, plan.in_doubt, plan.unchanged) == ((), (), (), 0)
        plan = world.make(want, have, select=["pipefy/export/flying", "blue/report/old"], observed=gone)
        assert (len(plan.drift), len(plan.pending), plan.unchanged) == (1, 1, 1)

    @pytest.mark.parametrize("selector", ["", "blue/report", "owner=z", "own", "A", "owner=x=", "[", "=x"])
    def test_one_that_matches_nothing_is_wrong_usage(self, world: Any, want: Any, have: Any, selector: str) -> None:
        with pytest.raises(Usage, match="no declared or recorded resource matches"):
            world.make(want, have, select=["blue/report/a", selector])
