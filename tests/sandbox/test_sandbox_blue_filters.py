"""The record filter as a pure function, and its laws."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sandbox.blue import filters
from reconciler.sandbox.blue.filters import Record
from reconciler.sandbox.context import ServiceError

OPEN = {
    "id": "t1",
    "title": "Renew Harbour",
    "text": "with the new price",
    "done": False,
    "archived": False,
    "color": "#f00",
    "position": 2.0,
    "assigneeIds": ["ana", "bo"],
    "tagIds": ["hot"],
    "startedAt": "2026-05-01T00:00:00.000Z",
    "duedAt": "2026-06-01T00:00:00.000Z",
    "createdAt": "2026-04-01T00:00:00.000Z",
    "updatedAt": "2026-05-15T00:00:00.000Z",
    "completedAt": None,
    "updatedById": "ana",
    "updatedByActorType": "USER",
    "customFields": {
        "amount": 100,
        "region": "EMEA",
        "since": "2026-01-02T00:00:00Z",
        "roles": ["a", "b"],
        "empty": [],
    },
}
BARE = {
    "id": "t2",
    "title": "Plan",
    "text": "",
    "done": True,
    "archived": True,
    "color": None,
    "position": 1.0,
    "assigneeIds": [],
    "tagIds": [],
    "startedAt": None,
    "duedAt": None,
    "createdAt": "2026-04-02T00:00:00.000Z",
    "updatedAt": "2026-04-02T00:00:00.000Z",
    "completedAt": "2026-04-02T00:00:00.000Z",
    "checklists": ["c"],
    "dependencies": ["d"],
    "references": ["r"],
}


def record(todo: dict[str, Any]) -> Record:
    tags = [{"id": "hot", "title": "Hot", "color": "#ff0"}] if todo["tagIds"] else []
    project = {"id": "p", "archived": todo is BARE}
    return Record(
        todo, {"id": "l" if todo is OPEN else "m", "title": "Doing" if todo is OPEN else "Done"}, project, tags
    )


BOTH = (record(OPEN), record(BARE))


def found(given: dict[str, Any]) -> str:
    """Name the records that pass: o for the open one, b for the bare one."""
    return "".join(name for name, each in zip("ob", BOTH, strict=True) if filters.matches(each, given))


def custom(field: str, op: str | None, *values: Any) -> dict[str, Any]:
    entry = {"type": "CUSTOM_FIELD", "customFieldId": field, "customFieldType": "NUMBER", "values": list(values)}
    return entry | ({"op": op} if op else {})


FLAT = [
    ({}, "ob"),
    ({"nonsense": 1}, "ob"),
    ({"done": None, "tagIds": []}, "ob"),
    ({"projectIds": ["p"]}, "ob"),
    ({"projectIds": ["q"]}, ""),
    ({"todoIds": ["t2"]}, "b"),
    ({"excludeArchivedProjects": True}, "o"),
    ({"excludeArchivedProjects": False}, "ob"),
    ({"assigneeIds": ["bo", "cy"]}, "o"),
    ({"notAssigneeIds": ["bo"]}, "b"),
    ({"unassigned": True}, "b"),
    ({"unassigned": False}, "ob"),
    ({"tagIds": ["hot"]}, "o"),
    ({"notTagIds": ["hot"]}, "b"),
    ({"tagColors": ["#ff0"]}, "o"),
    ({"tagTitles": ["Hot"]}, "o"),
    ({"todoListIds": ["l"]}, "o"),
    ({"notTodoListIds": ["l"]}, "b"),
    ({"todoListTitles": ["Done"]}, "b"),
    ({"notColors": ["#f00"]}, "b"),
    ({"done": True}, "b"),
    ({"done": False}, "o"),
    ({"showCompleted": False}, "o"),
    ({"showCompleted": True}, "ob"),
    ({"hasTag": True}, "o"),
    ({"hasColor": True}, "o"),
    ({"hasDueDate": True}, "o"),
    ({"hasDescription": True}, "o"),
    ({"hasChecklist": True}, "b"),
    ({"hasDependency": True}, "b"),
    ({"hasReference": True}, "b"),
    ({"startedAt": "2026-05-01T02:00:00+02:00"}, "o"),
    ({"duedAt": "2026-06-02"}, ""),
    ({"dueStart": "2026-06-01"}, "o"),
    ({"dueEnd": "2026-06-01"}, "o"),
    ({"duedAtStart": "2026-06-02"}, ""),
    ({"duedAtEnd": "2026-05-31"}, ""),
    ({"createdStart": "2026-04-02"}, "b"),
    ({"createdEnd": "2026-04-01"}, "o"),
    ({"updatedAt_gt": "2026-04-02"}, "o"),
    ({"updatedAt_gte": "2026-04-02"}, "ob"),
    ({"search": "NEW PRICE"}, "o"),
    ({"q": "plan"}, "b"),
    ({"recordName": "harb"}, "o"),
    ({"recordName": "plan", "recordNameOp": "IS"}, "b"),
    ({"recordName": "plan", "recordNameOp": "NOT"}, "o"),
    ({"recordName": "a", "recordNameOp": "NOT_CONTAINS"}, ""),
    ({"positionBefore": {"position": 2.0, "id": "t1"}}, "b"),
    ({"positionBefore": {"position": 2.0, "id": "t2"}}, "ob"),
    ({"done": False, "hasTag": False}, ""),
    ({"colors": ["#f00"], "notProjectIds": ["p"]}, "ob"),  # known in groups only
]
GROUPED = [
    ([{"colors": ["#f00"]}], "o"),
    ([{"notProjectIds": ["p"]}], ""),
    ([{"completedStart": "2026-04-01", "completedEnd": "2026-04-03"}], "b"),
    ([{"lastUpdatedByUserIds": ["zed"], "lastUpdatedByActorTypes": ["USER"]}], "o"),
    ([{"lastUpdatedByAutomationIds": ["x"]}], ""),
    ([{"op": "OR", "hasTag": True, "hasChecklist": True}], "ob"),
    ([{"op": "AND", "hasTag": True, "hasChecklist": True}], ""),
    ([{"hasTag": True, "hasChecklist": True}], ""),
    ([{"op": "OR"}], "ob"),
    ([{"op": "OR", "hasTag": True, "fields": [custom("amount", "GT", 500)]}], "o"),
]


@pytest.mark.parametrize(("given", "expected"), FLAT)
def test_flat_keys(given: dict[str, Any], expected: str) -> None:
    assert found(given) == expected


@pytest.mark.parametrize(("groups", "expected"), GROUPED)
def test_keys_of_groups(groups: list[dict[str, Any]], expected: str) -> None:
    assert found({"groups": groups, "done": "ignored", "todoIds": ["nothing"]}) == expected


FIELDS = [
    (("amount", "EQ", 100), True),
    (("amount", "IS", "100.0"), True),
    (("amount", None, 100), True),
    (("amount", "NE", 100), False),
    (("amount", "IN", 1, 100), True),
    (("amount", "NIN", 1, 2), True),
    (("amount", "GT", 99), True),
    (("amount", "GT", 100), False),
    (("amount", "GTE", 100), True),
    (("amount", "LT", 20), False),
    (("amount", "LTE", 100), True),
    (("region", "IS", "emea"), True),
    (("region", "CONTAINS", "me"), True),
    (("region", "NOT_CONTAINS", "me"), False),
    (("since", "GT", "2026-01-01T23:00:00-02:00"), False),
    (("since", "GTE", "2026-01-02"), True),
    (("roles", "IN", "b"), True),
    (("roles", "IS", "c"), False),
    (("missing", "IS", None), True),
    (("empty", "IS", None), True),
    (("amount", "IS", None), False),
    (("missing", "NOT", None), False),
    (("missing", "NE", 5), True),
    (("missing", "LT", 5), False),
    (("missing", "CONTAINS", ""), False),
]


@pytest.mark.parametrize(("entry", "expected"), FIELDS)
def test_custom_fields(entry: tuple[Any, ...], expected: bool) -> None:
    assert filters.matches(BOTH[0], {"fields": [custom(*entry)]}) is expected


def test_a_single_value_needs_no_list() -> None:
    assert found({"fields": [custom("amount", "EQ") | {"values": 100}]}) == "o"


def test_entries_without_a_known_type_are_dropped() -> None:
    wrong = custom("amount", "EQ", -1)
    untyped = {key: value for key, value in wrong.items() if key != "type"}
    for entry in (untyped, wrong | {"type": "TIME_IN_LIST"}, wrong | {"customFieldType": "LOCATION"}, "text"):
        assert found({"fields": [entry]}) == "ob"


def test_op_joins_the_fields() -> None:
    fields = [custom("amount", "EQ", 100), custom("region", "IS", "APAC")]
    assert found({"fields": fields}) == ""
    assert found({"fields": fields, "op": "OR"}) == "o"
    assert found({"fields": fields, "op": "OR", "done": True}) == ""


def test_archived() -> None:
    for blob, listed in (
        ({}, [True, False]),
        ({"archived": False}, [True, False]),
        ({"archived": True}, [False, True]),
    ):
        assert [filters.is_listed(each, blob) for each in BOTH] == listed
    assert filters.is_listed(BOTH[1], {}, {"archived": True})
    assert not filters.is_listed(BOTH[1], {"archived": False}, {"archived": True})
    assert filters.is_listed(BOTH[0], {"archived": True, "groups": [{}]})


@pytest.mark.parametrize(
    "given",
    [
        {"tagIds": "hot"},
        {"dueStart": "soon"},
        {"positionBefore": 5},
        {"groups": 5},
        {"groups": [5]},
        {"fields": 5},
        {"fields": [custom("amount", "LIKE", 1)]},
        {"tagIds": [[]]},
    ],
)
def test_what_makes_no_sense_is_a_plain_error(given: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as caught:
        found(given)
    assert caught.value.code is None


TODOS = st.fixed_dictionaries(
    {
        "id": st.text("ab", max_size=2),
        "title": st.text(max_size=3),
        "text": st.text(max_size=2),
        "done": st.booleans(),
        "color": st.none() | st.just("red"),
        "assigneeIds": st.lists(st.sampled_from("xyz"), unique=True),
        "tagIds": st.lists(st.sampled_from("xyz"), unique=True),
        "duedAt": st.none() | st.just("2026-01-01T00:00:00.000Z"),
        "customFields": st.dictionaries(st.just("f"), st.none() | st.integers(-2, 2) | st.text("ab", max_size=2)),
    },
    optional={name: st.lists(st.just("x"), max_size=1) for name in ("checklists", "dependencies", "references")},
)
RECORDS = st.builds(
    Record,
    TODOS,
    st.fixed_dictionaries({"id": st.sampled_from("lm"), "title": st.just("L")}),
    st.just({"id": "p", "archived": False}),
    st.just([]),
)
HAS = ("hasTag", "hasColor", "hasDueDate", "hasDescription", "hasChecklist", "hasDependency", "hasReference")
CONDITIONS: list[dict[str, Any]] = [
    *({key: value} for key in HAS for value in (True, False)),
    {"tagIds": ["x"]},
    {"notAssigneeIds": ["y"]},
    {"todoListIds": ["l"]},
    {"showCompleted": False},
    {"q": "a"},
]


@given(RECORDS, st.sampled_from(HAS))
def test_lacking_is_the_complement_of_having(each: Record, key: str) -> None:
    assert filters.matches(each, {key: True}) is not filters.matches(each, {key: False})


@given(
    RECORDS, st.sampled_from(["assigneeIds", "tagIds", "todoListIds"]), st.lists(st.sampled_from("xyzlm"), min_size=1)
)
def test_none_of_is_the_complement_of_any_of(each: Record, key: str, wanted: list[str]) -> None:
    negated = f"not{key[0].upper()}{key[1:]}"
    assert filters.matches(each, {key: wanted}) is not filters.matches(each, {negated: wanted})


@given(
    st.none() | st.integers(-2, 2) | st.text("ab1", max_size=2) | st.lists(st.text("ab", max_size=1), max_size=2),
    st.lists(st.none() | st.integers(-2, 2) | st.text("ab1", max_size=2), max_size=3),
    st.sampled_from([("IS", "NOT"), ("EQ", "NE"), ("IN", "NIN"), ("CONTAINS", "NOT_CONTAINS")]),
)
def test_operators_and_their_negations(value: Any, wanted: list[Any], pair: tuple[str, str]) -> None:
    assert filters.compare(pair[0], value, wanted) is not filters.compare(pair[1], value, wanted)


@given(RECORDS, st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=4), st.sampled_from(["AND", "OR", None]))
def test_a_link_joins_groups_as_the_conditions_are_joined(each: Record, chosen: list[dict[str, Any]], op: str) -> None:
    results = [filters.matches(each, condition) for condition in chosen]
    expected = any(results) if op == "OR" else all(results)
    assert filters.matches(each, {"groups": chosen, "groupLinks": [op] if op else None}) is expected


@given(RECORDS, st.lists(st.sampled_from(CONDITIONS), min_size=2, max_size=5), st.data())
def test_links_are_folded_from_the_left_and_the_last_repeats(
    each: Record, chosen: list[dict[str, Any]], data: st.DataObject
) -> None:
    links = data.draw(st.lists(st.sampled_from(["AND", "OR"]), min_size=1, max_size=len(chosen) - 1))
    whole = links + links[-1:] * (len(chosen) - 1 - len(links))
    expected = filters.matches(each, chosen[0])
    for link, condition in zip(whole, chosen[1:], strict=True):
        passed = filters.matches(each, condition)
        expected = expected or passed if link == "OR" else expected and passed
    assert filters.matches(each, {"groups": chosen, "groupLinks": links}) is expected


@given(RECORDS, st.dictionaries(st.text(max_size=4), st.integers()))
def test_unknown_keys_restrict_nothing(each: Record, unknown: dict[str, int]) -> None:
    known = {"q", "op"}
    assert filters.matches(each, {key: value for key, value in unknown.items() if key not in known})


@given(RECORDS, st.sampled_from(CONDITIONS), st.sampled_from(CONDITIONS))
def test_more_conditions_never_let_more_through(each: Record, first: dict[str, Any], second: dict[str, Any]) -> None:
    if filters.matches(each, second | first):
        assert filters.matches(each, first)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = [*{key for given, _ in FLAT for key in given}, "fields", "groups", "groupLinks", "op", "archived"]
ENTRIES = st.fixed_dictionaries(
    {"type": st.just("CUSTOM_FIELD")},
    optional={key: ANYTHING | st.sampled_from(["f", "IS", "GT"]) for key in ("customFieldId", "op", "values")},
)


@given(RECORDS, st.dictionaries(st.sampled_from(KEYS), ANYTHING | st.lists(ENTRIES, max_size=2), max_size=3))
def test_any_object_is_judged_or_refused(each: Record, blob: dict[str, Any]) -> None:
    with suppress(ServiceError):
        assert filters.matches(each, blob) in (True, False)
    assert filters.is_listed(each, blob) in (True, False)
