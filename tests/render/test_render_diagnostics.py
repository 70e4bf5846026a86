from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from rich.cells import cell_len

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.values import Span
from reconciler.render import renderer

Golden = Callable[[str, str], None]


def test_text(golden: Golden, diagnostics: Sequence[Diagnostic]) -> None:
    text = renderer("diagnostics", "text")(diagnostics, resources=12)
    golden("diagnostics.txt", text)
    assert "\x1b" not in text
    assert text.endswith("8 errors, 1 warning in 12 resources\n")


def test_color_only_adds_styles(diagnostics: Sequence[Diagnostic]) -> None:
    colored = renderer("diagnostics", "text")(diagnostics, color=True)
    assert re.sub("\x1b\\[[0-9]+m", "", colored) == renderer("diagnostics", "text")(diagnostics)


@pytest.mark.parametrize(
    ("resources", "said"), [(0, "no errors in 0 resources\n"), (1, "no errors in 1 resource\n"), (None, "no errors\n")]
)
def test_nothing_wrong(resources: int | None, said: str) -> None:
    assert renderer("diagnostics", "text")([], resources=resources) == said


@pytest.mark.parametrize(
    ("source", "start", "end", "under"),
    [
        ("title: bad", 8, 11, "bad"),
        ("\t\ttitle: bad", 10, 13, "bad"),
        ("a\tb\tvalue", 5, 10, "value"),
        ("\u8a9e\u8a9e: value", 5, 10, "value"),
        ("\u8a9e: \u8a9e\u8a9e!", 4, 7, "\u8a9e\u8a9e!"),
        ("e\u0301e\u0301: value", 7, 12, "value"),
        ("\U0001f600\u202e: value", 5, 10, "value"),
        ("\x1b\u200b value # \u8a9e", 4, 9, "value"),
        ("x" * 500 + " value " + "x" * 500, 502, 507, "value"),
        ("\u8a9e" * 500 + " value", 502, 507, "value"),
        ("value", 1, 6, "value"),
    ],
)
def test_the_caret_stands_under_the_value(source: str, start: int, end: int, under: str) -> None:
    found = Diagnostic(Severity.ERROR, "c", "m", Span("f", 3, start, 3, end), source=source)
    _, line, carets, *_ = renderer("diagnostics", "text")([found]).split("\n")
    shown = ""
    while cell_len(shown) < carets.index("^"):
        shown = line[: len(shown) + 1]
    while line[len(shown) : len(shown) + 1] and cell_len(line[: len(shown) + 1]) == cell_len(shown):
        shown = line[: len(shown) + 1]
    assert line[len(shown) :].startswith(under)
    assert carets.strip() == "^" * cell_len(under)


def test_json(golden: Golden, diagnostics: Sequence[Diagnostic]) -> None:
    text = renderer("diagnostics", "json")(diagnostics, resources=12)
    golden("diagnostics.json", text)
    document = json.loads(text)
    assert document["summary"] == {"errors": 8, "warnings": 1, "resources": 12}
    keys = ["severity", "code", "message", "file", "line", "column", "end_line", "end_column", "address", "hint"]
    assert all(list(found) == keys for found in document["diagnostics"])


# The schema that OASIS publishes with SARIF 2.1.0, without its descriptions (from @microsoft/jest-sarif on npm; MIT).
SARIF = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text())


def test_sarif(golden: Golden, diagnostics: Sequence[Diagnostic], evil: str) -> None:
    absolute = Diagnostic(Severity.ERROR, "tabs", "m", Span("/srv/a b.yaml", 1, 1, 1, 2))
    text = renderer("diagnostics", "sarif")([*diagnostics, absolute], resources=12)
    golden("diagnostics.sarif", text)
    document = json.loads(text)
    jsonschema.validate(document, SARIF, cls=jsonschema.Draft4Validator)
    assert document["version"] == "2.1.0"
    [run] = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
        if result["locations"]
    ]
    assert unquote(places[3]) == f"dir,a:b/{evil}.yaml".replace("//", "/")
    assert places[-1] == "file:///srv/a%20b.yaml"
    assert run["results"][-2]["locations"] == []


def test_github(golden: Golden, diagnostics: Sequence[Diagnostic]) -> None:
    text = renderer("diagnostics", "github")(diagnostics, resources=12)
    golden("diagnostics.github", text)
    *commands, last = text.splitlines()
    assert len(commands) == len(diagnostics)
    assert all(
        re.fullmatch("::(error|warning) [a-zA-Z]+=[^:,]*(,[a-zA-Z]+=[^:,]*)*::.*", command) for command in commands
    )
    assert "::" not in last
