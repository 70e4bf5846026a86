"""From a folder to what it declares: everything is read, and everything wrong is said at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from reconciler.loading.keeping.cache import Cache, Kept, Settings
from reconciler.loading.project import project_file
from reconciler.loading.text.files import Folder
from reconciler.loading.text.sources import Findings
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.lint import Lint
from reconciler.model.manifest import Desired

if TYPE_CHECKING:
    from reconciler.loading.linting.schedules import Calendar
    from reconciler.loading.manifests import Declared, Reader
    from reconciler.loading.project import ProjectFile
    from reconciler.model.ports import Kind

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Loaded:
    """What a folder declares, and everything that is wrong with it, sorted.

    `valid` says that there is no error; `resources` counts what could be named even when there is.
    """

    __slots__ = ("_desired", "diagnostics", "resources", "valid")

    def __init__(
        self,
        desired: Desired | Callable[[], Desired | None] | None,
        diagnostics: tuple[Diagnostic, ...],
        resources: int,
    ) -> None:
        self._desired = desired
        self.diagnostics = diagnostics
        self.resources = resources
        self.valid = desired is not None

    @property
    def desired(self) -> Desired | None:
        """The manifests, None when there is any error; from a cache they are read when first asked for."""
        if callable(self._desired):
            self._desired = self._desired()
        return self._desired

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Loaded):
            return NotImplemented
        return (self.diagnostics, self.resources, self.desired) == (other.diagnostics, other.resources, other.desired)

    def __hash__(self) -> int:
        return hash((self.diagnostics, self.resources))


def load(
    folder: Path,
    environment: str,
    kinds: Sequence[Kind],
    *,
    overrides: Mapping[str, str] = _NONE,
    organizations: Mapping[str, str] = _NONE,
    variables: Mapping[str, str] = _NONE,
    calendar: Calendar | None = None,
    cache: Path | None = None,
) -> Loaded:
    """Read a manifests folder for one environment.

    `overrides` maps dotted keys of the environment's values to YAML scalars; `organizations` maps
    providers to the organization that wins over the project file (empty: not given); `variables` is the
    process environment, of which templates see what the project file lists.  `calendar` tells when schedules
    fire, None means that nobody looks at them together.  `cache` is a folder for what may
    be kept for the next time, None for none; with it the result is the same.  Reads files below `folder` only
    and has no other effects.  Never raises for what a folder can contain.
    """
    given = Settings(environment, kinds, overrides, organizations, variables, calendar)
    with _no_collector():
        opened = Folder(folder, Findings())
        if not opened.exists():
            return Loaded(None, opened.findings.sorted(), 0)
        kept = None if cache is None else Cache(cache, opened, given)
        found = None if kept is None else kept.find()
        return _loaded(opened, given, kept) if found is None else _recalled(found, folder, given)


def _recalled(kept: Kept, folder: Path, given: Settings) -> Loaded:
    def desired() -> Desired | None:
        with _no_collector():
            return kept.desired() or _loaded(Folder(folder, Findings()), given, None).desired

    return Loaded(desired, kept.diagnostics, kept.resources)


def _loaded(folder: Folder, given: Settings, cache: Cache | None) -> Loaded:
    from reconciler.loading.linting.rules import registry

    file = project_file(folder, {kind.provider for kind in given.kinds}, registry(given.kinds))
    declared = _declared(folder, given, file)
    diagnostics = folder.findings.sorted()
    if file is None or folder.findings.errors:
        return Loaded(None, diagnostics, len(declared))
    manifests = sorted((each.manifest for each in declared), key=lambda manifest: manifest.address)
    warnings = tuple(found for found in diagnostics if found.severity is Severity.WARNING)
    desired = Desired(file.project, given.environment, tuple(manifests), folder.tree(), warnings)
    if cache is not None:
        cache.keep(desired, diagnostics, len(declared), file.variables)
    return Loaded(desired, diagnostics, len(declared))


def _declared(folder: Folder, given: Settings, file: ProjectFile | None) -> list[Declared]:
    from reconciler.loading.defaults import defaults_of
    from reconciler.loading.environment.files import read_environment
    from reconciler.loading.environment.values import values_of
    from reconciler.loading.environment.variables import variables_of
    from reconciler.loading.kinds import Kinds
    from reconciler.loading.links import Links
    from reconciler.loading.linting.rules import Linter
    from reconciler.loading.linting.together import Together
    from reconciler.loading.manifests import Reader

    findings = folder.findings
    project = None if file is None else file.project
    document = None if file is None else file.document
    linter = Linter(given.kinds, Lint() if project is None else project.lint, findings)
    layers = read_environment(folder, given.environment)
    values = values_of(layers, given.overrides, document, findings, linter.severity("override-unknown"))
    defaults = defaults_of((*layers.documents, *([document] if document else ())), given.kinds, findings)
    context = None
    if values is not None:
        listed = variables_of(() if file is None else file.variables, given.environ)
        name = "" if project is None else project.name
        context = {"values": values.data, "variables": listed, "env": given.environment, "project": name}
    reader = Reader(Kinds(given.kinds), findings, context, defaults, linter)
    declared = _read(folder, reader)
    origin = values.origin if values is not None else lambda _: None
    links = Links(declared, findings, lambda document: reader.prepare(document)[1], origin)
    links.addresses()
    if not reader.skipped:
        links.references()
    links.organizations(given.organizations, project)
    quotas = {} if project is None else {name: each.quota for name, each in project.providers.items()}
    Together(declared, linter, links.note).check(quotas, given.calendar)
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
