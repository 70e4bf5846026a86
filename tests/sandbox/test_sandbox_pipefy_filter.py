from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sandbox.pipefy.filter import Card, Rules, matches, order, problem, text

TYPES = {"status": "select", "title": "string", "amount": "number", "due": "date", "labels": "group_select"}
RULES = Rules(types=TYPES)
CARD: Card = {
    "status": ["in_progress"],
    "title": ["Renew Northwind"],
    "amount": [100.5],
    "due": ["2026-06-10"],
    "created_at": ["2026-06-10T22:30:00Z"],
    "labels": ["vip", "q3"],
    "flag": [True],
    "blank": [],
}


def one(field: str, operator: str, value: Any = None, sort: str | None = None) -> dict[str, Any]:
    query = {"field": field, "operator": operator, "value": value}
    return {"operator": "and", "queries": [query | ({"type": sort} if sort else {})]}


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("status", "eq", "in_progress", True),
        ("status", "eq", ["review", "in_progress"], True),
        ("status", "eq", "progress", False),
        ("status", "contains", ["in_progress", "review"], True),
        ("status", "contains", ["progress"], False),
        ("title", "contains", "northWIND", True),
        ("title", "contains", ["south", "north"], True),
        ("title", "not_contains", "north", False),
        ("labels", "eq", "q3", True),
        ("labels", "contains", ["q1", "q3"], True),
        ("labels", "not_eq", "q3", False),
        ("amount", "eq", "100.50", True),
        ("amount", "gt", 100, True),
        ("amount", "gt", "100.5", False),
        ("amount", "gte", "100.5", True),
        ("amount", "lt", "99", False),
        ("amount", "lte", 100.5, True),
        ("amount", "gt", "not a number", False),
        ("due", "eq", "2026-06-10", True),
        ("due", "gt", "2026-06-09", True),
        ("due", "gt", "2026-06-10", False),
        ("due", "gte", "2026-06-10", True),
        ("due", "lt", "2026-06-11", True),
        ("due", "lte", "2026-06-09", False),
        ("due", "gt", "2026-06-09T23:59:59Z", True),
        ("due", "eq", "soon", False),
        ("flag", "eq", True, True),
        ("flag", "eq", "true", True),
        ("blank", "exists", None, False),
        ("blank", "not_exists", "ignored", True),
        ("title", "exists", "ignored", True),
        ("nowhere", "eq", "x", False),
        ("nowhere", "not_eq", "x", True),
        ("title", "eq", None, False),
    ],
)
def test_operators(field: str, operator: str, value: Any, found: bool) -> None:
    assert matches(one(field, operator, value), CARD, RULES) is found


def test_the_type_of_the_query_goes_before_that_of_the_field() -> None:
    assert matches(one("created_at", "eq", "2026-06-10", "date"), CARD, RULES)
    assert not matches(one("created_at", "eq", "2026-06-10"), CARD, RULES)


def test_case_zone_empty_groups_and_depth_are_rules() -> None:
    assert not matches(one("title", "contains", "north"), CARD, replace(RULES, case="sensitive"))
    berlin = replace(RULES, zone="Europe/Berlin")
    assert matches(one("created_at", "eq", "2026-06-11", "date"), CARD, berlin)
    assert not matches(one("created_at", "eq", "2026-06-10", "date"), CARD, berlin)
    for empty in ({"operator": "and"}, {"operator": "or", "queries": [], "groups": None}):
        assert matches(empty, CARD, RULES)
        assert not matches(empty, CARD, replace(RULES, empty_group="none"))
    assert matches(None, CARD, RULES)


def nest(levels: int) -> dict[str, Any]:
    return {"operator": "and", "groups": [nest(levels - 1)]} if levels > 1 else one("status", "exists")


def test_nesting_has_a_limit() -> None:
    assert problem(nest(10), RULES) is None
    assert "10 levels" in str(problem(nest(11), RULES))
    assert problem(nest(11), replace(RULES, depth=None)) is None


def test_values_have_types() -> None:
    strict = replace(RULES, values="strings_only")
    for value in ("x", 1, 1.5, True, ["x", 1], None):
        assert problem(one("title", "eq", value), RULES) is None
    for value in ({}, [{}], [["x"]]):
        assert problem(one("title", "eq", value), RULES)
    assert problem(one("title", "eq", "x"), strict) is None
    for value in (1, ["x"], True):
        assert problem({"operator": "or", "groups": [one("title", "eq", value)]}, strict)


def test_open_operators_are_refused_unless_interpreted() -> None:
    open_rules = replace(RULES, open_operators="interpret", today=date(2026, 6, 11))
    for operator in ("period", "unknown"):
        assert problem(one("due", operator, "today"), RULES)
        assert problem(one("due", operator, "today"), open_rules) is None
    assert problem(one("due", "period", "whenever"), open_rules)
    assert problem(one("due", "period", 3), open_rules)
    assert problem(one("due", "period", "2026-01-01/9999-12-31"), open_rules)
    assert matches(one("blank", "unknown"), CARD, open_rules)
    assert not matches(one("due", "unknown"), CARD, open_rules)
    for value in ("this_week", "this_month", "this_year", "last_2_days", "2026-06-10/2026-06-10"):
        assert matches(one("due", "period", value), CARD, open_rules), value
    for value in ("today", "last_1_days", "2026-06-11/2026-07-01"):
        assert not matches(one("due", "period", value), CARD, open_rules), value


VALUES = st.sampled_from(["in_progress", "review", "vip", "q3", "100.5", "2026-06-10", "north", ""])
PLAIN = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["status", "title", "amount", "due", "labels", "blank", "nowhere"]),
        "operator": st.sampled_from(["eq", "contains", "exists"]),
        "value": VALUES | st.lists(VALUES, max_size=2),
    }
)
ANY = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["status", "title", "amount", "due", "labels", "blank", "nowhere"]),
        "operator": st.sampled_from(
            ["eq", "not_eq", "contains", "not_contains", "gt", "gte", "lt", "lte", "exists", "not_exists"]
        ),
        "value": VALUES | st.lists(VALUES, max_size=2) | st.integers() | st.floats() | st.booleans() | st.none(),
    }
)
CELLS = st.lists(
    st.sampled_from(["in_progress", "review", "vip", "q3", "Northwind", "2026-06-10", "2026-06-10T05:00:00Z"])
    | st.integers(-200, 200)
    | st.booleans(),
    max_size=2,
)
CARDS = st.dictionaries(st.sampled_from(["status", "title", "amount", "due", "labels"]), CELLS)
GROUPS = st.recursive(
    st.fixed_dictionaries(
        {"operator": st.sampled_from(["and", "or"]), "queries": st.lists(ANY, min_size=1, max_size=3)}
    ),
    lambda inner: st.fixed_dictionaries(
        {"operator": st.sampled_from(["and", "or"]), "groups": st.lists(inner, min_size=1, max_size=3)}
    ),
    max_leaves=6,
)


@given(PLAIN, CARDS)
def test_a_negated_operator_is_the_complement(query: dict[str, Any], card: Card) -> None:
    negated = {**query, "operator": f"not_{query['operator']}"}
    plain = {"operator": "and", "queries": [query]}
    assert matches({"operator": "and", "queries": [negated]}, card, RULES) is not matches(plain, card, RULES)


@given(st.lists(PLAIN, min_size=1, max_size=4), CARDS)
def test_de_morgan(queries: list[dict[str, Any]], card: Card) -> None:
    negated = [{**query, "operator": f"not_{query['operator']}"} for query in queries]
    for this, other in (("and", "or"), ("or", "and")):
        left = matches({"operator": this, "queries": queries}, card, RULES)
        assert left is not matches({"operator": other, "queries": negated}, card, RULES)


@given(GROUPS, GROUPS, CARDS)
def test_groups_join_like_and_and_or(left: dict[str, Any], right: dict[str, Any], card: Card) -> None:
    assert problem(left, RULES) is None
    both = [matches(left, card, RULES), matches(right, card, RULES)]
    assert matches({"operator": "and", "groups": [left, right]}, card, RULES) is all(both)
    assert matches({"operator": "or", "groups": [left, right]}, card, RULES) is any(both)
    assert matches({"operator": "and", "groups": [left]}, card, RULES) is both[0]


@given(ANY, CARDS)
def test_a_query_beside_a_group_is_one_of_its_children(query: dict[str, Any], card: Card) -> None:
    alone = {"operator": "and", "queries": [query]}
    beside = {"operator": "and", "queries": [query], "groups": [alone]}
    assert matches(alone, card, RULES) is matches(beside, card, RULES)


@given(st.sampled_from(["lt", "lte", "gt", "gte", "eq"]), st.integers(-5, 5), st.integers(-5, 5))
def test_numbers_compare_as_numbers(operator: str, have: int, wanted: int) -> None:
    truth = {
        "lt": have < wanted,
        "lte": have <= wanted,
        "gt": have > wanted,
        "gte": have >= wanted,
        "eq": have == wanted,
    }
    assert matches(one("amount", operator, str(wanted)), {"amount": [have]}, RULES) is truth[operator]


@given(st.dates(date(1970, 1, 2), date(2100, 1, 1)), st.dates(date(1970, 1, 2), date(2100, 1, 1)))
def test_dates_compare_as_days(have: date, wanted: date) -> None:
    card = {"due": [have.isoformat()]}
    truth = {
        "lt": have < wanted,
        "lte": have <= wanted,
        "gt": have > wanted,
        "gte": have >= wanted,
        "eq": have == wanted,
    }
    for operator, expected in truth.items():
        assert matches(one("due", operator, wanted.isoformat()), card, RULES) is expected


@given(st.lists(CARDS), st.sampled_from(["amount", "title", "nowhere", None]), st.sampled_from(["asc", "desc", None]))
def test_sorting_is_a_stable_permutation_with_blanks_last(
    cards: list[Card], field: str | None, way: str | None
) -> None:
    ranked = order(cards, field, way)
    assert sorted(ranked) == list(range(len(cards)))
    assert order([cards[index] for index in ranked], field, way) == list(range(len(cards)))
    lacking = [not cards[index].get(field or "") for index in ranked]
    assert field is None or lacking == sorted(lacking)


def test_sorting_goes_by_number_or_text() -> None:
    cards: list[Card] = [{"a": [10]}, {"a": [9.5]}, {"a": []}, {"a": [9.5]}]
    assert order(cards, "a", "asc") == [1, 3, 0, 2]
    assert order(cards, "a", "desc") == [0, 1, 3, 2]
    words: list[Card] = [{"a": ["b"]}, {"a": ["A"]}, {"a": ["a", "c"]}]
    assert order(words, "a", None) == [1, 2, 0]


def test_text() -> None:
    assert [text(value) for value in (True, 2.0, 2.5, "x", 7)] == ["true", "2", "2.5", "x", "7"]
