"""A document with the defaults of its kind beneath it: one manifest, many places.

Nearest wins, whole: each field of `spec`, each label and each rule of `lifecycle` is taken from the
manifest, else from the nearest defaults that have it.  Nothing inside a field is merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from reconciler.loading.entries import weight
from reconciler.loading.text.marked import Document
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSONObject, Path, lookup

MAX_INHERITED: Final = 500_000
"""Values that big defaults may add to all manifests together."""

_MERGED: Final[tuple[Path, ...]] = (("spec",), ("metadata", "labels"), ("lifecycle",))
"""The mappings whose keys can have defaults."""
_SMALL: Final = 100
"""Values in defaults that are not big."""


class Layer(Protocol):
    """Defaults of one kind in one file: their data, the document they stand in, the path that leads to them."""

    @property
    def document(self) -> Document: ...

    @property
    def path(self) -> Path: ...

    @property
    def data(self) -> JSONObject: ...


@dataclass(frozen=True, slots=True)
class Layered:
    """The data of a document once defaults are merged, and where each of its values stands.

    `inherited` maps the paths of values that are defaults to their document and the path there.
    """

    document: Document
    data: JSONObject
    inherited: Mapping[Path, tuple[Document, Path]] = field(default_factory=dict)

    def locate(self, path: Path) -> tuple[Document, Path]:
        """Return the document that holds the value at `path`, and the way to it there."""
        for length in (2, 3):
            if len(path) >= length and path[:length] in self.inherited:
                document, way = self.inherited[path[:length]]
                return document, way + path[length:]
        return self.document, path


class Inherited:
    """How much defaults add to manifests: a big one, repeated in many, makes much of little text."""

    def __init__(self) -> None:
        self._weights: dict[tuple[int, Path], int] = {}
        self._added = 0

    def weight(self, layered: Layered) -> int:
        """Return how many values of a manifest are defaults."""
        return sum(self._weight(*held) for held in layered.inherited.values())

    def add(self, layered: Layered, times: int = 1) -> list[Violation]:
        """Count a manifest, so many times; return what is wrong when it is too much."""
        weight = self.weight(layered)
        self._added += weight * times if weight > _SMALL else 0
        if self._added <= MAX_INHERITED:
            return []
        path = max(layered.inherited, key=lambda path: self._weight(*layered.inherited[path]))
        message = f"defaults make too much: more than {MAX_INHERITED:,} values in all manifests together"
        return [Violation(path, "defaults-size", message, "write what is big into the few manifests that need it")]

    def _weight(self, document: Document, way: Path) -> int:
        key = (id(document), way)
        if key not in self._weights:
            self._weights[key] = weight(lookup(document.data, way))
        return self._weights[key]


def merged(document: Document, layers: Iterable[Layer]) -> Layered:
    """Lay defaults, nearest first, beneath a document that is a mapping.  Its own data stay as they are."""
    data: JSONObject = dict(document.data)
    inherited: dict[Path, tuple[Document, Path]] = {}
    for layer in layers:
        for way in _MERGED:
            _merge(data, layer, way, inherited)
    return Layered(document, data, inherited)


def _merge(data: JSONObject, layer: Layer, way: Path, inherited: dict[Path, tuple[Document, Path]]) -> None:
    """Merge the keys of one mapping; what is no mapping in the manifest is left for others to complain about."""
    defaults: object = layer.data
    holder, key = data, str(way[-1])
    for step in way:
        defaults = defaults.get(step) if isinstance(defaults, dict) else None
    if len(way) > 1:
        outer = data.get(str(way[0]))
        if not isinstance(outer, dict):
            return
        holder = data[str(way[0])] = dict(outer)
    own = holder.get(key, {} if way != ("spec",) else None)
    if not isinstance(defaults, dict) or not isinstance(own, dict):
        return
    missing = {name: value for name, value in defaults.items() if name not in own}
    if missing:
        holder[key] = {**own, **missing}
        inherited |= {(*way, name): (layer.document, (*layer.path, *way, name)) for name in missing}
