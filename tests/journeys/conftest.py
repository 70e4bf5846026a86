"""Projects to run the program in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Program

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program in an empty directory."""
    return Program(tmp_path)


@pytest.fixture
def company(program: Program) -> Program:
    """The program beside a copy of the manifests of this repository."""
    shutil.copytree(MANIFESTS, program.folder / "manifests")
    return program


@pytest.fixture
def project(program: Program) -> Callable[[str], Program]:
    """A project of one manifest file with the given text."""

    def make(text: str) -> Program:
        program.write("manifests/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n")
        program.write("manifests/all.yaml", text)
        return program

    return make
