"""Everything that can be written is explained, by an example that is right."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.app.explain import completions, explain
from reconciler.app.init.project import write
from reconciler.app.schema import files, plain
from reconciler.app.settings import Settings
from reconciler.app.wiring import Wiring
from reconciler.loading.load import load
from reconciler.loading.templating.filters import FILTERS
from reconciler.loading.templating.templates import CONTEXT
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Source
from reconciler.model.errors import Usage
from reconciler.providers.blue.filters import GROUP_KEYS, KEYS
from reconciler.render.explanation import explanation_text, yaml_lines
from reconciler.schedule import year

WIRING = Wiring(Settings())
SCHEMAS = files.schemas(WIRING)
TOPICS = ("blue/report", "pipefy/report", "pipefy/export", "project", "environment")
DEEPEST = 9


def fields(topic: str, depth: int = 0) -> Iterator[str]:
    yield topic
    if depth < DEEPEST:
        for entry in explain(WIRING, topic).get("entries", ()):
            if not (entry["name"] == "groups" and topic.endswith("groups")):
                yield from fields(f"{topic}.{entry['name']}", depth + 1)


EVERY = [field for topic in TOPICS for field in fields(topic)]


def merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}
    return above


def read(text: str) -> Any:
    (document,) = documents(Source("example.yaml", text))
    assert not document.problems
    return document.data


@pytest.mark.parametrize("field", EVERY)
def test_the_example_of_every_field_is_right(tmp_path: Path, field: str) -> None:
    told = explain(WIRING, field)
    assert told["description"], field
    assert told["type"], field
    shown = explanation_text(told)
    assert all(len(line) <= 110 for line in shown.splitlines() if "https://" not in line)
    if "example" not in told:
        assert told["type"].startswith(("mapping", "anything")), field
        return
    lines = shown.partition("Example:\n")[2].partition("\n\n")[0]
    assert read(lines) == told["example"] == yaml.safe_load(lines)
    topic = next(topic for topic in TOPICS if field.startswith(topic))
    document = copy.deepcopy(merged(explain(WIRING, topic)["example"], told["example"]))
    if "forEach" in document:
        document["metadata"]["name"] = "a-{{ each.key }}"
    name = topic if "/" not in topic else "manifest"
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(document)
    found = [f"{found.code}: {found.message}" for found in validated(tmp_path, topic, document)]
    unavoidable = next((rules for part, rules in UNAVOIDABLE.items() if part in field), ())
    assert [each for each in found if not each.startswith(unavoidable)] == []


UNAVOIDABLE = {
    "report.lint": ("unused-ignore",),  # there is nothing to ignore
    "export.lint": ("unused-ignore",),
    ".forEach": ("duplicate-title", "same-minute-exports"),  # what makes them differ stands elsewhere
    "spec.organizationReportId": ("two-reports",),  # as a default, beside the report of the export that is there
}


OWN = {"project": "reconciler.yaml", "environment": "environments/default.yaml"}


def validated(root: Path, topic: str, document: Any) -> Any:
    """What is said of a document in a project that is as `init` writes it."""
    write(WIRING, root)
    folder = root / "manifests"
    file = folder / "case.yaml"
    if topic in OWN:
        file = folder / OWN[topic]
        document = merged(yaml.safe_load(file.read_text(encoding="utf-8")), document)
    environment = "default"
    if topic == "environment":
        environment = document["metadata"]["name"] = "other"
        file = folder / "environments/other.yaml"
    file.write_text(json.dumps(document), encoding="utf-8")
    return load(folder, environment, WIRING.kinds, variables={}, calendar=year).diagnostics


def test_former_versions_are_explained_in_their_own_words() -> None:
    told = explain(WIRING, "blue/v1alpha1 Report.sources.workspaceIds")
    assert told["title"] == "blue/v1alpha1/report.sources.workspaceIds"
    document = merged(explain(WIRING, "blue/v1alpha1/report")["example"], told["example"])
    assert document["apiVersion"] == "blue/v1alpha1"
    jsonschema.Draft202012Validator(SCHEMAS["manifest"]).validate(document)


@pytest.mark.parametrize(
    "spelling",
    [
        "blue/report.dataSources.filters",
        "blue.report.dataSources[].filters",
        "blue/v1 Report.dataSources[0].filters",
        "blue/v1/Report.spec.dataSources[12].filters",
        " Blue/Report.dataSources.filters ",
    ],
)
def test_spellings_of_one_field(spelling: str) -> None:
    assert explain(WIRING, spelling) == explain(WIRING, "blue/report.dataSources.filters")


def test_what_can_be_explained_is_listed() -> None:
    names = [entry["name"] for entry in explain(WIRING, "")["entries"]]
    assert {*TOPICS, "lint", "templates"} == set(names)
    assert all(entry["description"] for entry in explain(WIRING, "")["entries"])
    rules = {rule.id: rule for rule in plain.rules(WIRING.kinds)}
    listed = explain(WIRING, "lint")["entries"]
    assert {(entry["name"], entry["type"]) for entry in listed} == {
        (rule.id, rule.severity.value) for rule in rules.values()
    }
    for rule in rules.values():
        told = explain(WIRING, rule.id)
        assert rule.summary in told["description"]
        assert rule.why in told["description"]
        assert read("\n".join(yaml_lines(told["example"]))) == told["example"]


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ("blue/repotr", "did you mean blue/report?"),
        ("nothing-like-it-at-all", "known: blue/report, pipefy/report"),
        ("blue/report.dataSorces", "did you mean dataSources? known: title"),
        ("blue/report.dataSources.filtres", "did you mean filters?"),
        ("blue/report.title.x", "it has no fields"),
        ("project.saftey", "did you mean safety?"),
        ("every-workspac", "known: blue/report, pipefy/report, pipefy/export, project, environment, "),
        ("nothing-like-it-at-all", "lint, templates"),
        ("undefined", "the message beside it says what to do"),
        ("blue/reports", "did you mean blue/report?"),
        ("every-workspac", "did you mean every-workspace?"),
    ],
)
def test_what_does_not_exist(asked: str, advice: str) -> None:
    with pytest.raises(Usage) as refused:
        explain(WIRING, asked)
    assert advice in refused.value.hint


@pytest.mark.usefixtures("uncovered")
@given(st.text(max_size=40))
def test_whatever_is_asked_is_answered_or_refused(asked: str) -> None:
    for text in (asked, f"blue/report.{asked}", f"project.defaults.{asked}"):
        with contextlib.suppress(Usage):
            assert explain(WIRING, text)["description"]
        with contextlib.suppress(Usage):
            assert isinstance(completions(WIRING, text), list)


def test_what_a_topic_may_become() -> None:
    assert {*TOPICS, "lint", "every-workspace"} <= set(completions(WIRING, ""))
    assert "blue/report.dataSources" in completions(WIRING, "blue/report.da")
    assert "blue/report.dataSources.filters" in completions(WIRING, "blue/report.dataSources.")
    assert completions(WIRING, "nobody.") == []


def test_the_code_of_an_error_is_not_taken_for_a_rule() -> None:
    with pytest.raises(Usage) as refused:
        explain(WIRING, "empty-columns")
    assert "the code of an error" in refused.value.hint
    assert "did you mean" not in refused.value.hint


@pytest.mark.parametrize(
    ("asked", "one"),
    [
        ("forEach", "blue/report.forEach"),
        ("foreach", "pipefy/export.forEach"),
        ("filter", "pipefy/export.filter"),
        ("lifecycle", "blue/report.lifecycle"),
        ("metadata", "environment.metadata"),
        ("defaults", "project.defaults"),
        ("pipeIds", "pipefy/report.pipeIds"),
        ("blue", "blue/report"),
        ("report", "pipefy/report"),
    ],
)
def test_a_word_alone_lists_what_it_may_be(asked: str, one: str) -> None:
    entries = explain(WIRING, asked)["entries"]
    assert one in [entry["name"] for entry in entries]
    for entry in entries:
        assert entry["description"]
        assert explain(WIRING, entry["name"])["title"] == entry["name"]


@pytest.mark.parametrize(
    ("asked", "topic"),
    [
        ("values", "environment.values"),
        ("state", "project.state"),
        ("schedule", "pipefy/export.schedule"),
        ("dataSources.filters", "blue/report.dataSources.filters"),
        ("export", "pipefy/export"),
        ("blue/report/sales", "blue/report"),
        ("blue/v1/report/sales-2", "blue/report"),
        ("pipefy/report.filter.groups.groups.groups.queries", "pipefy/report.filter.groups.queries"),
    ],
)
def test_other_words_for_one_thing(asked: str, topic: str) -> None:
    assert explain(WIRING, asked) == explain(WIRING, topic)


def test_templates_are_explained_by_what_they_may_use() -> None:
    told = explain(WIRING, "templates")
    assert set(CONTEXT) <= {entry["name"] for entry in told["entries"]}
    assert all(name in told["description"] for name in FILTERS)


def test_the_keys_of_a_filter_are_listed_by_what_they_take() -> None:
    told = explain(WIRING, "blue/report.dataSources.filters")["description"]
    assert all(re.search(rf"\b{name}\b", told) for name in KEYS.keys() | GROUP_KEYS.keys())
    line = next(line for line in told.splitlines() if line.startswith("True or false: "))
    assert re.search(r"\bdone\b", line)
    assert "\n" not in next(
        row["description"].partition("\n\n")[0]
        for row in explain(WIRING, "blue/report.dataSources")["entries"]
        if row["name"] == "filters"
    )


def test_services_document_their_own_fields_only() -> None:
    assert "documentation" in explain(WIRING, "blue/report.dataSources.filters")
    for own in ("lifecycle", "lifecycle.protect", "forEach", "lint", "lint.ignore", "metadata.labels"):
        assert "documentation" not in explain(WIRING, f"blue/report.{own}")


def test_examples_say_something() -> None:
    for field in EVERY:
        assert "{}" not in "\n".join(yaml_lines(explain(WIRING, field).get("example"))), field


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([0.1, -2.5]) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_yaml_is_read_as_it_was_meant_in_every_version(value: Any) -> None:
    text = "\n".join(yaml_lines(value))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert yaml.safe_load(text) == value
