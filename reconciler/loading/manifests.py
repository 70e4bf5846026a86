"""One document becomes declared resources: forEach, templates, the envelope, the kind's model and limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from reconciler.loading.project import check_name
from reconciler.loading.shapes import Envelope
from reconciler.loading.single import note, note_problems
from reconciler.loading.templating.templates import TemplateError, Templates, has_template
from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import Findings, Source, clipped, did_you_mean
from reconciler.loading.wording import spoken, validate
from reconciler.model.diagnostic import Violation
from reconciler.model.manifest import Lifecycle, Manifest, OnRemove
from reconciler.model.values import JSON, Address, JSONObject, Path, Span, lookup

if TYPE_CHECKING:
    from reconciler.model.ports import Kind

MAX_ENTRIES: Final = 10_000
"""Resources that one forEach can make."""
MAX_MADE: Final = 1_000_000
"""Values that one forEach can make in all."""

_NOT_TEMPLATED: Final = ("apiVersion", "kind", "forEach")


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource that has a name, and where it was declared.

    `sound` says that its spec is valid; `entry` is the key of the forEach entry it was made for,
    `entry_path` leads to that.
    """

    manifest: Manifest
    kind: Kind
    source: Source
    index: int
    sound: bool
    entry: str
    entry_path: Path


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a forEach: the step that leads to it, and what templates see of it."""

    step: str | int
    key: JSON
    value: JSON


class Reader:
    """Reads manifest files; `values` None means that nobody knows them, so templates are left alone.

    `skipped` says that resources were left out for that reason.
    """

    def __init__(
        self, kinds: Sequence[Kind], findings: Findings, values: JSONObject | None, environment: str, project: str
    ) -> None:
        self._kinds = {(kind.api_version, kind.kind): kind for kind in kinds}
        self._models: dict[tuple[str, str], type[BaseModel]] = {}
        self._findings = findings
        self._context = None if values is None else {"values": values, "env": environment, "project": project}
        self._templates = Templates()
        self.skipped = False

    def read(self, source: Source) -> Iterator[Declared]:
        """Yield the resources of a file; what is wrong goes to the findings."""
        templated = has_template(source.text)
        for document in documents(source):
            if self._findings.full(source):
                return
            note_problems(self._findings, document)
            if document.root is None:
                continue
            if not isinstance(document.data, dict):
                message = f"a manifest must be a mapping, is {spoken(document.data)}"
                note(self._findings, document, [Violation((), "wrong-type", message, "start with apiVersion:")])
            elif self._context is None and templated and _any_template(document.data):
                self.skipped = True
            else:
                yield from self._resources(document, templated)

    def _resources(self, document: Document, templated: bool) -> Iterator[Declared]:
        kind = self._kind(document)
        if "forEach" not in document.data:
            yield from self._resource(document, kind, templated, None)
            return
        for each in self._entries(document, templated):
            yield from self._resource(document, kind, templated, each)

    def _kind(self, document: Document) -> Kind | None:
        """Look the kind up; says so when there is none.  What is missing is left to the envelope."""
        version, name = document.data.get("apiVersion"), document.data.get("kind")
        if not isinstance(version, str) or not isinstance(name, str):
            return None
        kind = self._kinds.get((version, name))
        if kind is None:
            note(self._findings, document, [_unknown_kind(version, name, list(self._kinds))])
        return kind

    def _entries(self, document: Document, templated: bool) -> list[_Entry]:
        value = self._rendered(document, {"forEach": document.data["forEach"]}, templated, None)
        if value is None:
            return []
        entries, wrong = _each(value["forEach"])
        if len(entries) > MAX_ENTRIES or len(entries) * document.nodes > MAX_MADE:
            made = f"forEach makes too much: {len(entries):,} resources of {document.nodes:,} values"
            wrong = [Violation(("forEach",), "for-each", made, "split the document")]
        note(self._findings, document, wrong)
        return [] if wrong else entries

    def _rendered(
        self, document: Document, data: JSONObject, templated: bool, each: _Entry | None
    ) -> JSONObject | None:
        """Render and note what fails; None when something did."""
        failed: list[Path] = []
        rendered = self._render(document, data, templated, each, failed)
        return None if failed else rendered

    def _render(
        self,
        document: Document,
        data: JSONObject,
        templated: bool,
        each: _Entry | None,
        failed: list[Path],
    ) -> JSONObject:
        if not templated or self._context is None:
            return data

        def fail(path: Path, error: TemplateError) -> None:
            failed.append(path)
            note(self._findings, document, [Violation(path, error.code, error.message, error.hint)])

        context = self._context if each is None else {**self._context, "each": {"key": each.key, "value": each.value}}
        rendered: JSONObject = self._templates.render(data, context, fail)
        return rendered

    def _resource(
        self, document: Document, kind: Kind | None, templated: bool, each: _Entry | None
    ) -> Iterator[Declared]:
        """Yield the one resource that a document makes for one entry, when it can be named."""
        failed: list[Path] = []
        errors = self._findings.errors
        kept = {key: value for key, value in document.data.items() if key not in _NOT_TEMPLATED}
        data = self._render(document, kept, templated, each, failed)
        data |= {key: document.data[key] for key in _NOT_TEMPLATED if key in document.data}
        envelope, violations = validate(Envelope, data)
        address = _address(kind, data) if ("metadata", "name") not in failed else None
        wrong_name = _wrong_name(data)
        if wrong_name is not None:
            violations.append(wrong_name)
        spec = data.get("spec")
        if kind is not None and isinstance(spec, dict):
            violations.extend(self._violations(kind, spec, any(path[:1] == ("spec",) for path in failed)))
        known = [each for each in violations if not _follows(each, failed) and document.knows(each.path)]
        note(self._findings, document, [_advised(document.data, each) for each in known], address)
        if address is None or kind is None:
            return
        sound = isinstance(envelope, Envelope) and self._findings.errors == errors and not document.problems
        entry = "" if each is None else clipped(str(each.key), 40)
        entry_path: Path = () if each is None else ("forEach", each.step)
        manifest = _manifest(kind, address, document.span(("metadata", "name")), envelope, sound=sound)
        yield Declared(manifest, kind, document.source, document.index, sound, entry, entry_path)

    def _violations(self, kind: Kind, spec: JSONObject, incomplete: bool) -> list[Violation]:
        """Check a spec by its model, then by its rules, the latter without the fields nobody knows."""
        key = (kind.api_version, kind.kind)
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = kind.model()
        _, found = validate(model, spec, ("spec",))
        if found and all(violation.code == "unknown-field" for violation in found):
            spec = _without(spec, {violation.path[1:] for violation in found})
            if validate(model, spec)[1]:
                return found
        elif found:
            return found
        if incomplete:
            return found
        return found + [
            Violation(("spec", *rule.path), rule.code, rule.message, rule.hint, rule.severity)
            for rule in kind.check(spec)
        ]


_FOR_EACH: Final = "give a mapping, a list of scalars, or a list of mappings"


def _each(value: JSON) -> tuple[list[_Entry], list[Violation]]:
    """Return the entries of a forEach, and what is wrong with it."""
    if isinstance(value, dict):
        return [_Entry(key, key, item) for key, item in value.items()], []
    if not isinstance(value, list):
        message = f"forEach must be a mapping or a list, is {spoken(value)}"
        return [], [Violation(("forEach",), "for-each", message, _FOR_EACH)]
    entries, wrong = [], []
    for index, item in enumerate(value):
        if item is None or isinstance(item, list):
            message = f"forEach[{index}] must be a scalar or a mapping, is {spoken(item)}"
            wrong.append(Violation(("forEach", index), "for-each", message, _FOR_EACH))
        else:
            entries.append(_Entry(index, item.get("key", index) if isinstance(item, dict) else item, item))
    return entries, wrong


def _unknown_kind(version: str, name: str, known: Sequence[tuple[str, str]]) -> Violation:
    listed = ", ".join(f"{version} {name}" for version, name in sorted(known))
    if has_template(version) or has_template(name):
        path: Path = ("apiVersion",) if has_template(version) else ("kind",)
        return Violation(path, "template", f"{path[0]} cannot be a template", f"supported: {listed}")
    if version == "reconciler/v1" and name in ("Project", "Environment"):
        place = "reconciler.yaml" if name == "Project" else "environments/<name>.yaml"
        return Violation(("kind",), "unknown-kind", f"the {name} document is no manifest", f"put it into {place}")
    kinds = [kind for each, kind in known if each == version]
    if kinds:
        near = did_you_mean(name, kinds)
        hint = f"{near} " if near.startswith("did") else ""
        return Violation(
            ("kind",), "unknown-kind", f"{version} has no kind {clipped(name)}", f"{hint}supported: {listed}"
        )
    near = did_you_mean(version, {each for each, _ in known})
    hint = f"{near} " if near.startswith("did") else ""
    return Violation(
        ("apiVersion",), "unknown-kind", f"the apiVersion {clipped(version)} is not known", f"{hint}supported: {listed}"
    )


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


def _manifest(kind: Kind, address: Address, origin: Span, envelope: BaseModel | None, *, sound: bool) -> Manifest:
    if not isinstance(envelope, Envelope):
        return Manifest(address, kind.api_version, {}, origin)
    return Manifest(
        address,
        kind.api_version,
        envelope.spec,
        origin,
        envelope.metadata.labels,
        Lifecycle(envelope.lifecycle.protect, OnRemove(envelope.lifecycle.on_remove)),
        tuple(kind.references(envelope.spec)) if sound else (),
    )


def _without(value: JSON, paths: set[Path], here: Path = ()) -> Any:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (*here, key) not in paths}
        return {key: _without(item, paths, (*here, key)) for key, item in kept.items()}
    if isinstance(value, list):
        return [_without(item, paths, (*here, index)) for index, item in enumerate(value)]
    return value


def _any_template(value: JSON) -> bool:
    if isinstance(value, str):
        return has_template(value)
    if isinstance(value, dict):
        return any(map(_any_template, value.values()))
    return isinstance(value, list) and any(map(_any_template, value))
