"""Files before and after, for people to look at.

`UPDATE_GOLDEN=1 pytest tests/loading` writes what comes after anew; review the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.loading.format.formatter import formatted
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Source

FOLDER = Path(__file__).with_name("golden") / "format"
NAMES = sorted(file.name.partition(".")[0] for file in FOLDER.glob("*.before.yaml"))
MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"


def text_of(file: Path) -> str:
    return file.read_bytes().decode()


@pytest.mark.parametrize("name", NAMES)
def test_before_and_after(name):
    source = Source(name, text_of(FOLDER / f"{name}.before.yaml"))
    before = list(documents(source))
    assert [document.problems for document in before] == [[]] * len(before)
    text = formatted(source)
    file = FOLDER / f"{name}.after.yaml"
    if "UPDATE_GOLDEN" in os.environ:
        file.write_bytes(text.encode())
    assert text == text_of(file)
    assert formatted(Source(name, text)) == text


@pytest.mark.parametrize("file", sorted(MANIFESTS.rglob("*.yaml")), ids=lambda file: file.name)
def test_the_manifests_of_this_repository_are_canonical(file):
    assert formatted(Source(file.name, text_of(file))) == text_of(file)


def test_nothing_is_canonical():
    assert [formatted(Source("", text)) for text in ("", "\n", " \n\t\n", "---\n", "---\n...\n---\n")] == [""] * 5


def test_single_quotes_become_double_where_nothing_changes():
    text = "a: 'x'\n'b': ['{{ y }}', '']\nc: 'it''s'\nd: 'c:\\new'\ne: '\"'\n"
    wanted = 'a: "x"\n"b": ["{{ y }}", ""]\nc: \'it\'\'s\'\nd: \'c:\\new\'\ne: \'"\'\n'
    assert formatted(Source("", text)) == wanted
