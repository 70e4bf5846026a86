"""One document becomes declared resources: forEach, templates, the envelope, the kind's model and limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from reconciler.loading.defaults import Defaults
from reconciler.loading.entries import Entry, entries_of, weight
from reconciler.loading.kinds import Kinds
from reconciler.loading.layers import Inherited, Layered, merged
from reconciler.loading.linting.rules import Linter
from reconciler.loading.project import check_name
from reconciler.loading.shapes import Envelope
from reconciler.loading.single import note, note_problems
from reconciler.loading.templating.templates import Context, TemplateError, Templates, has_template
from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import MAX_PER_FILE, Findings, Source, clipped
from reconciler.loading.versions import convert
from reconciler.loading.wording import spoken, validate
from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.manifest import Lifecycle, Manifest, OnRemove
from reconciler.model.naming import Place
from reconciler.model.values import JSON, Address, JSONObject, Path, Reference, lookup

if TYPE_CHECKING:
    from reconciler.model.ports import Kind

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_NOT_TEMPLATED: Final = ("apiVersion", "kind", "forEach", "lint")


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource that has a name, and where it was declared.

    `sound` says that its spec is valid; `ignored` are the lint rules it opts out of, with reasons.  The key of the
    forEach entry it was made for is `manifest.entry`, `entry_path` leads to that.
    """

    manifest: Manifest
    kind: Kind
    source: Source
    index: int
    sound: bool
    entry_path: Path = ()
    ignored: Mapping[str, str] = field(default_factory=dict)


class Reader:
    """Reads manifest files; `context` is what templates see, None when nobody knows their values: then
    they are left alone.  `skipped` says that resources were left out, for that reason or because too much is wrong.
    """

    def __init__(
        self, kinds: Kinds, findings: Findings, context: Context | None, defaults: Defaults, linter: Linter
    ) -> None:
        self._kinds = kinds
        self._findings = findings
        self._context = context
        self._defaults = defaults
        self._linter = linter
        self._templates = Templates()
        self._inherited = Inherited()
        self._wrong = 0
        self.skipped = False

    def read(self, source: Source) -> Iterator[Declared]:
        """Yield the resources of a file; what is wrong goes to the findings."""
        any_templated = has_template(source.text)
        for document in documents(source):
            if self._findings.full(source):
                return
            templated = any_templated and has_template(document.text)
            note_problems(self._findings, document, one_of_many=True)
            if document.root is None:
                continue
            if not isinstance(document.data, dict):
                message = f"a manifest must be a mapping, is {spoken(document.data)}"
                note(self._findings, document, [Violation((), "wrong-type", message, "start with apiVersion:")])
            elif self._context is None and templated and any_template(document.data):
                self.skipped = True
            else:
                yield from self._resources(document, templated)

    def prepare(self, document: Document) -> tuple[Kind | None, Layered, list[Violation]]:
        """Return the kind of a document, the document as the current version of that kind with its defaults,
        and what is wrong or deprecated about that.  What is missing is left to the envelope."""
        version, name = document.data.get("apiVersion"), document.data.get("kind")
        if not isinstance(version, str) or not isinstance(name, str):
            return None, Layered(document, document.data), []
        kind, former = self._kinds.find(version, name)
        if kind is None:
            return None, Layered(document, document.data), [self._kinds.unknown(version, name, document.source.file)]
        found = [] if former is None else convert(document.data, document.root, former)
        if former is not None:
            message = f"{former.api_version} is a former version of {kind.api_version}"
            hint = "`reconciler fmt --upgrade` rewrites it"
            found.append(Violation(("apiVersion",), "deprecated-version", message, hint, Severity.WARNING))
        layers = self._defaults.of(kind.provider, kind.kind.lower())
        return kind, merged(document, layers) if layers else Layered(document, document.data), found

    def _resources(self, document: Document, templated: bool) -> Iterator[Declared]:
        kind, layered, found = self.prepare(document)
        ignored = self._ignored(document, found)
        note(self._findings, document, self._linter.judge(found, ignored))
        templated = templated or bool(layered.inherited)
        entries: Sequence[Entry | None] = (None,)
        if "forEach" in document.data:
            entries = self._entries(layered, templated)
        too_much = self._inherited.add(layered, len(entries)) if layered.inherited else []
        note(self._findings, layered, too_much)
        if too_much:
            self.skipped = True
            return
        self._wrong = 0
        for each in entries:
            if self._wrong == MAX_PER_FILE:  # most likely all are, in the same way
                self.skipped = True
                return
            yield from self._resource(layered, kind, templated, each, ignored)

    def _ignored(self, document: Document, found: list[Violation]) -> Mapping[str, str]:
        """The lint rules a document opts out of; what is wrong with that is added to `found`."""
        ignored = lookup(document.data, ("lint", "ignore")) if "lint" in document.data else None
        if not isinstance(ignored, dict):
            return _NOTHING
        found.extend(self._linter.ignores(ignored))
        return {rule: reason for rule, reason in ignored.items() if isinstance(reason, str)}

    def _entries(self, layered: Layered, templated: bool) -> list[Entry]:
        document = layered.document
        failed: list[Path] = []
        data = {"forEach": document.data["forEach"]}
        value = self._render(Layered(document, data), data, templated, None, failed)
        if failed:
            return []
        entries, wrong = entries_of(value["forEach"], document.nodes - weight(data["forEach"]))
        note(self._findings, document, wrong)
        return entries

    def _render(
        self, layered: Layered, data: JSONObject, templated: bool, each: Entry | None, failed: list[Path]
    ) -> JSONObject:
        """Return the data rendered; the paths of what fails are noted and added to `failed`."""
        if not templated or self._context is None:
            return data

        def fail(path: Path, error: TemplateError) -> None:
            failed.append(path)
            note(self._findings, layered, [Violation(path, error.code, error.message, error.hint)])

        context = self._context if each is None else {**self._context, "each": {"key": each.key, "value": each.value}}
        rendered: JSONObject = self._templates.render(data, context, fail)
        return rendered

    def _resource(
        self, layered: Layered, kind: Kind | None, templated: bool, each: Entry | None, ignored: Mapping[str, str]
    ) -> Iterator[Declared]:
        """Yield the one resource that a document makes for one entry, when it can be named."""
        failed: list[Path] = []
        document = layered.document
        kept = {key: value for key, value in layered.data.items() if key not in _NOT_TEMPLATED}
        data = self._render(layered, kept, templated, each, failed)
        data |= {key: document.data[key] for key in _NOT_TEMPLATED if key in document.data}
        envelope, violations = validate(Envelope, data)
        address = _address(kind, data) if ("metadata", "name") not in failed else None
        wrong_name = _wrong_name(data)
        if wrong_name is not None:
            violations.append(wrong_name)
        spec = data.get("spec")
        references: Sequence[Reference] = ()
        if kind is not None and isinstance(spec, dict):
            judged = self._kinds.judged(kind, spec, [path[1:] for path in failed if path[:1] == ("spec",)])
            violations.extend(judged.violations)
            references = judged.references
        if violations:
            known = [found for found in violations if not _follows(found, failed) and document.knows(found.path)]
            violations = self._linter.judge(known, ignored)
            note(self._findings, layered, [_advised(layered.data, found) for found in violations], address)
        wrong = bool(failed or document.problems) or any(found.severity is Severity.ERROR for found in violations)
        self._wrong += wrong
        if address is None or kind is None:
            return
        sound = isinstance(envelope, Envelope) and not wrong
        manifest = _manifest(kind, address, layered, envelope, references, each, sound=sound)
        if ignored:
            manifest = replace(manifest, ignored=ignored)
        entry_path: Path = () if each is None else ("forEach", each.step)
        yield Declared(manifest, kind, document.source, document.index, sound, entry_path, ignored)


def _address(kind: Kind | None, data: JSONObject) -> Address | None:
    name = lookup(data, ("metadata", "name"))
    if kind is None or not isinstance(name, str) or check_name(name) is not None:
        return None
    return Address(kind.provider, kind.kind.lower(), name)


def _wrong_name(data: JSONObject) -> Violation | None:
    name = lookup(data, ("metadata", "name"))
    return check_name(name) if isinstance(name, str) else None


def _follows(violation: Violation, failed: Sequence[Path]) -> bool:
    """Whether a violation only says that a template gave nothing."""
    return any(violation.path[: len(path)] == path for path in failed)


def _advised(data: JSONObject, violation: Violation) -> Violation:
    """Give other advice where a template made the value: there is nothing to quote or to indent."""
    written: JSON = data
    for step in violation.path:
        if not isinstance(written, (dict, list)):
            break
        written = lookup(written, (step,))
    if violation.code != "wrong-type" or not isinstance(written, str) or not has_template(written):
        return violation
    hint = "make it text: {{ … | string }}" if "be a string" in violation.message else ""
    return replace(violation, hint=hint)


def _manifest(
    kind: Kind,
    address: Address,
    layered: Layered,
    envelope: BaseModel | None,
    references: Sequence[Reference],
    each: Entry | None,
    *,
    sound: bool,
) -> Manifest:
    origin = layered.document.span(("metadata", "name"))
    entry = "" if each is None else clipped(str(each.key), 40)
    if not isinstance(envelope, Envelope):
        return Manifest(address, kind.api_version, {}, origin, references=tuple(references), entry=entry)
    return Manifest(
        address,
        kind.api_version,
        envelope.spec,
        origin,
        envelope.metadata.labels,
        Lifecycle(envelope.lifecycle.protect, OnRemove(envelope.lifecycle.on_remove)),
        tuple(references),
        entry,
        {path: held.span(way, key=True) for path, (held, way) in layered.inherited.items()},
        {each.path: _place(layered, each.path) for each in kind.named(envelope.spec)} if sound else {},
    )


def _place(layered: Layered, path: Path) -> Place:
    held, way = layered.locate(("spec", *path))
    span = held.span(way)
    return Place(span, held.source.excerpt(span))


def any_template(value: JSON) -> bool:
    """Whether any text of a value has a template."""
    if isinstance(value, str):
        return has_template(value)
    if isinstance(value, dict):
        return any(map(any_template, value.values()))
    return isinstance(value, list) and any(map(any_template, value))
