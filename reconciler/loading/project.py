"""The project file, `reconciler.yaml`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.loading.text.files import PROJECT_FILE, Folder
from reconciler.loading.text.sources import Findings, did_you_mean
from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.errors import InvalidManifests
from reconciler.model.lint import Lint
from reconciler.model.manifest import Project, ProviderSettings, Safety
from reconciler.model.values import NAME

if TYPE_CHECKING:
    from reconciler.loading.shapes import ProjectShape


def read_project(folder: Path) -> Project:
    """Read the project file of a manifests folder and nothing else.

    Raises InvalidManifests with every diagnostic when the folder or the file is missing or wrong.
    """
    findings = Findings()
    opened = Folder(folder, findings)
    project = project_of(opened) if opened.exists() else None
    if project is None or findings.errors:
        raise InvalidManifests(findings.sorted())
    return project


def project_of(folder: Folder, providers: Collection[str] = ()) -> Project | None:
    """Read the project file; None, with diagnostics, when it is wrong.

    `providers` are the names that settings may be for; none given means that nobody knows.
    """
    if not folder.has(PROJECT_FILE):
        near = "; rename reconciler.yml to it" if folder.has("reconciler.yml") else ""
        folder.findings.add(
            "project-missing",
            f"the manifests folder {folder.shown} has no project file {PROJECT_FILE}",
            hint=f"it starts with `apiVersion: reconciler/v1` and `kind: Project`{near}",
        )
        return None
    from reconciler.loading.shapes import ProjectShape
    from reconciler.loading.single import note, read_single

    shape, document = read_single(folder, PROJECT_FILE, ProjectShape)
    if shape is None or document is None:
        return None
    violations = list(_violations(shape, providers))
    note(folder.findings, document, violations)
    return None if violations else _project(shape)


def _violations(shape: ProjectShape, providers: Collection[str]) -> list[Violation]:
    found = [check_name(shape.metadata.name)]
    for name in shape.spec.providers:
        if providers and name not in providers:
            path = ("spec", "providers", name)
            message = f"spec.providers.{name} is not a provider"
            found.append(Violation(path, "unknown-field", message, did_you_mean(name, providers)))
    return [violation for violation in found if violation is not None]


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
            tuple(spec.lint.required_labels),
        ),
    )
