"""The YAML test suite (see yaml_suite/README.md) against what we read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import Source

CASES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "yaml_suite/cases.json").read_text())

REFUSED = {
    "a tag that JSON has no meaning for is refused": [
        *(
            "2XXW",
            "565N",
            "5TYM",
            "6CK3",
            "6WLZ",
            "7FWL",
            "9WXW",
            "C4HZ",
            "CC74",
            "CUP7",
            "J7PZ",
            "M5C3",
            "P76L",
            "UGM3",
        ),
        *("Z67P", "Z9M4"),
    ],
    "a directive that nobody knows, and a version to come, are refused": ["2LFX", "6LVF", "BEC7", "MUS6-05", "MUS6-06"],
    "libyaml wants a key in { } on one line with its colon": [
        *("4MUZ-00", "4MUZ-01", "4MUZ-02", "5MUD", "9SA2", "K3WX", "NJ66", "UT92", "VJP3-01"),
    ],
    "libyaml wants quotes for a text in [ ] or { } that starts with a colon": ["58MP", "5T43", "DBG4", "HM87-00"],
    "libyaml takes ? for a sign in [ ] and { }": ["652Z", "HM87-01"],
    "libyaml takes letters, digits, _ and - only in the name of an anchor": ["2SXE", "8XYN", "W5VH", "Y2GN"],
    "libyaml takes no tab there": [
        "6BCT",
        "6CA3",
        "96NN-00",
        "96NN-01",
        "A2M4",
        "DK95-00",
        "Q5MG",
        "R4YG",
        "Y79Y-01",
        "Y79Y-10",
    ],
    "libyaml wants --- behind the end of a document": ["7Z25", "M7A3", "HWV9", "QT73"],
    "libyaml wants a block text that is the whole document to be indented": ["DK3J", "FP8R", "W4TN"],
}
"""Valid YAML that is refused, with a place and advice: never read as something else."""

ACCEPTED = {
    "libyaml does not look at the indentation inside [ ] and quotes": ["9C9N", "DK95-01", "QB6E", "Y79Y-03"],
    "libyaml takes # for a comment without a blank before it": ["9JBA", "CVW2", "SU5Z", "X4QW"],
    "libyaml takes a directive where no document has ended": ["EB22", "RHX7", "MUS6-00", "MUS6-01"],
    "libyaml takes - for a text in [ ]": ["G5U8", "YJV2"],
    "libyaml takes blank lines that are indented deeper than the text": ["S98Z"],
}
"""Texts that are no YAML by the letter, and that are read as anybody would."""


def read(case: str) -> list[Document]:
    return list(documents(Source("a.yaml", CASES[case]["yaml"].removeprefix("\ufeff"))))


def problems(case: str) -> list[str]:
    return [problem.message for document in read(case) for problem in document.problems]


def listed(reasons: dict[str, list[str]]) -> list[str]:
    return [case for cases in reasons.values() for case in cases]


@pytest.mark.parametrize("case", [case for case, each in CASES.items() if "json" in each])
def test_valid_cases(case):
    """Empty documents declare nothing, and are left out."""
    meant = [document for document in CASES[case]["json"] if document is not None]
    if case in listed(REFUSED):
        assert problems(case)
    else:
        assert problems(case) == []
        assert [document.data for document in read(case)] == meant


@pytest.mark.parametrize("case", [case for case, each in CASES.items() if "fail" in each])
def test_invalid_cases(case):
    if case in listed(ACCEPTED):
        assert problems(case) == []
    else:
        assert problems(case)


@pytest.mark.parametrize("case", [case for case, each in CASES.items() if not each.keys() & {"json", "fail"}])
def test_cases_that_json_cannot_hold(case):
    """Empty keys, keys that are lists: refused, or read without them."""
    for document in read(case):
        assert document.problems or json.dumps(document.data)


def test_the_lists_name_cases():
    for reasons in (REFUSED, ACCEPTED):
        assert len(set(listed(reasons))) == len(listed(reasons))
        assert set(listed(reasons)) <= CASES.keys()
    assert len(CASES) == 402
