"""Wrong manifests and what is said about them, to the column."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus import compare, read_corpus

from reconciler.model.diagnostic import Diagnostic

CORPUS = Path(__file__).with_name("corpus")
ENVIRONMENT = """apiVersion: reconciler/v1
kind: Environment
metadata: {name: default}
spec:
  values:
    region: emea
    regions: [emea, apac]
    count: 5
    nothing: null
    sources: [{name: a}, {nmae: b}]
"""


ALL = read_corpus(CORPUS)


def told(found: Diagnostic) -> str:
    place = f"{found.span.line}:{found.span.column}" if found.span else "-"
    return f"{place} {found.code}: {found.message}" + (f" ({found.hint})" if found.hint else "") + "\n"


def load_case(workshop, text: str) -> str:
    workshop.write({"environments/default.yaml": ENVIRONMENT, "case.yaml": text})
    loaded = workshop.load()
    assert loaded.desired is None
    assert all(found.span and found.span.file == "manifests/case.yaml" for found in loaded.diagnostics)
    for found in loaded.diagnostics:
        assert found.source.startswith(text.splitlines()[found.span.line - 1][:4_000])
        assert (found.span.line, found.span.column) <= (found.span.end_line, found.span.end_column)
    return "".join(map(told, loaded.diagnostics))


@pytest.mark.parametrize("name", ALL)
def test_wrong_manifest(workshop, name):
    text, _ = ALL[name]
    said = load_case(workshop, text)
    assert said
    for raw in ("pydantic", "Input should", "type=", "Traceback", "dict object", "NoneType"):
        assert raw not in said
    compare(CORPUS, name, said)


def test_everything_is_said_at_once(workshop):
    """Files do not hide each other's mistakes; only what they declare together is told apart."""
    apart = {"duplicate-address", "organization", "dangling-reference", "cyclic-reference"}
    workshop.write({"environments/default.yaml": ENVIRONMENT})
    expected = set()
    for number, (text, told_alone) in enumerate(ALL.values()):
        workshop.write({f"case-{number}.yaml": text})
        expected |= {
            f"manifests/case-{number}.yaml:{line}"
            for line in told_alone.splitlines()
            if line.split(" ")[1].rstrip(":") not in apart
        }
    found = workshop.load().diagnostics
    said = {f"{each.span.file}:{told(each).rstrip()}" for each in found if each.span and each.code not in apart}
    assert said == expected
    assert list(found) == sorted(found, key=lambda each: each.sort_key)
