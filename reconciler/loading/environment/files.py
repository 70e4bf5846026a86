"""The files of one environment: its own, and those of the environments it extends."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from reconciler.loading.project import check_name
from reconciler.loading.shapes import EnvironmentShape
from reconciler.loading.single import note, read_single
from reconciler.loading.text.files import ENVIRONMENTS, Folder
from reconciler.loading.text.marked import Document
from reconciler.loading.text.sources import clipped
from reconciler.model.diagnostic import Violation
from reconciler.model.values import NAME

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Environment:
    """The documents of an environment, nearest first, none of them wrong; `known` says that there are no others."""

    documents: tuple[Document, ...]
    known: bool


def read_environment(folder: Folder, environment: str) -> Environment:
    """Read an environment and those it extends; says what is wrong.  There need not be a default environment."""
    errors = folder.findings.errors
    found: list[Document] = []
    names: list[str] = []
    name: str | None = environment
    asked: Document | None = None
    while name is not None:
        if name in names:
            _refuse(folder, asked, f"environments extend in a circle: {' → '.join([*names, name])}", "break the circle")
            break
        names.append(name)
        file = f"{ENVIRONMENTS}/{name}.yaml"
        if not NAME.fullmatch(name) or not folder.has(file):
            if asked is not None or name != DEFAULT:
                _refuse(folder, asked, f"there is no environment {clipped(name)}", _existing(folder, name))
            break
        shape, asked = read_single(folder, file, EnvironmentShape)
        if shape is None or asked is None:
            break
        _check_name(folder, asked, shape.metadata.name, name)
        found.append(asked)
        name = shape.spec.extends
    return Environment(tuple(found), folder.findings.errors == errors)


def _refuse(folder: Folder, asked: Document | None, message: str, hint: str) -> None:
    """Note an error at the `extends` that asked, or nowhere when the command line did."""
    if asked is None:
        folder.findings.add("environment", message, hint=hint)
    else:
        note(folder.findings, asked, [Violation(("spec", "extends"), "environment", message, hint)])


def _check_name(folder: Folder, document: Document, name: str, expected: str) -> None:
    violation = check_name(name)
    if violation is None and name != expected:
        message = f"metadata.name is {name}, but the file is {expected}.yaml"
        violation = Violation(("metadata", "name"), "wrong-name", message, f"write {expected}, or rename the file")
    if violation is not None:
        note(folder.findings, document, [violation])


def _existing(folder: Folder, name: str) -> str:
    if NAME.fullmatch(name) and folder.has(f"{ENVIRONMENTS}/{name}.yml"):
        return f"rename {name}.yml to {name}.yaml"
    try:
        files = sorted(os.listdir(folder.path / ENVIRONMENTS))
    except OSError:
        files = []
    names = [file.removesuffix(".yaml") for file in files if file.endswith(".yaml") and file[0] != "."]
    return f"there are: {', '.join(names[:20])}" if names else f"there is no file in {folder.show(ENVIRONMENTS)}"
