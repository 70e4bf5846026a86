"""Corpora: files of cases, each a text and what is said about it.

A case begins with `### name`; behind the mark stands what is expected.
`UPDATE_GOLDEN=1 pytest tests/loading` writes the expectations anew; review the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

MARK = "--- expected ---\n"


def read_cases(file: Path) -> dict[str, tuple[str, str]]:
    """The cases of a file by name: text and expectation."""
    cases: dict[str, tuple[str, str]] = {}
    for case in file.read_text(encoding="utf-8").split("### ")[1:]:
        name, _, body = case.partition("\n")
        text, mark, expected = body.partition(MARK)
        assert mark, f"{file.name}: {name} expects nothing"
        assert name not in cases, f"{file.name}: {name} stands there twice"
        cases[name] = (text, expected)
    return cases


def read_corpus(folder: Path) -> dict[str, tuple[str, str]]:
    """The cases of all files of a folder, by `<file>: <name>`."""
    files = sorted(folder.glob("*.txt"))
    assert files, f"{folder} has no cases"
    return {f"{file.stem}: {name}": case for file in files for name, case in read_cases(file).items()}


def compare(folder: Path, name: str, said: str) -> None:
    """Hold what is said about a case against what is expected, or write it down as that."""
    stem, _, case = name.partition(": ")
    file = folder / f"{stem}.txt"
    cases = read_cases(file)
    text, expected = cases[case]
    if "UPDATE_GOLDEN" not in os.environ:
        assert said == expected
        return
    cases[case] = (text, said)
    file.write_text("".join(f"### {each}\n{body}{MARK}{told}" for each, (body, told) in cases.items()), "utf-8")
