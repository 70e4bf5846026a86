"""Defaults of the project file and of environments, by kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from reconciler.loading.shapes import LifecycleShape
from reconciler.loading.single import note
from reconciler.loading.templating.templates import has_template
from reconciler.loading.text.marked import Document
from reconciler.loading.text.sources import MAX_PER_FILE, Findings, clipped, did_you_mean
from reconciler.loading.wording import known_fields, validate
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSONObject, Path, lookup, path_text

if TYPE_CHECKING:
    from reconciler.model.ports import Kind

_PLACE: Path = ("spec", "defaults")


@dataclass(frozen=True, slots=True)
class Layer:
    """Defaults of one kind in one file: their data, the document they stand in, the path that leads to them."""

    document: Document
    path: Path
    data: JSONObject


@dataclass(frozen=True, slots=True)
class Defaults:
    """What manifests have unless they say otherwise, by provider and kind in lower case."""

    layers: Mapping[str, Sequence[Layer]] = field(default_factory=dict)

    def of(self, provider: str, kind: str) -> Sequence[Layer]:
        """Return the defaults of a kind (in lower case), nearest first."""
        return self.layers.get(f"{provider}/{kind}", ())


def defaults_of(documents: Sequence[Document], kinds: Sequence[Kind], findings: Findings) -> Defaults:
    """Return the defaults in documents that have the shape of an environment or project file, nearest first.

    Says what is wrong with them by themselves; the values of their fields are judged where a manifest takes them.
    """
    known = {f"{kind.provider}/{kind.kind.lower()}": kind for kind in kinds}
    layers: dict[str, list[Layer]] = {}
    for document in documents:
        for name, data in (lookup(document.data, _PLACE) or {}).items():
            if findings.full(document.source):
                break
            path = (*_PLACE, name)
            violations = list(islice(_violations(path, data, known), MAX_PER_FILE))
            note(findings, document, violations)
            wrong = {violation.path[len(path) :] for violation in violations}
            layers.setdefault(name, []).append(Layer(document, path, _without(data, wrong)))
    return Defaults(layers)


def defaulted(folder: FilePath, environment: str, kinds: Sequence[Kind]) -> dict[str, frozenset[str]]:
    """Return the fields of a spec that have defaults, by `<provider>/<kind>`; none where there is no sound project."""
    from reconciler.loading.environment.files import read_environment
    from reconciler.loading.project import project_file
    from reconciler.loading.text.files import Folder

    opened = Folder(folder, Findings())
    file = project_file(opened) if opened.exists() else None
    if file is None:
        return {}
    documents = (*read_environment(opened, environment).documents, file.document)
    layers = defaults_of(documents, kinds, opened.findings).layers
    return {
        name: frozenset(field for layer in each for field in layer.data.get("spec", {}))
        for name, each in layers.items()
    }


def _violations(path: Path, data: JSONObject, known: Mapping[str, Kind]) -> Iterator[Violation]:
    name = str(path[-1])
    kind = known.get(name)
    if kind is None:
        message = f"{path_text(path)}: there is no kind {clipped(name)}"
        yield Violation(path, "unknown-field", message, did_you_mean(name, known))
        return
    lifecycle = {key: rule for key, rule in data.get("lifecycle", {}).items() if not _is_template(rule)}
    yield from validate(LifecycleShape, lifecycle, (*path, "lifecycle"))[1]
    fields = known_fields(kind.model(), {}, ()) if "spec" in data else []
    for each in data.get("spec", {}):
        if each not in fields:
            message = f"{path_text((*path, 'spec', each))} is not a field of {kind.api_version} {kind.kind}"
            yield Violation((*path, "spec", each), "unknown-field", message, did_you_mean(each, fields))


def _without(data: JSONObject, wrong: Collection[Path]) -> JSONObject:
    """Return defaults without what has been complained about: manifests need not say it again."""
    if not wrong:
        return data
    return {
        part: {key: value for key, value in fields.items() if (part, key) not in wrong} for part, fields in data.items()
    }


def _is_template(value: object) -> bool:
    return isinstance(value, str) and has_template(value)
