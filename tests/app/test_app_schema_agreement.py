"""What an editor's validator says of a manifest agrees with what `validate` says of it.

Everything that is right for `validate` satisfies the schema; everything wrong that a schema can know of
is refused by it, at the same place or around it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from corpus import read_corpus
from samples import PROJECT

from reconciler.app.schema import files
from reconciler.app.settings import Settings
from reconciler.app.wiring import Wiring
from reconciler.loading.load import load
from reconciler.loading.templating.templates import has_template
from reconciler.loading.text.marked import Block, Document, documents
from reconciler.loading.text.sources import Source
from reconciler.model.diagnostic import Diagnostic, Severity

ALL = read_corpus(Path(__file__).parents[1] / "loading" / "corpus")
VALUES = {
    "region": "emea",
    "regions": ["emea", "apac"],
    "count": 5,
    "nothing": None,
    "sources": [{"name": "a"}, {"nmae": "b"}],
    "pipes": [1, 2],
    "workspaces": {"emea": "w1"},
}
ENVIRONMENT = f"""apiVersion: reconciler/v1
kind: Environment
metadata: {{name: default}}
spec: {{values: {json.dumps(VALUES)}}}
"""

BEYOND_A_SCHEMA = {
    # it needs other documents, files, or what templates make
    *("template", "undefined", "duplicate-address", "dangling-reference", "cyclic-reference", "organization"),
    # it needs to count bytes, or to compare entries with each other
    *("config-too-large", "repeated-user", "not-json"),
    # it needs a calendar, a grammar, or a list of time zones; a schema knows the shape only
    "bad-schedule",
}
WIRING = Wiring(Settings(folder=Path("no-project")))
KINDS = WIRING.kinds
SCHEMAS = files.schemas(WIRING)
VALIDATORS = [draft(SCHEMAS["manifest"]) for draft in (jsonschema.Draft202012Validator, jsonschema.Draft7Validator)]


def test_the_schemas_are_schemas_in_both_dialects_that_editors_know() -> None:
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft7Validator.check_schema(schema)


def validated(folder: Path, **manifests: str) -> list[Diagnostic]:
    files = {"reconciler.yaml": PROJECT, "environments/default.yaml": ENVIRONMENT, **manifests}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    found = load(folder, "default", KINDS).diagnostics
    return [each for each in found if each.severity is Severity.ERROR]


def around(document: Document, path: tuple[Any, ...], place: tuple[int, int]) -> bool:
    """Whether a place lies in the value (or the key) that a path leads to."""
    way = list(document._way(path))
    key, node = way[-1] if way else (None, document.root)
    if len(way) < len(path) or node is None:
        return False
    start, end = (node.start, node.end) if isinstance(node, Block) else (node.start_mark, node.end_mark)
    first = start if key is None else key.start_mark
    return (first.line + 1, first.column + 1) <= place <= (end.line + 1, end.column + 1)


def made_by_a_template(document: Document, place: tuple[int, int]) -> bool:
    """Whether what stands at a place is, or has in it, a template: only `validate` knows what that makes."""
    path = max((path for path in places(document.data) if around(document, path, place)), key=len, default=())
    value = reduce(lambda value, step: value[step], path, document.data)
    return isinstance(value, str | list) and has_template(str(value))


def disagreements(document: Document, found: list[Diagnostic], validators: Any = VALIDATORS) -> list[str]:
    told = []
    for validator in validators:
        errors = list(validator.iter_errors(document.data))
        if not found:
            told += [f"wrong only for the schema: {error.json_path}: {error.message[:200]}" for error in errors]
        paths = [tuple(error.absolute_path) for error in errors]
        for each in found:
            place = (each.span.line, each.span.column) if each.span else (1, 1)
            known = each.code not in BEYOND_A_SCHEMA and not made_by_a_template(document, place)
            if known and not any(around(document, path, place) for path in paths):
                told.append(f"wrong only for validate: {place} {each.code}: {each.message}; the schema: {paths}")
    return told


@pytest.mark.parametrize("name", ALL)
def test_the_corpus_of_wrong_manifests(tmp_path: Path, name: str) -> None:
    text, _ = ALL[name]
    read = list(documents(Source("case.yaml", text)))
    if len(read) != 1 or read[0].problems:
        return  # an editor says that of YAML by itself
    assert disagreements(read[0], validated(tmp_path, **{"case.yaml": text})) == []


BLUE = {
    "apiVersion": "blue/v1",
    "kind": "Report",
    "metadata": {"name": "a", "labels": {"owner": "me"}},
    "lifecycle": {"protect": True, "onRemove": "detach"},
    "lint": {"ignore": {}},
    "spec": {
        "title": "T",
        "description": "D",
        "dataSources": [
            {"name": "N", "sourceType": "TODOS", "projectIds": ["w"], "filters": {"done": False}, "order": 1},
            {"projects": [{"slug": "s"}, {"name": "n"}]},
        ],
        "config": {"layout": "board"},
        "reportUsers": [{"userId": "u", "role": "VIEWER"}, {"email": "e@acme.example", "role": "EDITOR"}],
    },
}
FILTER = {
    "operator": "and",
    "queries": [{"field": "f", "operator": "contains", "value": ["a", 1], "type": "select", "label": "L", "id": 1}],
    "groups": [{"operator": "or", "queries": [], "id": 2, "lastId": 3}],
}
REPORT = {
    "apiVersion": "pipefy/v1",
    "kind": "Report",
    "metadata": {"name": "r"},
    "spec": {"organizationId": 3, "name": "N", "pipeIds": [1, "2"], "fields": ["t"], "filter": FILTER, "color": "red"},
}
EXPORT = {
    "apiVersion": "pipefy/v1",
    "kind": "Export",
    "metadata": {"name": "e"},
    "spec": {
        "organizationId": "3",
        "pipeIds": [1],
        "columns": ["c"],
        "filter": FILTER,
        "sortBy": {"field": "f", "direction": "asc"},
        "organizationReportId": 7,
        "schedule": {"cron": "0 6 * * 1", "timezone": "Europe/Berlin"},
        "runOnCreate": True,
        "deadline": "45m",
        "pipes": [{"name": "Sales"}],
        "allowEmptyColumns": False,
    },
}
FORMER = {
    "apiVersion": "blue/v1alpha1",
    "kind": "Report",
    "metadata": {"name": "a"},
    "spec": {
        "name": "T",
        "sources": [{"name": "N", "workspaceIds": ["w"], "filters": {}}],
        "sharedWith": [{"userId": "u", "role": "VIEWER"}],
    },
}
SEEDS = {"blue": BLUE, "report": REPORT, "export": EXPORT, "former": FORMER}
VALUES_TO_TRY: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.5, 2**31, 2**31 - 1, "", " ", "x", "12", "0012", "2147483648", "0"),
    *("0 6 * * 1", "0 6 * *", "61 * * * *", "*/5 1,2 L JAN-MAR MON#1", "delete", "asc"),
    *([], ["x"], [1], [None], [""], [[]], [{}], ["x"] * 51, {}, {"x": 1}, {"ref": "pipefy/report/r"}),
    *("{{ values.region }}", "{{ values.pipes }}", ["{{ values.count }}"], "x" * 10_001),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def changed(seed: Any, path: tuple[Any, ...], change: Any) -> Any:
    made = copy.deepcopy(seed)
    holder = made
    for step in path[:-1]:
        holder = holder[step]
    change(holder, path[-1])
    return made


def mutants(seed: Any) -> Iterator[Any]:
    """The seed with one thing changed, in every way and place."""
    yield seed
    for path in places(seed):
        if path:
            yield changed(seed, path, lambda holder, key: holder.pop(key))
            for value in VALUES_TO_TRY:
                yield changed(seed, path, lambda holder, key, value=value: holder.__setitem__(key, value))
        yield changed({"": seed}, ("", *path, "wrogn"), _add)[""]


def _add(holder: Any, key: str) -> None:
    if isinstance(holder, dict):
        holder[key] = 1


DEFAULTS = {
    "blue/report": {
        "metadata": {"labels": {"owner": "me"}},
        "lifecycle": {"protect": True, "onRemove": "detach"},
        "spec": {"title": "T {{ env }}", "dataSources": [{"projectIds": ["w"]}]},
    },
    "pipefy/export": {"spec": {"columns": ["c"], "schedule": "0 6 * * 1"}},
}
OWN = {
    "project": {
        "apiVersion": "reconciler/v1",
        "kind": "Project",
        "metadata": {"name": "acme"},
        "spec": {
            "state": "sqlite:x.db",
            "providers": {"blue": {"organization": "acme", "endpoint": "https://x.example/graphql", "quota": 5}},
            "safety": {"maxDeletes": 1, "maxDeleteShare": 0.5},
            "variables": ["HOME"],
            "valuesSchema": {},
            "defaults": DEFAULTS,
            "lint": {"rules": {"every-workspace": "off"}, "requiredLabels": ["owner"]},
        },
    },
    "environment": {
        "apiVersion": "reconciler/v1",
        "kind": "Environment",
        "metadata": {"name": "default"},
        "spec": {"values": {"a": {"b": [1]}}, "defaults": DEFAULTS},
    },
}
LACKING = """\
{apiVersion: blue/v1, kind: Report, metadata: {name: a}, spec: {}}
---
{apiVersion: pipefy/v1, kind: Export, metadata: {name: a}, spec: {pipeIds: [1]}}
"""  # manifests that need the defaults, which are judged where they are used


def knows_more(found: Diagnostic) -> bool:
    """Whether it needs the file's name, the manifests that use a default, or the meta-schema of a schema."""
    words = ("but the file is", "is not a keyword of JSON Schema")
    return found.code == "empty-columns" or any(word in found.message for word in words)


@pytest.mark.usefixtures("uncovered")
@pytest.mark.parametrize("name", OWN)
def test_every_single_change_of_a_right_document_of_our_own(tmp_path: Path, name: str) -> None:
    file = {"project": "reconciler.yaml", "environment": "environments/default.yaml"}[name]
    validators = [draft(SCHEMAS[name]) for draft in (jsonschema.Draft202012Validator, jsonschema.Draft7Validator)]
    told = {}
    for text in dict.fromkeys(yaml.safe_dump(mutant, sort_keys=False) for mutant in mutants(OWN[name])):
        found = [
            each
            for each in validated(tmp_path, **{"case.yaml": LACKING, file: text})
            if each.span is not None and each.span.file.endswith(file) and not knows_more(each)
        ]
        (document,) = documents(Source(file, text))
        if wrong := disagreements(document, found, validators):
            told[text] = wrong
    assert told == {}


def groups(levels: int) -> dict[str, Any]:
    return {"operator": "and", "groups": [groups(levels - 1)] if levels > 1 else []}


@pytest.mark.parametrize(("levels", "right"), [(1, True), (10, True), (11, False), (14, False)])
def test_how_deep_filters_may_be(tmp_path: Path, levels: int, right: bool) -> None:
    text = yaml.safe_dump({**REPORT, "spec": {**REPORT["spec"], "filter": groups(levels)}})
    (document,) = documents(Source("case.yaml", text))
    found = validated(tmp_path, **{"case.yaml": text})
    assert (found == []) is right
    assert disagreements(document, found) == []


def validated_apart(folder: Path, texts: list[str]) -> list[list[Diagnostic]]:
    """What is wrong with each of many documents, none of which has to do with another."""
    names = {f"case-{number}.yaml": text for number, text in enumerate(texts)}
    found = validated(folder, **names)
    told: dict[str, list[Diagnostic]] = {name: [] for name in names}
    for each in found:
        if each.span is not None and each.code not in ("duplicate-address", "organization"):
            told[Path(each.span.file).name].append(each)
    return list(told.values())


@pytest.mark.usefixtures("uncovered")
@pytest.mark.parametrize("seed", SEEDS)
def test_every_single_change_of_a_right_manifest(tmp_path: Path, seed: str) -> None:
    texts = list(dict.fromkeys(yaml.safe_dump(mutant, sort_keys=False) for mutant in mutants(SEEDS[seed])))
    told = {}
    for text, found in zip(texts, validated_apart(tmp_path, texts), strict=True):
        (document,) = documents(Source("case.yaml", text))
        if wrong := disagreements(document, found):
            told[text] = wrong
    assert told == {}
