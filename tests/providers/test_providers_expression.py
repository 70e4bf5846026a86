"""Expressions say what the documented form says, and what is wrong with them is said where it stands."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.diagnostic import Severity
from reconciler.providers.pipefy import expression, filters
from reconciler.providers.pipefy.grammar import DEEPEST, EXAMPLES, OPERATORS, TYPES
from reconciler.providers.pipefy.pattern import EXPRESSION
from reconciler.providers.pipefy.printer import write

PATTERN = re.compile(EXPRESSION)
VALUELESS = ("exists", "not_exists", "unknown")

# --- what the language can say, and what it cannot

words = st.sampled_from(
    ["a", "due_date", "in", "NOT", "x y", "it's", 'say "so"', "a:b", "", "contains", "7", "\\", "é"]
)
texts = (
    words | st.sampled_from(["null", "and", "2026-01-31", "ann@example.com", "line\nbreak\t", "\x07\u2028"]) | st.text()
)


@st.composite
def conditions(draw: Any) -> dict[str, Any]:
    operator = draw(st.sampled_from(OPERATORS))
    query = {"field": draw(texts), "operator": operator}
    if kind := draw(st.none() | st.sampled_from(TYPES)):
        query["type"] = kind
    if operator not in VALUELESS:
        listed = operator in ("contains", "not_contains") and draw(st.booleans())
        query["value"] = draw(st.lists(texts, min_size=1, max_size=3) if listed else texts)
    return query


@st.composite
def one_of_several(draw: Any) -> dict[str, Any]:
    """A group that `in` or `not in` says."""
    joint, operator = draw(st.sampled_from([("or", "eq"), ("and", "not_eq"), ("and", "eq")]))
    values = draw(st.lists(texts, min_size=2, max_size=3))
    return {"operator": joint, "queries": [{"field": "f", "operator": operator, "value": value} for value in values]}


def groups(inner: Any) -> Any:
    """Groups of at least two members."""
    parts = st.tuples(st.sampled_from(["and", "or"]), st.lists(conditions(), max_size=3), inner)
    return parts.filter(lambda made: len(made[1]) + len(made[2]) > 1).map(
        lambda made: {
            "operator": made[0],
            **({"queries": made[1]} if made[1] else {}),
            **({"groups": made[2]} if made[2] else {}),
        }
    )


lone = conditions().map(lambda query: {"operator": "and", "queries": [query]})
sayable = lone | st.recursive(
    one_of_several() | groups(st.just([])), lambda inner: groups(st.lists(inner, max_size=2)), max_leaves=5
)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | texts, lambda inner: st.lists(inner, max_size=2), max_leaves=3
)
queries = st.fixed_dictionaries(
    {"field": words, "operator": st.sampled_from(OPERATORS)},
    optional={
        "value": values,
        "type": st.sampled_from([None, *TYPES, "colour"]),
        "label": words,
        "id": st.integers(0, 3),
    },
)
documented = st.recursive(
    st.fixed_dictionaries(
        {"operator": st.sampled_from(["and", "or", "AND"])}, optional={"queries": st.lists(queries, max_size=3)}
    ),
    lambda inner: st.fixed_dictionaries(
        {"operator": st.sampled_from(["and", "or"])},
        optional={"queries": st.lists(queries, max_size=2), "groups": st.lists(inner, max_size=2), "id": st.just(1)},
    ),
    max_leaves=4,
)


def compiled(text: str) -> Any:
    found = expression.read(text)
    assert found.problems == (), (text, found.problems)
    return found.filter


@given(sayable)
def test_whatever_the_language_can_say_is_written_and_read_back(group: Any) -> None:
    text = write(group)
    assert text is not None
    assert compiled(text) == filters.normalise(group) == filters.normalise(text) == group
    assert write(compiled(text)) == text
    assert PATTERN.search(text)


@given(documented | values)
def test_what_is_written_means_the_same_and_the_rest_is_known(group: Any) -> None:
    text = write(group)
    if text is None:
        assert not isinstance(group, dict) or not can_be_said(filters.normalise(group), 1)
    else:
        assert compiled(text) == filters.normalise(group)


@pytest.mark.parametrize(
    "group",
    [
        None,
        {},
        "a = ",
        {"status": ["a"]},
        {"operator": "or", "queries": [{"field": "a", "operator": "eq", "value": "b"}]},
        {"operator": "and", "groups": [{"operator": "and", "queries": [{"field": "a", "operator": "exists"}]}]},
        {"operator": "and", "id": 1, "queries": [{"field": "a", "operator": "exists"}]},
        *(
            {"operator": "and", "queries": [{"field": "a", **query}]}
            for query in (
                {"operator": "eq"},
                {"operator": "eq", "value": ["b"]},
                {"operator": "eq", "value": "b", "label": "A"},
                {"operator": "eq", "value": "b", "type": "colour"},
                {"operator": "exists", "value": "b"},
                {"operator": "contains", "value": []},
                {"operator": "contains", "value": [None]},
            )
        ),
    ],
)
def test_what_the_language_cannot_say(group: Any) -> None:
    assert write(group) is None


def can_be_said(group: Any, level: int) -> bool:
    """The documented cases, once more in other words."""
    if group is None or group.keys() & {"id", "lastId"} or level > DEEPEST:
        return False
    queries, groups = group.get("queries", []), group.get("groups", [])
    alone = level == 1 and group["operator"] == "and" and len(queries) == 1
    enough = alone or len(queries) + len(groups) > 1
    return enough and all(map(is_plain, queries)) and all(can_be_said(inner, level + 1) for inner in groups)


def is_plain(query: Any) -> bool:
    value, operator = query.get("value"), query["operator"]
    if query.keys() & {"label", "id"} or query.get("type") not in (None, *TYPES):
        return False
    if isinstance(value, list):
        listed = operator in ("contains", "not_contains")
        return listed and bool(value) and all(isinstance(item, str) for item in value)
    return (value is None) == (operator in VALUELESS)


tokens = st.sampled_from(
    [
        *(
            "a",
            "b:date",
            "'x y'",
            '"q"',
            "due:day",
            ":x",
            "2026-01-31",
            "é",
            "$",
            "“",
            "null",
            "'it\\'s'",
            "'='",
            "'is'",
            "'&&'",
            "'\\z'",
            "'open",
        ),
        *("=", "!=", ">", ">=", "<", "<=", "==", "&&", "||", "<>", "=!", "in", "not", "contains", "exists", "unknown"),
        *("period", "is", "like", "between", "contians", "and", "or", "AND", "(", ")", ",", "[", "]", "\n", "\\"),
    ]
)
sentences = st.lists(tokens, max_size=12).flatmap(
    lambda parts: st.sampled_from([" ", ""]).map(lambda space: space.join(parts))
)


@given(sentences | st.text())
def test_any_text_is_read_or_explained(text: str) -> None:
    found = expression.read(text)
    assert (found.filter is None) == bool(found.problems)
    for problem in found.problems:
        assert problem.message
        assert problem.hint
        assert problem.within is None or 0 <= problem.within[0] < problem.within[1] <= len(text)
    if found.filter is None:
        assert filters.normalise(text) == (text or None)
        assert list(filters.check(text, ("filter",)))
    else:
        assert PATTERN.search(text)
        assert compiled(str(write(found.filter))) == found.filter
        for path, (start, end) in found.places.items():
            if path[-1:] == ("field",):
                assert text[start:end]


@given(sentences)
def test_editors_refuse_what_is_no_expression(text: str) -> None:
    assert bool(PATTERN.search(text)) == (expression.read(text).filter is not None)


@given(conditions(), conditions(), st.sampled_from(["and", "or"]))
def test_parentheses_around_one_condition_and_capitals_mean_nothing(one: Any, other: Any, joint: str) -> None:
    first, second = (str(write({"operator": "and", "queries": [query]})) for query in (one, other))
    expected = compiled(f"{first} {joint} {second}")
    assert compiled(f"(({first})\n{joint.upper()}({second}) )") == expected
    assert expected == {"operator": joint, "queries": [one, other]}


def one(field: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, **({} if value is None else {"value": value}), **more}


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("a = 1", {"queries": [one("a", "eq", "1")]}),
        ("a != 007", {"queries": [one("a", "not_eq", "007")]}),
        ("a>1.50", {"queries": [one("a", "gt", "1.50")]}),
        ("a = true and b = False", {"queries": [one("a", "eq", "true"), one("b", "eq", "False")]}),
        (
            "due:date >= 2026-01-31T10:00:00+02:00",
            {"queries": [one("due", "gte", "2026-01-31T10:00:00+02:00", type="date")]},
        ),
        (
            "'my field':number<5 and b <= -3",
            {"queries": [one("my field", "lt", "5", type="number"), one("b", "lte", "-3")]},
        ),
        ("a contains x", {"queries": [one("a", "contains", "x")]}),
        ("a contains (x)", {"queries": [one("a", "contains", ["x"])]}),
        ("a not contains (x, 'y z')", {"queries": [one("a", "not_contains", ["x", "y z"])]}),
        ("a exists and b NOT EXISTS", {"queries": [one("a", "exists"), one("b", "not_exists")]}),
        ("a in (x)", {"queries": [one("a", "eq", "x")]}),
        ("a not in (x)", {"queries": [one("a", "not_eq", "x")]}),
        ("a not in (x, y)", {"queries": [one("a", "not_eq", "x"), one("a", "not_eq", "y")]}),
        ("a unknown and b period this_week", {"queries": [one("a", "unknown"), one("b", "period", "this_week")]}),
        ("a = 'it\\'s \\\"\\n\\u00e9' and b = ''", {"queries": [one("a", "eq", "it's \"\né"), one("b", "eq", "")]}),
        (
            "contains = exists and period = unknown",
            {"queries": [one("contains", "eq", "exists"), one("period", "eq", "unknown")]},
        ),
        (
            "a = 1 and (b = 2 and c = 3)",
            {
                "queries": [one("a", "eq", "1")],
                "groups": [{"operator": "and", "queries": [one("b", "eq", "2"), one("c", "eq", "3")]}],
            },
        ),
        (
            "status in (in_progress, review) and priority = high",
            {
                "queries": [one("priority", "eq", "high")],
                "groups": [
                    {"operator": "or", "queries": [one("status", "eq", "in_progress"), one("status", "eq", "review")]}
                ],
            },
        ),
    ],
)
def test_what_expressions_stand_for(text: str, members: Any) -> None:
    assert compiled(text) == {"operator": "and", **members}


def test_and_binds_tighter_than_or() -> None:
    both = {"operator": "and", "queries": [one("b", "eq", "2"), one("c", "eq", "3")]}
    expected = {"operator": "or", "queries": [one("a", "eq", "1")], "groups": [both]}
    assert compiled("a = 1 or b = 2 and c = 3") == compiled("b=2 and c=3 or a=1") == expected
    assert write(expected) == "a = 1 or (b = 2 and c = 3)"
    assert compiled("a in (1, 2)") == {"operator": "or", "queries": [one("a", "eq", "1"), one("a", "eq", "2")]}
    assert all(compiled(example) for example in EXAMPLES)


def test_long_texts_that_are_right() -> None:
    listed = compiled("a in (" + "b, " * 6_000 + "b)")
    assert len(listed["queries"]) == 6_001
    assert len(compiled("a=b or " * 2_500 + "a=b")["queries"]) == 2_501
    assert write(compiled("a=b and c exists or " * 900 + "a=b")) is None  # it is too long with all its parentheses


# --- expressions as filters


def violations(text: str) -> list[tuple[str, Any, str]]:
    found = list(filters.check(text, ("filter",)))
    assert all(each.path == ("filter",) for each in found)
    return [(each.code, each.severity, text[slice(*each.within)] if each.within else "") for each in found]


def test_the_rules_of_the_documented_form_hold_and_point_into_the_text() -> None:
    assert violations("a = 1 and '' exists") == [("blank", Severity.ERROR, "''")]
    assert violations("a unknown or b:date period x") == [
        ("undocumented-operator", Severity.WARNING, "unknown"),
        ("undocumented-operator", Severity.WARNING, "period"),
    ]
    deep = "(a = 1 or b = 2 and " * 6 + "c = 3" + ")" * 6
    assert violations(deep) == [("filter-too-deep", Severity.ERROR, "(a = 1 or b = 2 and c = 3)")]
    assert violations("a =") == [("filter-expression", Severity.ERROR, "=")]
    assert violations("") == [("filter-expression", Severity.ERROR, "")]


def test_parts_know_their_places() -> None:
    text = "a:date = x and b in ('y', z)"
    found = expression.read(text)
    shown = {path: text[start:end] for path, (start, end) in found.places.items()}
    first, second = ("queries", 0), ("groups", 0, "queries", 1)
    assert shown[()] == text
    assert shown[first] == "a:date = x"
    assert [shown[*first, key] for key in ("field", "type", "operator", "value")] == ["a", "date", "=", "x"]
    assert [shown[*second, key] for key in ("field", "operator", "value")] == ["b", "in", "z"]
    assert found.place((*second, "label")) == found.places[second]


def test_a_filter_that_was_read_back_as_a_text_stays_one() -> None:
    assert filters.normalise('{"status":["a"]}') == '{"status":["a"]}'
    assert filters.read('{"status":["a"]}', compiled("a = 1")) == (compiled("a = 1"), False)
    assert filters.read("a = 1", None) == (compiled("a = 1"), True)
