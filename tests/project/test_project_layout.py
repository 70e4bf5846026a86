"""The promises that the layout makes: rooms, charters, budgets, what may be committed."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "reconciler"
ROOMS = sorted(path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")
FILES = sorted(PACKAGE.rglob("*.py"))
_EXEMPTION = re.compile(
    r"#\s*(?:noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|type: ignore\[[a-z-, ]+\]|pragma: no (?:cover|branch))(?P<reason>.*)"
)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_opens_with_its_charter(room: Path) -> None:
    charter = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    assert charter is not None
    assert len(charter.splitlines()) <= 12


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_files_and_functions_stay_within_their_budgets(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, f"{node.name} is too long"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_every_exemption_has_a_reason_beside_it(file: Path) -> None:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        for mark in _EXEMPTION.finditer(line):
            assert len(re.findall(r"\w+", mark["reason"])) >= 2, f"line {number}: say why"


def test_exemptions_stay_few() -> None:
    marks = sum(
        len(re.findall(r"# (?:noqa|type: ignore|pragma: no)", file.read_text(encoding="utf-8"))) for file in FILES
    )
    assert marks <= 40


def test_the_top_level_holds_only_what_it_may() -> None:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "reconciler",
        "manifests",
        "tests",
    }


def test_pins_are_names_versions_and_hashes() -> None:
    for file in (ROOT / ".ci/constraints/sandbox.txt", ROOT / ".ci/constraints/dev.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(
                r"[A-Za-z0-9_.-]+==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|(?:#.*)?", line
            ), line
