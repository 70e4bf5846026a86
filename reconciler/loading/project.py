"""The project file, `reconciler.yaml`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Final

from reconciler.loading.text.files import PROJECT_FILE, Folder
from reconciler.loading.text.sources import MAX_PER_FILE, Findings, clipped, did_you_mean
from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.errors import InvalidManifests
from reconciler.model.lint import Lint
from reconciler.model.manifest import Project, ProviderSettings, Safety
from reconciler.model.values import NAME, Path, path_text

if TYPE_CHECKING:
    from reconciler.loading.shapes import ProjectShape
    from reconciler.loading.text.marked import Document

_USUAL: Final = "manifests"
"""The usual name of a manifests folder."""


def read_project(folder: FilePath) -> Project:
    """Read the project file of a manifests folder and nothing else.

    Raises InvalidManifests with every diagnostic when the folder or the file is missing or wrong.
    """
    findings = Findings()
    opened = Folder(folder, findings)
    file = project_file(opened) if opened.exists() else None
    if file is None or findings.errors:
        raise InvalidManifests(findings.sorted())
    return file.project


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """The project file: what it says, the names of the environment variables it lists, and its document."""

    project: Project
    variables: tuple[str, ...]
    document: Document


def project_file(folder: Folder, providers: Collection[str] = (), rules: Collection[str] = ()) -> ProjectFile | None:
    """Read the project file; says what is wrong with it, and returns None when it does not have its shape.

    `providers` are the names that settings may be for, `rules` the ids of all lint rules; none given means that
    nobody knows.
    """
    if not folder.has(PROJECT_FILE):
        hint = "it starts with `apiVersion: reconciler/v1` and `kind: Project`"
        if folder.has("reconciler.yml"):
            hint = f"rename reconciler.yml to {PROJECT_FILE}"
        elif folder.has(f"{_USUAL}/{PROJECT_FILE}"):
            hint = f"use --dir {folder.show(_USUAL)}"
        folder.findings.add(
            "project-missing",
            f"the manifests folder {folder.shown} has no project file {PROJECT_FILE}",
            hint=hint,
        )
        return None
    from reconciler.loading.shapes import ProjectShape
    from reconciler.loading.single import note, read_single

    shape, document = read_single(folder, PROJECT_FILE, ProjectShape)
    if shape is None or document is None:
        return None
    note(folder.findings, document, islice(_violations(shape, providers, rules), MAX_PER_FILE))
    return ProjectFile(_project(shape), tuple(shape.spec.variables), document)


def _violations(shape: ProjectShape, providers: Collection[str], rules: Collection[str]) -> Iterator[Violation]:
    from reconciler.loading.environment.variables import check_variables

    wrong_name = check_name(shape.metadata.name)
    if wrong_name is not None:
        yield wrong_name
    yield from _unknown(("spec", "providers"), shape.spec.providers, providers, "provider")
    yield from _unknown(("spec", "lint", "rules"), shape.spec.lint.rules, rules, "lint rule")
    yield from check_variables(shape.spec.variables, ("spec", "variables"))
    yield from _check_labels(shape.spec.lint.required_labels)


def _unknown(path: Path, names: Iterable[str], known: Collection[str], what: str) -> Iterator[Violation]:
    """Yield the keys at `path` that nothing is known of; none known means that nobody knows."""
    for name in names if known else ():
        if name not in known:
            message = f"{path_text((*path, name))} is not a {what}"
            yield Violation((*path, name), "unknown-field", message, did_you_mean(name, known))


def _check_labels(labels: Sequence[str]) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, label in enumerate(labels):
        path = ("spec", "lint", "requiredLabels", index)
        if not label.strip():
            yield Violation(path, "wrong-value", f"{path_text(path)} is blank", "name a label, or remove it")
        elif label in seen:
            yield Violation(path, "repeated", f"the label {clipped(label)} is listed twice", "remove one of them")
        seen.add(label)


def check_name(name: str) -> Violation | None:
    """Say what is wrong with a `metadata.name`; None when nothing is."""
    if NAME.fullmatch(name):
        return None
    return Violation(
        ("metadata", "name"),
        "wrong-name",
        f"metadata.name {name[:140]!r} is not a name" if name else "metadata.name is empty",
        "use up to 128 of a-z, 0-9, `.`, `_` and `-`, with a letter or digit first and last",
    )


def _project(shape: ProjectShape) -> Project:
    spec = shape.spec
    return Project(
        name=shape.metadata.name,
        state=spec.state,
        providers={
            name: ProviderSettings(str(settings.organization), settings.endpoint, settings.quota or 0)
            for name, settings in spec.providers.items()
        },
        safety=Safety(spec.safety.max_deletes, spec.safety.max_delete_share),
        lint=Lint(
            {rule: None if word == "off" else Severity(word) for rule, word in spec.lint.rules.items()},
            tuple(dict.fromkeys(label for label in spec.lint.required_labels if label.strip())),
        ),
    )
