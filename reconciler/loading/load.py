"""From a folder to what it declares: everything is read, and everything wrong is said at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from reconciler.loading.project import project_of
from reconciler.loading.text.files import Folder
from reconciler.loading.text.sources import Findings
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.lint import Lint
from reconciler.model.manifest import Desired, Project

if TYPE_CHECKING:
    from reconciler.loading.manifests import Declared, Reader
    from reconciler.model.ports import Kind

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder declares, and everything that is wrong with it, sorted.

    `desired` is None when there is any error; `resources` counts what could be named even then.
    """

    desired: Desired | None
    diagnostics: tuple[Diagnostic, ...]
    resources: int


def load(
    folder: Path,
    environment: str,
    kinds: Sequence[Kind],
    *,
    overrides: Mapping[str, str] = _NONE,
    organizations: Mapping[str, str] = _NONE,
    variables: Mapping[str, str] = _NONE,
) -> Loaded:
    """Read a manifests folder for one environment.

    `overrides` maps dotted keys of the environment's values to YAML scalars; `organizations` maps
    providers to the organization that wins over the project file (empty: not given); `variables` is the
    process environment, of which templates see what the project file lists.  Reads files below `folder` only
    and has no other effects.  Never raises for what a folder can contain.
    """
    with _no_collector():
        findings = Findings()
        opened = Folder(folder, findings)
        if not opened.exists():
            return Loaded(None, findings.sorted(), 0)
        project = project_of(opened, {kind.provider for kind in kinds})
        declared = _declared(opened, environment, kinds, project, overrides=overrides, organizations=organizations)
        diagnostics = findings.sorted()
        if project is None or findings.errors:
            return Loaded(None, diagnostics, len(declared))
        manifests = sorted((each.manifest for each in declared), key=lambda manifest: manifest.address)
        warnings = tuple(found for found in diagnostics if found.severity is Severity.WARNING)
        desired = Desired(project, environment, tuple(manifests), opened.tree(), warnings)
        return Loaded(desired, diagnostics, len(declared))


def _declared(
    folder: Folder,
    environment: str,
    kinds: Sequence[Kind],
    project: Project | None,
    *,
    overrides: Mapping[str, str],
    organizations: Mapping[str, str],
) -> list[Declared]:
    from reconciler.loading.defaults import Defaults
    from reconciler.loading.environments import read_values
    from reconciler.loading.kinds import Kinds
    from reconciler.loading.links import Links
    from reconciler.loading.lint import Linter
    from reconciler.loading.manifests import Reader

    findings = folder.findings
    values = read_values(folder, environment, overrides)
    name = "" if project is None else project.name
    context = None if values is None else {"values": values, "env": environment, "project": name}
    linter = Linter(kinds, Lint() if project is None else project.lint, findings)
    reader = Reader(Kinds(kinds), findings, context, Defaults(), linter)
    declared = _read(folder, reader)
    links = Links(declared, findings, lambda document: reader.prepare(document)[1])
    links.addresses()
    if not reader.skipped:
        links.references()
    links.organizations(organizations, project)
    return declared


def _read(folder: Folder, reader: Reader) -> list[Declared]:
    """Read every manifest file; declaring nothing at all is an error."""
    findings = folder.findings
    names = folder.manifest_names()
    declared: list[Declared] = []
    for name in names:
        source = folder.read(name)
        if source is not None:
            declared.extend(reader.read(source))
    if not names:
        findings.add(
            "no-manifests",
            f"the manifests folder {folder.shown} has no manifest files",
            hint="a manifest is a *.yaml or *.yml file; an empty folder never means to delete everything",
        )
    elif not declared and not findings.errors:
        findings.add(
            "no-manifests",
            f"the {len(names)} manifest files in {folder.shown} declare nothing",
            hint="no resources never means to delete everything",
        )
    return declared


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the garbage collector off: it would walk over every new object again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
