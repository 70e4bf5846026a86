"""What only all manifests together can get wrong: addresses, references, organizations."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from reconciler.loading.layers import Layered
from reconciler.loading.manifests import Declared
from reconciler.loading.single import note
from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import Findings, Source, did_you_mean
from reconciler.model.diagnostic import Violation
from reconciler.model.manifest import Project
from reconciler.model.values import JSON, Address, JSONObject, Path, Reference

_VALUES: Final = re.compile(r"\s*\{\{\s*values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)\s*\}\}\s*")
"""A forEach that takes its entries from the environment as they stand there."""

_REMEDIES: Final = {
    (True, True): "remove one of the entries",
    (True, False): "use each.key in metadata.name",
    (False, True): "rename one of them",
    (False, False): "rename one of them",
}
"""What to do about an address that is declared twice: in one document or not, for entries of the same key or not."""

_HINTS: Final = 20
_SHOWN: Final = 10


class _Places:
    """Documents read again, for a place that turned out to be needed; one file is kept."""

    def __init__(self, prepare: Callable[[Document], Layered]) -> None:
        self._prepare = prepare
        self._source: Source | None = None
        self._documents: dict[int, Document] = {}
        self._unread: Iterator[Document] = iter(())
        self._prepared: dict[int, Layered] = {}

    def layered(self, declared: Declared) -> Layered:
        """Return the document a resource was declared in, with its defaults."""
        if declared.source is not self._source:
            self._source, self._prepared = declared.source, {}
            self._documents, self._unread = {}, documents(declared.source)
        while declared.index not in self._documents:
            document = next(self._unread)
            self._documents[document.index] = document
        found = self._prepared.get(declared.index)
        if found is None:
            found = self._prepared[declared.index] = self._prepare(self._documents[declared.index])
        return found


class Links:
    """Checks of all declared resources; every method notes what is wrong and changes nothing else.

    `prepare` makes of a document that was read again what it was when its resources were declared; `origin`
    tells where in which file a value of the environment stands, None when it stands in none.
    """

    def __init__(
        self,
        declared: Sequence[Declared],
        findings: Findings,
        prepare: Callable[[Document], Layered],
        origin: Callable[[Path], tuple[Document, Path] | None],
    ) -> None:
        self._declared = declared
        self._findings = findings
        self._places = _Places(prepare)
        self._origin = origin

    def note(self, declared: Declared, path: Path, violation: Violation) -> None:
        """Note what is wrong with a resource, at the place that `path` leads to from its document."""
        if self._findings.full(declared.source):
            return  # there are errors enough, and reading the file again for one more place takes time
        note(self._findings, self._places.layered(declared), [replace(violation, path=path)], declared.manifest.address)

    def addresses(self) -> None:
        """Every address is declared once."""
        groups: defaultdict[Address, list[Declared]] = defaultdict(list)
        for each in self._declared:
            groups[each.manifest.address].append(each)
        for address, group in groups.items():
            for position, each in enumerate(group if len(group) > 1 else ()):
                other = group[1] if position == 0 else group[0]
                same = each.source is other.source and each.index == other.index
                hint = _REMEDIES[same, each.manifest.entry == other.manifest.entry]
                violation = Violation((), "duplicate-address", _twice(address, each, other, same), hint)
                if not (same and self._note_entry(each, violation)):
                    self.note(each, each.entry_path if same else ("metadata", "name"), violation)

    def _note_entry(self, declared: Declared, violation: Violation) -> bool:
        """Note what is wrong with an entry of a forEach where the environment gives it; False when it does not."""
        if self._findings.full(declared.source):
            return True
        entries = self._places.layered(declared).document.data["forEach"]
        values = _VALUES.fullmatch(entries) if isinstance(entries, str) else None
        found = None if values is None else self._origin((*values[1].split(".")[1:], *declared.entry_path[1:]))
        if found is None:
            return False
        document, path = found
        note(self._findings, document, [replace(violation, path=path)], declared.manifest.address)
        return True

    def references(self) -> None:
        """Every reference leads to a declared resource, and none back to where it came from."""
        targets = {each.manifest.address for each in self._declared}
        hints = 0
        edges: dict[Address, tuple[Declared, list[Reference]]] = {}
        for each in self._declared:
            known = []
            for reference in each.manifest.references:
                if reference.target in targets:
                    known.append(reference)
                    continue
                hints += 1
                near = _near(reference.target, targets) if hints <= _HINTS else ""
                message = f"{reference.target} is not declared in this folder"
                self.note(each, _ref(reference), Violation((), "dangling-reference", message, near))
            if known:
                edges.setdefault(each.manifest.address, (each, known))
        for holder, reference, circle in _circles(edges):
            shown = [str(address) for address in circle]
            if len(shown) > _SHOWN:
                shown[_SHOWN // 2 : -_SHOWN // 2] = ["…"]
            message = f"references go in a circle: {' → '.join(shown)}"
            self.note(holder, _ref(reference), Violation((), "cyclic-reference", message, "remove one of them"))

    def organizations(self, given: Mapping[str, str], project: Project | None) -> None:
        """Manifests that name an organization name the one that is used."""
        settings = {} if project is None else project.providers
        expected = {name: (each.organization, "the project file") for name, each in settings.items()}
        expected |= {name: (each, "the environment variable") for name, each in given.items() if each}
        for each in self._declared:
            own = each.kind.organization(each.manifest.spec) if each.sound else ""
            if not own:
                continue
            organization, where = expected.get(each.kind.provider, ("", ""))
            if not organization:
                origin = each.manifest.origin
                expected[each.kind.provider] = (own, f"{origin.file}:{origin.line}")
            elif own != organization:
                message = f"the organization {own} is not {organization}, which {where} names"
                path = ("spec", *_path_of(each.manifest.spec, own))
                self.note(each, path, Violation((), "organization", message, "one run serves one organization"))


def _twice(address: Address, each: Declared, other: Declared, same: bool) -> str:
    if same:
        return f"forEach makes {address} more than once, for {each.manifest.entry} and {other.manifest.entry}"
    place = other.manifest.origin
    made = f" (forEach {each.manifest.entry})" if each.manifest.entry else ""
    return f"{address}{made} is declared again in {place.file}:{place.line}:{place.column}"


def _ref(reference: Reference) -> Path:
    return ("spec", *reference.path, "ref")


def _near(target: Address, targets: set[Address]) -> str:
    family = [str(each) for each in targets if (each.provider, each.kind) == (target.provider, target.kind)]
    return did_you_mean(str(target), sorted(family)) or "declare it, or remove the reference"


def _circles(
    edges: Mapping[Address, tuple[Declared, list[Reference]]],
) -> Iterator[tuple[Declared, Reference, list[Address]]]:
    """Yield each reference that closes a circle, with the circle, in the order of addresses."""
    done: set[Address] = set()
    for start in sorted(edges):
        trail: dict[Address, None] = {}
        pending: list[tuple[Address, Iterator[Reference]]] = []
        node: Address | None = start if start not in done else None
        while node is not None or pending:
            if node is not None:
                trail[node] = None
                pending.append((node, iter(edges[node][1] if node in edges else ())))
                node = None
            here, rest = pending[-1]
            reference = next(rest, None)
            if reference is None:
                done.add(here)
                pending.pop()
                del trail[here]
            elif reference.target in trail:
                circle = list(trail)
                yield edges[here][0], reference, [*circle[circle.index(reference.target) :], reference.target]
            elif reference.target not in done:
                node = reference.target


def _path_of(spec: JSONObject, organization: str) -> Path:
    """Find the field that names the organization; the spec itself when it is not a plain field."""
    pending: list[tuple[Path, JSON]] = [((), spec)]
    while pending:
        path, value = pending.pop(0)
        if path and "organization" in str(path[-1]).lower() and str(value) == organization:
            return path
        if isinstance(value, dict):
            pending.extend(((*path, key), item) for key, item in value.items())
    return ()
