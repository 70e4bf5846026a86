"""A state that may only be read: what reads works, and what would write is refused before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import Program, Ran

# what may not be written by its mode can be written by root all the same, unless root gives that up
ALLOWED = "-dac_override,-dac_read_search"
GIVEN_UP = ["setpriv", "--bounding-set", ALLOWED, "--inh-caps", ALLOWED] if os.getuid() == 0 else []
STATE = ("--sandbox", "--state", "sqlite:kept/state.db")
MANIFEST = """\
apiVersion: blue/v1
kind: Report
metadata: {{name: sales}}
spec: {{title: {title}, dataSources: [{{filters: {{done: false}}}}]}}
"""


@dataclass(frozen=True)
class Reader(Program):
    """The program of somebody whom the modes of files stop."""

    def command(self, *arguments: str) -> list[str]:
        return [*GIVEN_UP, *super().command(*arguments)]


def read_only(folder: Path, *, folder_too: bool) -> None:
    for file in folder.iterdir():
        file.chmod(0o444)
    if folder_too:
        folder.chmod(0o555)


@pytest.fixture
def kept(program: Program) -> Iterator[Path]:
    """The folder of a log that was written once."""
    folder = program.folder / "kept"
    folder.mkdir()
    program.write("manifests/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n")
    program.write("manifests/sales.yaml", MANIFEST.format(title="Sales"))
    assert program("apply", "--yes", *STATE).code == 0
    yield folder
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def refused(ran: Ran) -> None:
    assert ran.code == 5, ran
    assert "kept/state.db or its folder may not be written" in ran.err
    assert "hint: Allow this user to write to both" in ran.err


@pytest.mark.parametrize("folder_too", [False, True], ids=["file", "folder"])
def test_a_state_that_may_only_be_read(program: Program, kept: Path, folder_too: bool) -> None:
    before = (kept / "state.db").read_bytes()
    read_only(kept, folder_too=folder_too)
    reader = Reader(program.folder)
    for command in (("plan", "--detailed-exitcode"), ("apply", "--yes"), ("history",), ("state", "verify")):
        assert reader(*command, *STATE).code == 0, command
    assert reader("state", "list", "--format", "json", *STATE).json["resources"][0]["address"] == "blue/report/sales"
    program.write("manifests/sales.yaml", MANIFEST.format(title="Sales of today"))
    refused(reader("apply", "--yes", *STATE))
    refused(reader("state", "rm", "blue/report/sales", *STATE))
    refused(reader("state", "archive", "archive.jsonl", *STATE))
    assert (kept / "state.db").read_bytes() == before
    assert not list((program.folder / ".reconciler").glob("rescue-*"))

    kept.chmod(0o755)
    for file in kept.iterdir():
        file.chmod(0o644)
    drift = program("plan", "--refresh", "--format", "json", *STATE).json
    assert [(step["action"], len(step["changes"])) for step in drift["steps"]] == [("update", 1)]
    assert program("apply", "--yes", *STATE).code == 0
    assert program("plan", "--refresh", "--detailed-exitcode", *STATE).code == 0
