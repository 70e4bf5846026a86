"""Defaults beneath a document: nearest wins, whole."""

from __future__ import annotations

import json
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.defaults import Layer
from reconciler.loading.layers import merged
from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import Source
from reconciler.model.values import lookup

_VALUES = st.one_of(st.none(), st.integers(0, 9), st.lists(st.integers(0, 9), max_size=2), st.just({"a": {"b": 1}}))
_FIELDS = st.dictionaries(st.sampled_from(["title", "filter", "config", "owner"]), _VALUES, max_size=4)


@st.composite
def _manifest(draw):
    made = {"spec": draw(_FIELDS)}
    if draw(st.booleans()):
        made["metadata"] = {"labels": draw(_FIELDS)}
    if draw(st.booleans()):
        made["lifecycle"] = draw(_FIELDS)
    return made


def _document(data, name: str) -> Document:
    return next(iter(documents(Source(name, json.dumps(data)))))


def _mapping(data, way):
    return lookup(data, way) or {}


@given(_manifest(), st.lists(_manifest(), max_size=3))
def test_each_key_comes_whole_from_the_nearest_that_has_it(own, layers):
    own["metadata"] = {"name": "x", **own.get("metadata", {})}
    document = _document(own, "own")
    before = deepcopy(document.data)
    beneath = [
        Layer(
            _document({"spec": {"defaults": {"blue/report": each}}}, str(index)),
            ("spec", "defaults", "blue/report"),
            each,
        )
        for index, each in enumerate(layers)
    ]
    layered = merged(document, beneath)
    assert document.data == before
    assert set(layered.data) - set(own) <= {"lifecycle"}
    for way in (("spec",), ("metadata", "labels"), ("lifecycle",)):
        expected: dict[str, tuple[str, object]] = {}
        for name, each in (("own", own), *((str(index), each) for index, each in enumerate(layers))):
            for key, value in _mapping(each, way).items():
                expected.setdefault(key, (name, value))
        assert _mapping(layered.data, way) == {key: value for key, (_, value) in expected.items()}
        for key, (name, value) in expected.items():
            held, path = layered.locate((*way, key))
            assert held.source.file == name
            assert lookup(held.data, path) == value
            assert held.span(path, key=True).file == name


def test_what_is_no_mapping_in_the_manifest_is_left_for_others_to_complain_about():
    layer = Layer(_document({}, "d"), (), {"spec": {"a": 1}, "metadata": {"labels": {"b": 1}}, "lifecycle": {"c": 1}})
    for own in (
        {"metadata": 1, "lifecycle": 2, "spec": 3},
        {"metadata": {"labels": None}, "lifecycle": None, "spec": None},
        {},
    ):
        layered = merged(_document(own, "own"), [layer])
        assert layered.data == {**own, **({} if own else {"lifecycle": {"c": 1}})}


def test_big_defaults_may_not_be_repeated_without_end(workshop):
    """Little text that makes much: a list in the project file, taken by every manifest of a folder."""
    big = f"[{'1,' * 40_000}]"
    defaults = f"spec:\n  defaults:\n    blue/report:\n      spec:\n        config: {{a: {big}}}\n"
    project = f"apiVersion: reconciler/v1\nkind: Project\nmetadata: {{name: acme}}\n{defaults}"
    one = "apiVersion: blue/v1\nkind: Report\nmetadata: {name: r%d}\nspec: {title: T%d, dataSources: [{name: x}]}\n"
    workshop.write({"reconciler.yaml": project, "many.yaml": "---\n".join(one % (i, i) for i in range(300))})
    (found,) = workshop.load().diagnostics
    assert (found.code, found.span.line, found.span.column) == ("defaults-size", 8, 9)


def test_a_forEach_that_is_wrong_everywhere_is_not_read_to_its_end(workshop):  # noqa: N802 - the field's name
    document = "apiVersion: blue/v1\nkind: Report\nmetadata: {name: 'a-{{ each.key }}'}\n"
    workshop.write({"a.yaml": document + "forEach: '{{ range(5000) | list }}'\nspec: {title: T, dataSources: 5}\n"})
    loaded = workshop.load()
    assert [found.code for found in loaded.diagnostics] == ["wrong-type"]
    assert loaded.resources == 1000
