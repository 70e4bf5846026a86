"""The plan as a file: what is written is read, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.canonical import canonical, digest
from reconciler.model.errors import PlanRefused
from reconciler.model.manifest import Lifecycle
from reconciler.model.plan import Action, Change, Drift, Pending, Plan, Step, Target
from reconciler.model.values import Address, Secret
from reconciler.planning import codec

# A busy machine is slow, not wrong.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

KEY = Secret("k\u00e9y")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
optional = st.none() | texts
addresses = st.builds(Address, *[st.sampled_from(["blue", "a", "x-1.y_z"])] * 3)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, json_values, max_size=3)
instants = st.sampled_from(["2026-11-23T06:00:00Z", "2026-11-23T06:00:00.123Z"])
paths = st.lists(texts | st.integers(0, 99), max_size=3).map(tuple)
changes = st.lists(st.builds(Change, paths, json_values, json_values), max_size=2).map(tuple)
steps = st.builds(
    Step,
    address=addresses,
    action=st.sampled_from(Action),
    reason=texts,
    id=optional,
    after=st.none() | objects,
    changes=changes,
    lifecycle=st.builds(Lifecycle, protect=st.booleans()),
    labels=st.dictionaries(texts, texts, max_size=2),
    remote_digest=optional,
    occurrence=st.none() | instants,
    needs=st.lists(addresses, max_size=2).map(tuple),
    warnings=st.lists(texts, max_size=2).map(tuple),
)
plans = st.builds(
    Plan,
    created=instants,
    expires=instants,
    tool=texts,
    environment=texts,
    targets=st.dictionaries(texts, st.builds(Target, texts, texts), max_size=2),
    lineage=optional,
    position=st.integers(0, 2**53 - 1),
    tree=texts,
    commit=optional,
    steps=st.lists(steps, max_size=3).map(tuple),
    drift=st.lists(st.builds(Drift, addresses, texts, st.booleans(), changes), max_size=2).map(tuple),
    pending=st.lists(st.builds(Pending, addresses, st.none() | instants, texts), max_size=2).map(tuple),
    in_doubt=st.lists(addresses, max_size=2).map(tuple),
    unchanged=st.integers(0, 9),
)


@RELAXED
@given(plans)
def test_a_plan_comes_back_from_its_json(plan: Plan) -> None:
    assert codec.from_json(codec.to_json(plan)) == plan


@RELAXED
@given(plans, st.sampled_from([None, KEY]))
def test_a_plan_comes_back_from_its_file(plan: Plan, key: Secret | None) -> None:
    sealed = codec.seal(plan)
    data = codec.dump(sealed, key)
    assert codec.parse(data, key) == sealed
    assert codec.parse(data, None) == sealed
    assert codec.parse(json.dumps(json.loads(data), indent=3).encode("utf-16"), key) == sealed
    assert codec.dump(codec.parse(data, key), key) == data


@RELAXED
@given(plans, st.data())
def test_no_part_of_a_plan_file_can_be_changed(plan: Plan, data: st.DataObject) -> None:
    document = codec.to_json(codec.seal(plan))
    name = data.draw(st.sampled_from(sorted(document.keys() - {"format"})))
    document[name] = data.draw(json_values.filter(lambda value: _spelling(value) != _spelling(document[name])))
    with pytest.raises(PlanRefused, match="was edited"):
        codec.parse(_spelling(document), None)


@RELAXED
@given(st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(PlanRefused, match="not a plan file"):
        codec.parse(data, None)


@RELAXED
@given(plans.filter(lambda plan: plan.steps), st.data())
def test_a_resealed_forgery_is_read_strictly(plan: Plan, data: st.DataObject) -> None:
    """Whoever edits a file can also compute its digest: no value of a wrong type may get in, or out as a crash."""
    document = codec.to_json(plan)
    holder = data.draw(
        st.sampled_from(
            [document, document["base"], document["source"], document["steps"][0], document["steps"][0]["lifecycle"]]
        )
    )
    name = data.draw(st.sampled_from(sorted(holder.keys() - {"format"})))
    holder[name] = data.draw(json_values)
    try:
        read = codec.parse(_resealed(document), None)
    except PlanRefused:
        return
    assert _spelling(codec.to_json(read)) == _resealed(document)


def _spelling(value: Any) -> bytes:
    return canonical(value)


def _resealed(document: dict[str, Any]) -> bytes:
    return canonical({**document, "digest": digest({key: value for key, value in document.items() if key != "digest"})})


@pytest.fixture
def document(world: Any) -> dict[str, Any]:
    want = world.desired(world.manifest("blue/report/a", {"title": "T"}))
    return codec.to_json(world.make(want, world.recorded()))


def _set(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(values)


def _step(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["steps"][0].update(values)


@pytest.mark.parametrize(
    "break_it",
    [
        _set(created="2026-11-23T06:00:00"),
        _set(created="yesterday"),
        _set(tool=None),
        _set(unchanged=True),
        _set(unchanged=-1),
        _set(unchanged=1.5),
        _set(steps={}),
        _set(steps=[[]]),
        _set(base=[]),
        _set(targets={"blue": "acme"}),
        _set(in_doubt=["../../etc"]),
        _set(drift=[{"address": "a/b/c", "id": "1", "missing": 0, "changes": []}]),
        _set(pending=[{}]),
        _step(action="destroy"),
        _step(address="blue/report/\u202e"),
        _step(lifecycle={"protect": "no", "onRemove": "delete"}),
        _step(labels={"a": 1}),
        _step(after=[]),
        _step(occurrence="soon"),
        _step(changes=[{"path": "a..b", "before": None, "after": 1}]),
    ],
)
def test_wrong_values_are_refused(document: dict[str, Any], break_it: Callable[[dict[str, Any]], None]) -> None:
    break_it(document)
    with pytest.raises(PlanRefused, match="not a plan file"):
        codec.parse(_resealed(document), None)


@pytest.mark.parametrize(
    "break_it",
    [
        _set(extra=1),
        _set(summary={}),
        _step(extra=1),
        _step(changes=[{"path": ".a", "before": None, "after": 1}]),
    ],
)
def test_what_would_be_lost_is_refused(document: dict[str, Any], break_it: Callable[[dict[str, Any]], None]) -> None:
    break_it(document)
    with pytest.raises(PlanRefused, match="this version does not know"):
        codec.parse(_resealed(document), None)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"format":"reconciler.plan/1","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"format":"reconciler.plan/1","x":' + b"9" * 10_000 + b"}",
        b'{"format":"reconciler.plan/1","x":1e999}',
        b'{"format":"reconciler.plan/1","x":NaN}',
        b'{"format":"reconciler.plan/1","x":"\\ud800"}',
        b'{"format":"reconciler.plan/1","format":"reconciler.plan/1"}',
        b'{"format":7}',
        b'{"format":"reconciler.event/1"}',
        b'{"format":"reconciler.plan/0"}',
        b"{}",
        b"\xff\xfe",
        b"",
    ],
)
def test_hostile_files_are_refused(data: bytes) -> None:
    with pytest.raises(PlanRefused, match="not a plan file"):
        codec.parse(data, KEY)


def test_a_newer_format_is_named(document: dict[str, Any]) -> None:
    with pytest.raises(PlanRefused, match=r"has the format reconciler\.plan/2"):
        codec.parse(canonical({**document, "format": "reconciler.plan/2"}), None)


class TestSignature:
    def test_it_is_asked_for_with_a_key(self, world: Any) -> None:
        data = codec.dump(world.make(world.desired(), world.recorded()), None)
        with pytest.raises(PlanRefused, match="not signed"):
            codec.parse(data, KEY)
        assert codec.parse(data, Secret("")).steps == ()

    @pytest.mark.parametrize("signature", ["0" * 64, "", "\u00e9"])
    def test_a_wrong_one_is_refused(self, document: dict[str, Any], signature: str) -> None:
        with pytest.raises(PlanRefused, match="signature is wrong"):
            codec.parse(canonical({**document, "signature": signature}), KEY)

    def test_another_key_is_refused(self, world: Any) -> None:
        data = codec.dump(world.make(world.desired(), world.recorded()), Secret("other"))
        with pytest.raises(PlanRefused, match="signature is wrong"):
            codec.parse(data, KEY)

    def test_a_resealed_forgery_keeps_no_signature(self, world: Any) -> None:
        document = json.loads(codec.dump(world.make(world.desired(), world.recorded()), KEY))
        forged = json.loads(_resealed({**{k: v for k, v in document.items() if k != "signature"}, "unchanged": 5}))
        with pytest.raises(PlanRefused, match="signature is wrong"):
            codec.parse(canonical({**forged, "signature": document["signature"]}), KEY)


def test_the_digest_covers_everything_else(world: Any) -> None:
    plan = world.make(world.desired(), world.recorded())
    assert codec.seal(replace(plan, digest="x")) == plan
    assert codec.seal(replace(plan, tool="other")).digest != plan.digest


def test_the_keys_are_those_of_the_contract(document: dict[str, Any]) -> None:
    assert list(document) == [
        *("format", "digest", "created", "expires", "tool", "environment", "targets", "base", "source"),
        *("steps", "drift", "pending", "in_doubt", "unchanged", "summary"),
    ]
    assert document["base"] == {"lineage": "sha256:log", "position": 9}
    assert document["source"] == {"tree": "sha256:tree", "commit": None}
    assert document["targets"]["blue"] == {"endpoint": "https://blue.test/graphql", "organization": "acme"}
    assert document["steps"] == [
        {
            "address": "blue/report/a",
            "action": "create",
            "id": None,
            "reason": "new",
            "changes": [{"path": "title", "before": None, "after": "T"}],
            "remote_digest": None,
            "occurrence": None,
            "warnings": [],
            "after": {"title": "T"},
            "lifecycle": {"protect": False, "onRemove": "delete"},
            "labels": {},
            "needs": [],
        }
    ]
    assert list(document["summary"]) == ["create", "update", "delete", "adopt", "move", "forget", "export", "unchanged"]
