"""Lint of filters and deadlines: whatever stands in a manifest, and as the schema says it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler import providers
from reconciler.model.diagnostic import Severity
from reconciler.providers.blue import filters
from reconciler.providers.pipefy import deadline
from reconciler.providers.pipefy.models import Export

BLUE, _, EXPORT = providers.kinds(lambda cron, zone: "")

keys = st.sampled_from(sorted({*filters.KEYS, *filters.GROUP_KEYS, "type", "values", "companyIds"})) | st.text(
    max_size=5
)
words = st.sampled_from([*filters.OPERATORS, *filters.JOINS, *filters.FIELD_TYPES]) | st.text(max_size=5)
blobs = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
given_filters = st.dictionaries(keys, blobs, max_size=5)
sources = st.lists(
    st.fixed_dictionaries({"projectIds": st.just(["p"])}, optional={"filters": st.none() | given_filters}), max_size=3
)


def leads_somewhere(value: Any, path: Any) -> bool:
    try:
        for step in path:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return False
    return True


@given(sources)
def test_any_filter_is_judged_at_a_place_that_is_there(listed: Any) -> None:
    spec = {"title": "t", "dataSources": listed}
    for found in BLUE.check(spec):
        assert found.severity is Severity.WARNING or found.code == "not-json"
        assert found.severity is Severity.ERROR or leads_somewhere(spec, found.path)


@given(sources)
def test_filters_differ_when_the_normal_forms_do(listed: Any) -> None:
    normal = BLUE.normalise({"title": "t", "dataSources": listed})["dataSources"]
    differ = any(source.get("filters") != normal[0].get("filters") for source in normal)
    assert bool(list(filters.check_agreement(listed))) is differ


def test_a_filter_that_is_none_does_not_differ_from_others() -> None:
    listed = [{"projectIds": ["p"], "filters": {"done": True}}, {"projectIds": ["p"], "filters": ["done"]}]
    assert [found.code for found in BLUE.check({"title": "t", "dataSources": listed})] == ["filters-not-object"]


@given(st.integers(-5, 100_000) | st.from_regex(r"[0-9]{0,7}[smhd]?", fullmatch=True) | st.text(max_size=4))
def test_a_deadline_is_right_when_the_schema_takes_it(value: Any) -> None:
    spec = {"columns": ["a"], "pipeIds": [1], "deadline": value}
    schema = Draft202012Validator(Export.model_json_schema())
    good = not [found for found in EXPORT.check(spec) if found.severity is Severity.ERROR]
    assert schema.is_valid(spec) is good
    if good:
        wait = EXPORT.normalise(spec)["deadline"]
        assert deadline.SHORTEST <= wait <= deadline.LONGEST
        assert EXPORT.normalise({**spec, "deadline": wait})["deadline"] == wait


def test_a_deadline_does_not_decide_about_the_file() -> None:
    specs = [EXPORT.normalise({"columns": ["a"], "deadline": value}) for value in ("20m", "2h", None)]
    assert [spec.get("deadline") for spec in specs] == [1200, 7200, None]
    assert len({str(EXPORT.content(spec)) for spec in specs}) == 1
