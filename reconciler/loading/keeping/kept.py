"""What was loaded, as JSON and back: equal values, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.lint import Lint
from reconciler.model.manifest import Desired, Lifecycle, Manifest, OnRemove, Project, ProviderSettings, Safety
from reconciler.model.naming import Place
from reconciler.model.values import JSON, Address, Path, Reference, Span


def write_diagnostic(found: Diagnostic) -> JSON:
    """Return a diagnostic as JSON."""
    address = None if found.address is None else str(found.address)
    span = None if found.span is None else _span(found.span)
    return [found.severity.value, found.code, found.message, span, address, found.hint, found.source]


def read_diagnostic(value: JSON) -> Diagnostic:
    """Return the diagnostic that `write_diagnostic` wrote."""
    severity, code, message, span, address, hint, source = value
    place = None if span is None else Span(*span)
    owner = None if address is None else Address(*address.split("/"))
    return Diagnostic(Severity(severity), code, message, place, owner, hint, source)


def write_desired(desired: Desired) -> JSON:
    """Return everything that is desired but its warnings, as JSON; raises ValueError where that would change it."""
    return [_project(desired.project), [_manifest(each) for each in desired.manifests]]


def read_desired(value: JSON, environment: str, tree: str, diagnostics: tuple[Diagnostic, ...]) -> Desired:
    """Return what `write_desired` wrote."""
    project, manifests = value
    warnings = tuple(found for found in diagnostics if found.severity is Severity.WARNING)
    return Desired(_read_project(project), environment, tuple(map(_read_manifest, manifests)), tree, warnings)


_HOLDERS: Final = (dict, list)


def _span(span: Span) -> JSON:
    return [span.file, span.line, span.column, span.end_line, span.end_column]


def _manifest(manifest: Manifest) -> JSON:
    _check_keys(manifest.spec)
    lifecycle = manifest.lifecycle
    return [
        str(manifest.address),
        manifest.api_version,
        manifest.spec,
        _span(manifest.origin),
        dict(manifest.labels),
        [lifecycle.protect, lifecycle.on_remove.value],
        [[each.path, str(each.target)] for each in manifest.references],
        manifest.entry,
        [[path, _span(span)] for path, span in manifest.inherited.items()],
        [[path, _span(place.span), place.source] for path, place in manifest.places.items()],
        dict(manifest.ignored),
    ]


def _read_manifest(value: JSON) -> Manifest:
    address, version, spec, origin, labels, (protect, on_remove), references, entry, inherited, *rest = value
    places, ignored = rest
    return Manifest(
        Address(*address.split("/")),
        version,
        spec,
        Span(*origin),
        labels,
        Lifecycle(protect, OnRemove(on_remove)),
        tuple(Reference(tuple(path), Address(*target.split("/"))) for path, target in references),
        entry,
        {_path(path): Span(*span) for path, span in inherited},
        {_path(path): Place(Span(*span), source) for path, span, source in places},
        ignored,
    )


def _path(value: list[Any]) -> Path:
    return tuple(value)


def _check_keys(value: Any) -> None:
    """Raise ValueError for keys that are not text, which JSON would make text."""
    if isinstance(value, dict):
        try:
            "".join(value)
        except TypeError as error:
            raise ValueError("a key is not text") from error
        value = value.values()
    elif not isinstance(value, list):
        return
    for item in value:
        if item.__class__ in _HOLDERS:
            _check_keys(item)


def _project(project: Project) -> JSON:
    lint = project.lint
    return [
        project.name,
        project.state,
        {name: [each.organization, each.endpoint, each.quota] for name, each in project.providers.items()},
        [project.safety.max_deletes, project.safety.max_delete_share],
        {rule: None if severity is None else severity.value for rule, severity in lint.severities.items()},
        lint.required_labels,
    ]


def _read_project(value: JSON) -> Project:
    name, state, providers, safety, severities, labels = value
    known: Mapping[str, Severity | None] = {
        rule: None if word is None else Severity(word) for rule, word in severities.items()
    }
    settings = {name: ProviderSettings(*each) for name, each in providers.items()}
    return Project(name, state, settings, Safety(*safety), Lint(known, tuple(labels)))
