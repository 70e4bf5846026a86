"""Laws over random plans, random faults and a crash at any moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import engine_fakes as fakes
from engine_fakes import Crash, Fault, Life, World
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import Locked, StateError
from reconciler.model.plan import Step
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject

AT = "2026-11-23T06:00:00Z"
NAMES = ["a", "b", "c", "d", "xe", "xf"]

SPEC = st.fixed_dictionaries({"n": st.integers(0, 1)}, optional={"config": st.integers(0, 1)})
DESIRED = st.dictionaries(st.sampled_from(NAMES), SPEC, max_size=6)
NEEDS = st.frozensets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=6)
FAULTS = st.dictionaries(st.integers(1, 8), st.sampled_from(Fault), max_size=4)
CRASHES = st.none() | st.tuples(st.integers(1, 20), st.booleans(), st.sampled_from([Crash, Locked, StateError]))
RUNS = st.lists(st.tuples(DESIRED, NEEDS, FAULTS, CRASHES, st.integers(1, 4)), min_size=1, max_size=4)


def planned(recorded: Recorded, desired: Mapping[str, JSONObject], needs: frozenset[tuple[int, int]]) -> list[Step]:
    """What is to be done, as the planner would say it: doubts are left alone, exports are due once."""
    doubtful = {doubt.address for doubt in recorded.in_doubt.values()}
    steps = [
        fakes.delete(at.name, resource.id, resource.content)
        for at, resource in recorded.resources.items()
        if at.name not in desired and at not in doubtful
    ]
    for name, spec in sorted(desired.items()):
        at = fakes.address(name)
        wanted = [NAMES[to] for by, to in needs if NAMES[by] == name and to < by and NAMES[to] in desired]
        blocked = any(fakes.address(need) in doubtful for need in wanted)
        if at in doubtful or blocked:
            continue
        if at.is_export:
            if recorded.exports.get(at) is None or recorded.exports[at].last_occurrence is None:
                steps.append(fakes.export(name, spec, AT, *wanted))
        elif at not in recorded.resources:
            first = {key: value for key, value in spec.items() if key != "config"}
            steps.append(fakes.create(name, first, *wanted))
            if first != spec:
                steps.append(fakes.update(name, None, spec, None, *wanted))
        elif recorded.resources[at].content != spec:
            known = recorded.resources[at]
            steps.append(fakes.update(name, known.id, spec, known.content, *wanted))
    return steps


async def one(world: World, desired: Any, needs: Any, concurrency: int) -> None:
    """A whole apply: recover, plan, perform; what it told must be true."""
    await world.recover()
    steps = planned(world.recorded, desired, needs)
    broken: Exception | None = None
    try:
        result = await world.apply(*steps, concurrency=concurrency)
    except (Crash, Locked, StateError) as error:
        broken = error
    ended = Counter(
        (event.address, event.data["action"])
        for event in world.events
        if event.type.is_terminal and "earlier" not in event.data
    )
    assert ended == Counter((step.address, step.action.value) for step in steps)
    if broken is None:
        assert sum(result.counts.values()) == sum(event.type.is_terminal for event in world.events)
        assert (result.exit_code() == 0) is (
            {str(event.type) for event in world.events if event.type.is_terminal}
            <= {"step.applied", "export.delivered"}
        )
    else:
        raise broken


def consistent(world: World) -> None:
    """Nothing is there twice: every object is recorded once, or in doubt."""
    ids = [resource.id for resource in world.recorded.resources.values()]
    assert len(ids) == len(set(ids))
    assert all(count == 1 for count in world.service.started.values())


@given(RUNS)
def test_whatever_happens_a_clean_apply_afterwards_converges(runs: list[Any]) -> None:
    async def scenario() -> None:
        world = World()
        world.service.script = [fakes.PROCESSING, fakes.DONE]
        for desired, needs, faults, crash, concurrency in runs:
            at, durable, error = crash or (None, False, Crash)
            world.process(Life(crash_at=at, durable=durable, error=lambda error=error: error("broken")), faults)
            with contextlib.suppress(Crash, Locked, StateError):
                await one(world, desired, needs, concurrency)
            consistent(world)
        desired, needs = runs[-1][0], runs[-1][1]
        world.process()
        await one(world, desired, needs, 3)
        consistent(world)
        recorded = world.recorded
        kept = {name: spec for name, spec in desired.items() if not name.startswith("x")}
        assert recorded.in_doubt == {}
        assert {at.name: resource.spec for at, resource in recorded.resources.items()} == kept
        assert {resource.id: resource.spec for resource in recorded.resources.values()} == world.service.objects
        before = world.service.mutations
        world.process()
        await one(world, desired, needs, 3)
        assert world.service.mutations == before

    asyncio.run(scenario())


@given(FAULTS, st.integers(1, 5))
def test_every_create_is_intended_before_it_is_sent(faults: dict[int, Fault], concurrency: int) -> None:
    world = World()
    world.process(faults=faults)
    perform = world.provider.perform

    async def watched(request: Any) -> Any:
        assert any(doubt.address == request.address for doubt in world.recorded.in_doubt.values())
        return await perform(request)

    world.provider.perform = watched  # type: ignore[method-assign]  # looks over the fake's shoulder
    with contextlib.suppress(Crash, Locked):
        asyncio.run(world.apply(*(fakes.create(f"a{n}", {"n": n}) for n in range(6)), concurrency=concurrency))
