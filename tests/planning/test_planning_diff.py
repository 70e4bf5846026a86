from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.plan import Change
from reconciler.model.values import JSON, JSONObject
from reconciler.planning.diff import apply, diff, same

# A busy machine is slow, not wrong.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

numbers = (
    st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, True, False])
)
scalars = st.none() | numbers | st.text("ab.\u202e[", max_size=2)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.text("abc", max_size=1), values, max_size=4)


def exactly(value: JSON) -> str:
    """A spelling in which only what means the same is equal: integral floats are integers, keys are sorted."""
    return json.dumps(_integral(value), sort_keys=True)


def _integral(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_integral(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@RELAXED
@given(objects, objects)
def test_applying_a_diff_leads_to_the_other_side(before: JSONObject, after: JSONObject) -> None:
    untouched = copy.deepcopy(before)
    changes = diff(before, after)
    assert exactly(apply(changes, before)) == exactly(after)
    assert exactly(before) == exactly(untouched)
    assert bool(changes) == (exactly(before) != exactly(after))


@RELAXED
@given(objects)
def test_nothing_differs_from_itself(value: JSONObject) -> None:
    assert diff(value, copy.deepcopy(value)) == ()


@RELAXED
@given(objects, objects)
def test_a_diff_says_what_was_there(before: JSONObject, after: JSONObject) -> None:
    back = tuple(Change(change.path, change.after, change.before) for change in diff(before, after))
    assert sorted(back, key=repr) == sorted(diff(after, before), key=repr)


@RELAXED
@given(values, values)
def test_same_is_equality_of_spellings(left: JSON, right: JSON) -> None:
    assert same(left, right) == (exactly(left) == exactly(right))


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({}, {"b": 1, "a": {"x": None}}, [(("a",), None, {"x": None}), (("b",), None, 1)]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [(("a",), 1, True)]),
        ({"a": 0}, {"a": False}, [(("a",), 0, False)]),
        ({"a": 1}, {"a": None}, [((), {"a": 1}, {"a": None})]),
        ({"a": None}, {}, [((), {"a": None}, {})]),
        ({"a": None, "b": 1}, {"a": None, "b": 2}, [(("b",), 1, 2)]),
        ({"a": {"b": None}}, {"a": {"b": 1}}, [(("a",), {"b": None}, {"b": 1})]),
        ({"a": [{"b": None}]}, {"a": [{"b": 1}]}, [(("a", 0), {"b": None}, {"b": 1})]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}, {}]}, [(("a", 0, "b"), 1, 2), (("a", 1), None, {})]),
        ({"a": [{}, {"b": 1}, {"b": 2}]}, {"a": [{}]}, [(("a", 1), {"b": 1}, None), (("a", 2), {"b": 2}, None)]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [(("a",), [1, 2], [2, 1])]),
        ({"a": [{}, None]}, {"a": [{}]}, [(("a",), [{}, None], [{}])]),
        ({"a": [[1]]}, {"a": [[2]]}, [(("a",), [[1]], [[2]])]),
        ({"a": {}}, {"a": []}, [(("a",), {}, [])]),
    ],
)
def test_the_shape_of_changes(before: JSONObject, after: JSONObject, changes: list[tuple[object, ...]]) -> None:
    assert [(change.path, change.before, change.after) for change in diff(before, after)] == changes
    assert exactly(apply(diff(before, after), before)) == exactly(after)
