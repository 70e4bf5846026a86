"""Wrong project and environment files, values and defaults, and what is said about them, to the column.

A case has files (`>>> name`), options (`$ --set k=v`, `$ NAME=value` for an environment variable) and what is
said.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from corpus import compare, read_corpus

CORPUS = Path(__file__).with_name("corpus") / "project"
MANIFEST = """apiVersion: blue/v1
kind: Report
metadata: {name: a, labels: {owner: o}}
spec: {title: T, dataSources: [{name: x}]}
"""


ALL = read_corpus(CORPUS)


def told(found) -> str:
    place = f"{found.span.file.removeprefix('manifests/')}:{found.span.line}:{found.span.column}" if found.span else "-"
    word = "" if found.severity.value == "error" else f"{found.severity.value} "
    return f"{place} {word}{found.code}: {found.message}" + (f" ({found.hint})" if found.hint else "") + "\n"


def load_case(workshop, text: str) -> str:
    options, *parts = re.split(r"^>>> ", text, flags=re.MULTILINE)
    given = [line.removeprefix("$ ") for line in options.splitlines()]
    overrides = dict(each.removeprefix("--set ").split("=", 1) for each in given if each.startswith("--set "))
    variables = dict(each.split("=", 1) for each in given if not each.startswith("--set "))
    files = dict(part.split("\n", 1) for part in parts)
    workshop.write({"a.yaml": MANIFEST} | files)
    loaded = workshop.load(overrides=overrides, variables=variables)
    for found in loaded.diagnostics:
        if found.span:
            lines = files[found.span.file.removeprefix("manifests/")].splitlines()
            assert found.source
            assert lines[found.span.line - 1].startswith(found.source)
    return "".join(map(told, loaded.diagnostics))


@pytest.mark.parametrize("name", ALL)
def test_wrong_project(workshop, name):
    text, _ = ALL[name]
    said = load_case(workshop, text)
    assert said
    for raw in ("pydantic", "Input should", "is not valid under", "Traceback", "NoneType", "frozenset"):
        assert raw not in said
    compare(CORPUS, name, said)
