"""One normal form for every spelling, and every limit to the unit."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from reconciler import providers
from reconciler.model.canonical import canonical
from reconciler.model.diagnostic import Severity
from reconciler.model.plan import Action, Change, Step
from reconciler.model.values import Address, Reference
from reconciler.providers.blue import report as blue_report
from reconciler.providers.blue.provider import BlueProvider
from reconciler.providers.pipefy import filters, grammar
from reconciler.providers.pipefy import report as pipefy_report
from reconciler.providers.values import tidy, utf16_length

KINDS = {
    f"{kind.provider}/{kind.kind.lower()}": kind
    for kind in providers.kinds(
        lambda cron, zone: "" if len(cron.split()) == 5 and zone != "Mars" else "no such schedule"
    )
}
BLUE, REPORT, EXPORT = KINDS["blue/report"], KINDS["pipefy/report"], KINDS["pipefy/export"]

texts = st.text(max_size=6)
words = st.text(alphabet="abcxyz", min_size=1, max_size=3)
blobs = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(words, blobs, max_size=3)


def optional(**fields: Any) -> Any:
    return {name: st.none() | strategy for name, strategy in fields.items()}


sources = st.fixed_dictionaries(
    {},
    optional=optional(
        name=texts,
        sourceType=st.just("TODOS"),
        projectIds=st.lists(words, max_size=3),
        filters=objects,
        order=st.integers(-3, 3),
    ),
)
users = st.lists(
    st.fixed_dictionaries({"userId": words, "role": st.sampled_from(["EDITOR", "VIEWER"])}),
    max_size=3,
    unique_by=lambda user: user["userId"],
)
blue_specs = st.fixed_dictionaries(
    {"title": words, "dataSources": st.lists(sources, max_size=4)},
    optional=optional(description=texts, config=objects, reportUsers=users),
)
ids = st.integers(1, 40) | st.integers(1, 40).map(str)
queries = st.fixed_dictionaries(
    {"field": words, "operator": st.sampled_from(grammar.OPERATORS)},
    optional=optional(
        value=words | st.integers(-5, 5) | st.booleans() | st.lists(words, max_size=2),
        type=st.sampled_from(grammar.TYPES),
        label=words,
        id=st.integers(0, 9),
    ),
)
groups = st.recursive(
    st.fixed_dictionaries(
        {"operator": st.sampled_from(["and", "or"])}, optional=optional(queries=st.lists(queries, max_size=2))
    ),
    lambda inner: st.fixed_dictionaries(
        {"operator": st.sampled_from(["and", "or"])},
        optional=optional(queries=st.lists(queries, max_size=2), groups=st.lists(inner, max_size=2)),
    ),
    max_leaves=4,
)
report_specs = st.fixed_dictionaries(
    {"name": words, "pipeIds": st.lists(ids, min_size=1, max_size=3)},
    optional=optional(
        organizationId=ids, fields=st.lists(words, max_size=3), filter=groups, color=st.sampled_from(["red", "blue"])
    ),
)
schedules = st.just("0  6 * * 1") | st.fixed_dictionaries(
    {"cron": st.just("0 6 * * 1")}, optional=optional(timezone=st.sampled_from(["UTC", "Europe/Berlin"]))
)
export_specs = st.fixed_dictionaries(
    {},
    optional=optional(
        organizationId=ids,
        pipeIds=st.lists(ids, min_size=1, max_size=3),
        columns=st.lists(words, max_size=3),
        filter=groups,
        sortBy=st.fixed_dictionaries({"field": words}, optional=optional(direction=st.sampled_from(["asc", "desc"]))),
        organizationReportId=ids,
        report=st.just({"ref": "pipefy/report/sales"}),
        schedule=schedules,
        runOnCreate=st.booleans(),
        deadline=st.sampled_from([60, "60s", "1m", "20m", 1200, "24h"]),
        allowEmptyColumns=st.booleans(),
    ),
)
SPECS = {"blue/report": blue_specs, "pipefy/report": report_specs, "pipefy/export": export_specs}
every = st.sampled_from(sorted(SPECS)).flatmap(lambda name: st.tuples(st.just(KINDS[name]), SPECS[name]))


def test_every_kind_has_specs() -> None:
    assert SPECS.keys() == KINDS.keys()
    assert {kind.api_version for kind in KINDS.values()} == {"blue/v1", "pipefy/v1"}


@given(every)
def test_the_normal_form_is_stable_and_holds_no_null(case: Any) -> None:
    kind, spec = case
    before = copy.deepcopy(spec)
    normal = kind.normalise(spec)
    assert spec == before
    assert kind.normalise(normal) == normal
    assert canonical(kind.normalise(json.loads(json.dumps(normal)))) == canonical(normal)
    assert None not in normal.values()


@given(every)
def test_the_model_and_the_schema_take_every_spelling_and_the_normal_form(case: Any) -> None:
    kind, spec = case
    schema = Draft202012Validator(kind.model().model_json_schema())
    for value in (spec, kind.normalise(spec)):
        kind.model().model_validate(value)
        wrong = any(violation.severity is Severity.ERROR for violation in kind.check(value))
        assert wrong or [error.message for error in schema.iter_errors(value)] == []  # it knows rules of `check` too


@given(every)
def test_checks_agree_on_both_forms(case: Any) -> None:
    kind, spec = case
    errors = [
        {violation.code for violation in kind.check(form) if violation.severity is Severity.ERROR}
        for form in (spec, kind.normalise(spec))
    ]
    assert errors[0] == errors[1]


@given(every)
def test_a_creation_is_a_part_and_itself_a_creation(case: Any) -> None:
    kind, spec = case
    normal = kind.normalise(spec)
    first = kind.creation(normal)
    assert first.items() <= normal.items() or all(normal[key] == value for key, value in first.items())
    assert kind.creation(first) == first
    assert kind.normalise(first) == first
    assert kind.content(kind.content(normal)) == kind.content(normal)


@given(every)
def test_nothing_widens_by_staying(case: Any) -> None:
    kind, spec = case
    normal = kind.normalise(spec)
    assert list(kind.widens(normal, normal)) == []


def spellings(value: Any) -> Any:
    """The same Blue report, spelt differently."""
    other = copy.deepcopy(value)
    for index, source in enumerate(other["dataSources"]):
        source.setdefault("order", index)
        if source["order"] is None:
            source["order"] = index
        source["projectIds"] = list(reversed(source.get("projectIds") or []))
        source["filters"] = source.get("filters") or {}
        source["name"] = source.get("name") or None
    other["dataSources"].reverse()
    other["dataSources"].sort(key=lambda source: source["order"])
    other["description"] = other.get("description") or ""
    if other.get("reportUsers"):
        other["reportUsers"].reverse()
    return other


@given(blue_specs.filter(lambda spec: len({s.get("order") for s in spec["dataSources"]}) == len(spec["dataSources"])))
def test_spellings_of_a_blue_report_are_equal(spec: Any) -> None:
    orders = [
        index if source.get("order") is None else source["order"] for index, source in enumerate(spec["dataSources"])
    ]
    if len(set(orders)) == len(orders):
        assert BLUE.normalise(spellings(spec)) == BLUE.normalise(spec)


def test_named_spellings_are_equal() -> None:
    base = BLUE.normalise({"title": "t", "dataSources": [{}]})
    for projects in ([], None):
        for kept in ({}, None):
            source = {"projectIds": projects, "filters": kept, "sourceType": "TODOS", "order": 7, "name": ""}
            assert BLUE.normalise({"title": "t", "description": "", "dataSources": [source], "config": None}) == base
    assert base == {"title": "t", "dataSources": [{}]}
    assert EXPORT.normalise({"pipeIds": ["20", 3, 3], "columns": [], "schedule": "0  6 * * 1"}) == {
        "pipeIds": [3, 20],
        "schedule": {"cron": "0 6 * * 1", "timezone": "UTC"},
    }
    assert REPORT.normalise({"name": "n", "pipeIds": [1], "filter": {"operator": "and", "queries": []}}) == {
        "name": "n",
        "pipeIds": [1],
    }
    query = {"field": "f", "operator": "eq"}
    for value, text in ((5, "5"), (5.0, "5"), (True, "true"), ("5", "5"), ([1, "a"], ["1", "a"])):
        group = {"operator": "and", "queries": [{**query, "value": value}]}
        assert filters.normalise(group) == {"operator": "and", "queries": [{**query, "value": text}]}


@given(blobs)
def test_tidy_numbers(value: Any) -> None:
    assert tidy(tidy(value)) == tidy(value)
    canonical(tidy(value))


@pytest.mark.parametrize("value", [2**60, -(2**60), 10**400, float("inf"), float("nan"), 1e300])
def test_tidy_makes_every_number_sendable(value: float) -> None:
    canonical(tidy({"a": [value]}))
    assert tidy(tidy(value)) == tidy(value)


# --- what a live report says


@given(blue_specs)
def test_a_live_blue_report_reads_as_what_was_asked(spec: Any) -> None:
    normal = BLUE.normalise(spec)
    node = {
        "title": normal["title"],
        "description": normal.get("description"),
        "config": normal.get("config") or None,
        "dataSources": [
            {"name": None, "sourceType": "TODOS", "projectIds": None, "filters": None, **source, "order": order}
            for order, source in enumerate(normal["dataSources"])
        ],
        "reportUsers": [
            {"user": {"id": user["userId"]}, "role": user["role"]} for user in reversed(normal.get("reportUsers", []))
        ],
    }
    assert blue_report.read(node, normal) == normal


@given(report_specs)
def test_a_live_pipefy_report_reads_as_what_was_asked(spec: Any) -> None:
    normal = REPORT.normalise(spec)
    node = {
        "name": normal["name"],
        "fields": normal.get("fields"),
        "filter": normal.get("filter"),
        "color": "#FF6B6B",
        "repos": [{"id": str(pipe)} for pipe in reversed(normal["pipeIds"])],
    }
    content, sure = pipefy_report.read(node, normal)
    assert content == normal
    assert sure == ("color" not in normal)


@given(
    st.none()
    | objects
    | st.lists(words)
    | st.fixed_dictionaries(
        {"operator": st.sampled_from(["AND", "Or", "IN", 5])}, optional={"queries": blobs, "groups": blobs}
    )
    | groups,
    st.none() | groups,
)
def test_whatever_filter_is_read_back_is_in_normal_form(live: Any, asked: Any) -> None:
    node = {"name": "n", "fields": None, "filter": live, "color": None, "repos": [{"id": "1"}]}
    spec = REPORT.normalise({"name": "n", "pipeIds": [1], "filter": asked})
    content, _ = pipefy_report.read(node, spec)
    assert REPORT.normalise(content) == content
    canonical(content)


@given(blue_specs, blue_specs)
def test_an_update_covers_exactly_what_changed(old: Any, new: Any) -> None:
    before, after = BLUE.normalise(old), BLUE.normalise(new)
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    changes = tuple(Change((key,), before.get(key), after.get(key)) for key in sorted(changed))
    step = Step(Address("blue", "report", "a"), Action.UPDATE, "", id="1", after=after, changes=changes)
    request = BlueProvider.__new__(BlueProvider).request(step, {})
    managed = {key for key in changed if key in after or key == "description"}
    assert (set(request.variables["input"]) if request else set()) == managed
    if request and "dataSources" in managed:
        sent = request.variables["input"]["dataSources"]
        assert BLUE.normalise({"title": "t", "dataSources": sent})["dataSources"] == after["dataSources"]
        assert [source["order"] for source in sent] == list(range(len(sent)))


# --- limits


def codes(kind: Any, spec: Any) -> list[tuple[str, Any]]:
    return [(violation.code, violation.path) for violation in kind.check(spec)]


@pytest.mark.parametrize(("count", "found"), [(50, []), (51, [("too-many-data-sources", ("dataSources",))])])
def test_at_most_fifty_data_sources(count: int, found: Any) -> None:
    assert codes(BLUE, {"title": "t", "dataSources": [{"projectIds": ["p"]}] * count}) == found


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a" * 10_000, True),
        ("a" * 10_001, False),
        ("é" * 10_000, True),
        ("😀" * 5_000, True),
        ("😀" * 5_000 + "a", False),
        ("a" * 9_999 + "😀", False),
    ],
)
def test_descriptions_are_counted_as_the_service_counts(text: str, good: bool) -> None:
    violations = BLUE.check({"title": "t", "description": text, "dataSources": []})
    found = [violation for violation in violations if violation.severity is Severity.ERROR]
    assert (found == []) == good
    if found:
        (violation,) = found
        assert (violation.code, violation.path) == ("description-too-long", ("description",))
        assert ("UTF-16" in violation.message) == ("😀" in text)
        assert f"{utf16_length(text):,}" in violation.message


@pytest.mark.parametrize(
    ("config", "good"),
    [
        ({"a": "x" * (102_400 - 8)}, True),
        ({"a": "x" * (102_400 - 7)}, False),
        ({"a": "é" * (51_200 - 4)}, True),
        ({"a": "é" * (51_200 - 4) + "x"}, False),
        ({"a": "x" * (102_400 - 8 - 4) + '"\n'}, True),
        ({"a": "x" * (102_400 - 8 - 3) + '"\n'}, False),
        ({"a": [1.0] * 51_196}, True),
        ({"a": [1.0] * 51_197}, False),
    ],
)
def test_config_is_measured_as_compact_json(config: Any, good: bool) -> None:
    spec = {"title": "t", "dataSources": [], "config": config}
    assert codes(BLUE, spec) == ([] if good else [("config-too-large", ("config",))])


@pytest.mark.parametrize(
    ("spec", "code", "path", "severity"),
    [
        ({"title": " ", "dataSources": []}, "blank", ("title",), "error"),
        (
            {"title": "t", "dataSources": [{"projectIds": ["a", " "]}]},
            "blank",
            ("dataSources", 0, "projectIds", 1),
            "error",
        ),
        (
            {"title": "t", "dataSources": [{"projectIds": []}]},
            "every-workspace",
            ("dataSources", 0, "projectIds"),
            "warning",
        ),
        (
            {"title": "t", "dataSources": [{"order": 1, "projectIds": ["p"]}] * 2},
            "repeated-order",
            ("dataSources", 1, "order"),
            "warning",
        ),
        (
            {"title": "t", "dataSources": [], "reportUsers": [{"userId": "u", "role": "VIEWER"}] * 2},
            "repeated-user",
            ("reportUsers", 1, "userId"),
            "error",
        ),
        (
            {"title": "t", "dataSources": [], "reportUsers": [{"userId": "", "role": "VIEWER"}]},
            "blank",
            ("reportUsers", 0, "userId"),
            "error",
        ),
        (
            {"title": "t", "dataSources": [{"projectIds": ["p"], "filters": [1]}]},
            "filters-not-object",
            ("dataSources", 0, "filters"),
            "error",
        ),
        (
            {
                "title": "t",
                "dataSources": [{"projectIds": ["p"], "filters": {"fields": [{"type": "CUSTOM_FIELD"}, {"op": "IS"}]}}],
            },
            "field-without-type",
            ("dataSources", 0, "filters", "fields", 1),
            "warning",
        ),
        ({"title": "t", "dataSources": [], "config": {"a": [float("nan")]}}, "not-json", ("config", "a", 0), "error"),
        ({"title": "t", "dataSources": [], "config": {"a": 2**53}}, "not-json", ("config", "a"), "error"),
        ({"title": "t", "dataSources": [], "config": {"a": {1: 2}}}, "not-json", ("config", "a"), "error"),
        ({"title": "t\ud800", "dataSources": []}, "not-json", ("title",), "error"),
    ],
)
def test_rules_of_a_blue_report(spec: Any, code: str, path: Any, severity: str) -> None:
    (found,) = BLUE.check(spec)
    assert (found.code, found.path, found.severity) == (code, path, severity)


def nested(levels: int) -> Any:
    group: Any = {"operator": "and", "queries": [{"field": "f", "operator": "exists"}]}
    for _ in range(levels - 1):
        group = {"operator": "or", "groups": [group]}
    return group


def one(**query: Any) -> Any:
    return {"operator": "and", "queries": [{"field": "f", "operator": "eq", "value": "v", **query}]}


@pytest.mark.parametrize(
    ("spec", "code", "path", "severity"),
    [
        ({}, "empty-columns", (), "error"),
        ({"columns": []}, "empty-columns", ("columns",), "error"),
        ({"columns": [], "organizationReportId": 1}, "every-column", ("columns",), "warning"),
        ({"columns": ["a"], "pipeIds": []}, "no-pipes", ("pipeIds",), "error"),
        ({"columns": ["a"], "pipeIds": [1, 2**31]}, "id-range", ("pipeIds", 1), "error"),
        ({"columns": ["a"], "pipeIds": ["0"]}, "id-range", ("pipeIds", 0), "error"),
        ({"columns": ["a"], "organizationId": -1}, "id-range", ("organizationId",), "error"),
        ({"organizationReportId": "2147483648"}, "id-range", ("organizationReportId",), "error"),
        ({"columns": ["a", " "]}, "blank", ("columns", 1), "error"),
        ({"columns": ["a", "a"]}, "repeated-column", ("columns", 1), "warning"),
        ({"report": {"ref": "pipefy/report/a"}, "organizationReportId": 1}, "two-reports", ("report",), "error"),
        ({"report": {"ref": "blue/report/a"}}, "bad-reference", ("report", "ref"), "error"),
        ({"report": {"ref": "sales"}}, "bad-reference", ("report", "ref"), "error"),
        ({"columns": ["a"], "runOnCreate": True}, "run-on-create", ("runOnCreate",), "error"),
        ({"columns": ["a"], "schedule": "whenever"}, "bad-schedule", ("schedule",), "error"),
        (
            {"columns": ["a"], "schedule": {"cron": "0 6 * * 1", "timezone": "Mars"}},
            "bad-schedule",
            ("schedule", "timezone"),
            "error",
        ),
        (
            {"columns": ["a"], "schedule": {"cron": "whenever", "timezone": "UTC"}},
            "bad-schedule",
            ("schedule", "cron"),
            "error",
        ),
        ({"columns": ["a"], "sortBy": {"field": " "}}, "blank", ("sortBy", "field"), "error"),
        ({"columns": ["a"], "filter": nested(11)}, "filter-too-deep", ("filter", *["groups", 0] * 10), "error"),
        (
            {"columns": ["a"], "filter": one(operator="period")},
            "undocumented-operator",
            ("filter", "queries", 0, "operator"),
            "warning",
        ),
        ({"columns": ["a"], "filter": one(value=["v"])}, "filter-list", ("filter", "queries", 0, "value"), "warning"),
        ({"columns": ["a"], "filter": one(value={"a": 1})}, "filter-value", ("filter", "queries", 0, "value"), "error"),
        ({"columns": ["a"], "filter": one(value=None)}, "filter-without-value", ("filter", "queries", 0), "warning"),
        ({"columns": ["a"], "filter": one(field="")}, "blank", ("filter", "queries", 0, "field"), "error"),
    ],
)
def test_rules_of_a_pipefy_export(spec: Any, code: str, path: Any, severity: str) -> None:
    (found,) = EXPORT.check({"deadline": "20m", **spec})
    assert (found.code, found.path, found.severity) == (code, path, severity)


@pytest.mark.parametrize(
    "spec",
    [
        {"allowEmptyColumns": True},
        {"organizationReportId": 1},
        {"report": {"ref": "pipefy/report/a"}},
        {"columns": ["a"], "pipeIds": [1, 2**31 - 1, "7"]},
        {"columns": ["a"], "filter": nested(10)},
        {"columns": ["a"], "filter": one(operator="contains", value=["v"])},
        {"columns": ["a"], "schedule": "0 6 * * 1", "runOnCreate": True},
    ],
)
def test_good_exports(spec: Any) -> None:
    assert list(EXPORT.check({"deadline": "20m", **spec})) == []


def test_rules_of_a_pipefy_report() -> None:
    assert codes(REPORT, {"name": "", "pipeIds": []}) == [("blank", ("name",)), ("no-pipes", ("pipeIds",))]
    assert codes(REPORT, {"name": "n", "pipeIds": [1], "fields": [""]}) == [("blank", ("fields", 0))]


@pytest.mark.parametrize(
    ("kind", "spec", "place"),
    [
        (BLUE, {"title": "t", "dataSources": [], "extra": 1}, ("extra",)),
        (BLUE, {"title": 5, "dataSources": []}, ("title",)),
        (BLUE, {"title": "t"}, ("dataSources",)),
        (BLUE, {"title": "t", "dataSources": [{"filters": [1]}]}, ("dataSources", 0, "filters")),
        (
            BLUE,
            {"title": "t", "dataSources": [], "reportUsers": [{"userId": "u", "role": "OWNER"}]},
            ("reportUsers", 0, "role"),
        ),
        (REPORT, {"name": "n", "pipeIds": ["x"]}, ("pipeIds", 0)),
        (REPORT, {"name": "n", "pipeIds": [True]}, ("pipeIds", 0)),
        (REPORT, {"name": "n", "pipeIds": [1.5]}, ("pipeIds", 0)),
        (REPORT, {"name": "n", "pipeIds": ["١"]}, ("pipeIds", 0)),
        (REPORT, {"name": "n", "pipeIds": [1], "filter": {"operator": "AND"}}, ("filter", "operator")),
        (REPORT, {"name": "n", "pipeIds": [1], "filter": {"current_phase": ["1"]}}, ("filter",)),
        (
            REPORT,
            {"name": "n", "pipeIds": [1], "filter": {"operator": "or", "groups": [{"phase_id": 1}]}},
            ("filter", "groups", 0),
        ),
        (EXPORT, {"schedule": {"cron": 5}}, ("schedule", "cron")),
        (EXPORT, {"schedule": 5}, ("schedule",)),
        (EXPORT, {"runOnCreate": "yes"}, ("runOnCreate",)),
        (EXPORT, {"sortBy": {"field": "a", "direction": "ASC"}}, ("sortBy", "direction")),
    ],
)
def test_the_model_names_the_place(kind: Any, spec: Any, place: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.model().model_validate(spec)
    # A filter may also be a text: what it would have to be then is said beside what is wrong with the mapping.
    found = [error["loc"] for error in caught.value.errors() if error["loc"] != ("filter", "str")]
    assert [tuple(step for step in path if step != "Filter") for path in found] == [place]


# --- the rest of the port


def test_widening_is_named() -> None:
    def widens(before: Any, after: Any) -> list[str]:
        whole = [BLUE.normalise({"title": "t", "dataSources": sources}) for sources in (before, after)]
        return list(BLUE.widens(*whole))

    some, everything = {"name": "A", "projectIds": ["p"], "filters": {"a": 1}}, {"name": "A", "filters": {"a": 1}}
    assert widens([some], [everything]) == ["dataSources[0] (A) reaches every workspace instead of 1 workspace"]
    assert widens([some], [{}]) == [
        "dataSources[0] reaches every workspace instead of 1 workspace",
        "dataSources[0] loses its filter",
    ]
    assert widens([some, {"name": "B"}], [{"name": "B"}, some]) == []
    assert widens([some], [some, {}]) == ["dataSources[1] is new and reaches every workspace"]
    assert widens([everything], [everything, {}]) == []
    assert widens([some], [{**some, "projectIds": ["p", "q"]}]) == []
    base = {"name": "n", "pipeIds": [1]}
    assert list(REPORT.widens({**base, "filter": nested(1)}, base)) == ["the filter is removed"]
    assert list(EXPORT.widens({"pipeIds": [1, 2], "filter": nested(1)}, {})) == [
        "it covers every pipe that can be reached instead of 2",
        "the filter is removed",
    ]


def test_what_specs_name() -> None:
    sources = [{"projectIds": ["p", "q"]}, {}, {"projectIds": ["p"]}]
    spec = {"title": "t", "dataSources": sources, "reportUsers": [{"userId": "u", "role": "VIEWER"}]}
    assert BLUE.mentions(spec) == {"workspace": {"p", "q"}, "user": {"u"}}
    assert BLUE.mentions({"title": "t", "dataSources": []}) == {"workspace": set(), "user": set()}
    assert REPORT.mentions({"name": "n", "pipeIds": [1]}) == {"pipe": {"1"}, "report": set()}
    assert EXPORT.mentions({"organizationReportId": 7}) == {"pipe": set(), "report": {"7"}}
    assert EXPORT.references({"report": {"ref": "pipefy/report/a"}}) == (
        Reference(("report",), Address("pipefy", "report", "a")),
    )
    for bad in ({"report": {"ref": "a"}}, {"report": {"ref": 5}}, {"report": None}, {}):
        assert EXPORT.references(bad) == ()
    assert [kind.organization({"organizationId": "5"}) for kind in (REPORT, EXPORT, BLUE)] == ["5", "5", ""]
    assert [EXPORT.organization(spec) for spec in ({"organizationId": 5}, {})] == ["5", ""]


def test_a_schedule_does_not_decide_about_the_file() -> None:
    spec = EXPORT.normalise({"columns": ["a"], "schedule": "0 6 * * 1", "runOnCreate": True, "allowEmptyColumns": True})
    assert EXPORT.content(spec) == {"columns": ["a"]}
