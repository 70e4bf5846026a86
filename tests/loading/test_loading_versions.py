from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import Source
from reconciler.loading.versions import Conversion, conversion, convert
from reconciler.model.values import JSON, lookup
from reconciler.model.versions import EACH, Former, Rename

FORMER = Former(
    "blue/v1alpha1",
    (
        Rename(("spec", "sources", EACH, "workspaceIds"), "projectIds"),
        Rename(("spec", "sources"), "dataSources"),
        Rename(("spec", "name"), "title"),
    ),
)


def read(text: str) -> Document:
    (document,) = documents(Source("a.yaml", text))
    return document


def converted(text: str) -> tuple[Document, Conversion]:
    document = read(text)
    return document, conversion(document.data, document.root, FORMER)


def test_fields_are_renamed_where_they_stand():
    document, done = converted("spec:\n  name: A\n  x: 1\n  sources:\n    - {name: b, workspaceIds: [c]}\n    - {}\n")
    assert document.data == {
        "spec": {"title": "A", "x": 1, "dataSources": [{"name": "b", "projectIds": ["c"]}, {}]},
    }
    assert list(document.data["spec"]) == ["title", "x", "dataSources"]
    assert [(each.path, each.former, each.key.start_mark.line) for each in done.renamed] == [
        (("spec", "title"), "name", 1),
        (("spec", "dataSources"), "sources", 3),
        (("spec", "dataSources", 0, "projectIds"), "workspaceIds", 4),
    ]
    assert done.violations == []
    place = document.span(("spec", "dataSources", 0, "projectIds", 0))
    assert (place.line, place.column) == (5, 32)
    place = document.span(("spec", "title"), key=True)
    assert (place.line, place.column) == (2, 3)


def test_the_current_names_are_understood_too():
    document, _ = converted("spec: {title: A, dataSources: [{workspaceIds: [c]}, {projectIds: [d]}]}")
    assert document.data == {"spec": {"title": "A", "dataSources": [{"projectIds": ["c"]}, {"projectIds": ["d"]}]}}


def test_both_names_at_once_are_refused_at_the_former_one():
    document, done = converted("spec:\n  title: A\n  sources: [{projectIds: [a], workspaceIds: [b]}]\n  name: B\n")
    assert document.data == {"spec": {"title": "A", "dataSources": [{"projectIds": ["a"]}]}}
    assert [(each.code, document.span(each.path, key=True).line) for each in done.violations] == [
        ("former-field", 3),
        ("former-field", 4),
    ]
    assert done.violations[1].message == "spec.name is the former name of title, which is there too"
    assert document.span(done.violations[0].path, key=True).column == 31


def test_what_an_alias_shares_is_renamed_in_its_place_only():
    text = "spec:\n  config: {a: &a {workspaceIds: [x]}}\n  sources: [*a, {<<: *a, name: b}]\n"
    document, done = converted(text)
    assert document.data == {
        "spec": {
            "config": {"a": {"workspaceIds": ["x"]}},
            "dataSources": [{"projectIds": ["x"]}, {"name": "b", "projectIds": ["x"]}],
        }
    }
    assert document.span(("spec", "config", "a", "workspaceIds"), key=True).column == 19
    assert [each.former for each in done.renamed] == ["sources", "workspaceIds", "workspaceIds"]


def test_names_may_change_places():
    swap = Former("a/v0", (Rename(("spec", "a"), "b"), Rename(("spec", "b"), "a")))
    document = read("spec: {a: 1, b: 2}")
    assert convert(document.data, document.root, swap) == []
    assert document.data == {"spec": {"b": 1, "a": 2}}


@pytest.mark.parametrize("text", ["spec: 1", "spec: [name]", "sources: [{workspaceIds: []}]", "[]", "spec: {}"])
def test_what_is_no_report_is_left_alone(text):
    document = read(text)
    before = copy.deepcopy(document.data)
    assert conversion(document.data, document.root, FORMER) == Conversion()
    assert document.data == before


@pytest.mark.parametrize("value", ["'{{ x }}'", "{workspaceIds: 1}", "[[{workspaceIds: 1}]]", "null"])
def test_what_is_no_list_of_mappings_keeps_its_inside(value):
    document, done = converted(f"spec: {{sources: {value}}}")
    assert [each.former for each in done.renamed] == ["sources"]
    assert document.data == {"spec": {"dataSources": read(f"[{value}]").data[0]}}


NAMES = st.sampled_from(["name", "title", "sources", "dataSources", "workspaceIds", "projectIds", "other"])
VALUES = st.recursive(st.integers(0, 3), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner))


@given(st.dictionaries(st.sampled_from(["spec", "metadata"]), VALUES, min_size=1))
def test_laws(data):
    """It is done after one time, loses nothing it does not complain of, and keeps data and places alike."""
    import json

    document = read(json.dumps(data))
    done = conversion(document.data, document.root, FORMER)
    assert leaves(document.data) <= leaves(data)
    assert (leaves(document.data) == leaves(data)) or done.violations
    for each in done.renamed:
        assert lookup(document.data, each.path[:-1]) is not None
        assert document.span(each.path, key=True).line == 1
    once = copy.deepcopy(document.data)
    if not done.violations:
        again = conversion(document.data, document.root, FORMER)
        assert (again.renamed, document.data) == ([], once)


def leaves(value: JSON) -> int:
    if isinstance(value, (dict, list)):
        return sum(map(leaves, value.values() if isinstance(value, dict) else value)) + 1
    return 1
