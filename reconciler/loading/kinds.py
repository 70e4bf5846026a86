"""The kinds that manifests can be of, found by what a document says, and their judgement of a spec."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from reconciler.loading.rest import Rest
from reconciler.loading.templating.templates import has_template
from reconciler.loading.text.files import ENVIRONMENTS
from reconciler.loading.text.sources import MAX_PER_FILE, clipped, did_you_mean
from reconciler.loading.wording import validate
from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.values import JSONObject, Path, Reference

if TYPE_CHECKING:
    from pydantic import BaseModel

    from reconciler.model.ports import Kind
    from reconciler.model.versions import Former

_ROUNDS: Final = 8
"""How often something else can be wrong once what is wrong is left out."""
_OF_THE_WHOLE: Final = frozenset({"run-on-create", "empty-columns", "no-pipes"})
"""Codes of rules about fields that are not there."""
_LACKS: Final = "name-missing"
"""The code of a rule about something that is not there, inside a field."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is wrong with a spec, with paths that start with `spec`, and the references it has all the same."""

    violations: list[Violation]
    references: Sequence[Reference]


class Kinds:
    """A table of kinds by apiVersion and kind, former versions among them."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._current = {(kind.api_version, kind.kind): kind for kind in kinds}
        self._former = {(former.api_version, kind.kind): (kind, former) for kind in kinds for former in kind.former}
        self._models: dict[tuple[str, str], type[BaseModel]] = {}

    def find(self, version: str, name: str) -> tuple[Kind | None, Former | None]:
        """Return the kind a document asks for, and the former version it is written in, if it is."""
        kind = self._current.get((version, name))
        return (kind, None) if kind is not None else self._former.get((version, name), (None, None))

    def judged(self, kind: Kind, spec: JSONObject, failed: Collection[Path]) -> Judged:
        """Check a spec by its model, then by its rules, the latter without what is wrong by the former.

        `failed` are the paths in the spec of what nobody knows, because a template failed.
        """
        key = (kind.api_version, kind.kind)
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = kind.model()
        _, found = validate(model, spec, ("spec",))
        if not found and not failed:
            rules = [_in_spec(rule, rule.path) for rule in kind.check(spec)]
            return Judged(rules, kind.references(spec))
        if len(found) >= MAX_PER_FILE:
            return Judged(found, ())
        rest = Rest(spec, {path[1:] for path in map(_gone, found) if path} | set(failed))
        for _ in range(_ROUNDS):
            again = {rest.written(path[1:]) for path in map(_gone, validate(model, rest.data, ("spec",))[1]) if path}
            if not again:
                break
            rest = Rest(spec, rest.gone | again)
        else:
            return Judged(found, ())
        lacking = {each.path[1:] for each in found if each.code == "missing-field"}
        for rule in kind.check(rest.data):
            path = rest.written(rule.path)
            if not (_is_doubtful(rule, path, rest, lacking) or _has_below(path, failed)):
                found.append(_in_spec(rule, path))
        references = (Reference(rest.written(each.path), each.target) for each in kind.references(rest.data))
        return Judged(found, tuple(references))

    def unknown(self, version: str, name: str, file: str) -> Violation:
        """Say that there is no such kind as a document of a file asks for, and which there are."""
        listed = ", ".join(f"{each} {kind}" for each, kind in sorted(self._current))
        if has_template(version) or has_template(name):
            path: Path = ("apiVersion",) if has_template(version) else ("kind",)
            return Violation(path, "template", f"{path[0]} cannot be a template", f"supported: {listed}")
        if version == "reconciler/v1" and name in ("Project", "Environment"):
            place = "reconciler.yaml" if name == "Project" else "environments/<name>.yaml"
            folder, _, own = file.rpartition("/")
            hint = f"put it into {place}"
            if name == "Environment" and folder.rpartition("/")[2] == ENVIRONMENTS and own.endswith(".yml"):
                hint = f"rename {own} to {own.removesuffix('.yml')}.yaml"
            return Violation(("kind",), "unknown-kind", f"the {name} document is no manifest", hint)
        kinds = [kind for each, kind in (*self._current, *self._former) if each == version]
        if kinds:
            message = f"{version} has no kind {clipped(name)}"
            return Violation(("kind",), "unknown-kind", message, f"{_near(name, kinds)}supported: {listed}")
        message = f"the apiVersion {clipped(version)} is not known"
        near = _near(version, sorted({each for each, _ in self._current}))
        return Violation(("apiVersion",), "unknown-kind", message, f"{near}supported: {listed}")


def _near(word: str, known: Sequence[str]) -> str:
    near = did_you_mean(word, known)
    return f"{near} " if near.startswith("did") else ""


def _in_spec(rule: Violation, path: Path) -> Violation:
    return replace(rule, path=("spec", *path))


def _gone(violation: Violation) -> Path:
    """The path of what has to be left out because of a violation: of a field that is missing, what lacks it.

    Empty when that is the whole spec: rules get along without fields that must be there.
    """
    path = violation.path if violation.code != "missing-field" else violation.path[:-1]
    return path if len(path) > 1 else ()


def _has_below(path: Path, failed: Collection[Path]) -> bool:
    """Whether nobody knows a part of the field at a path."""
    return path != () and any(each[: len(path)] == path for each in failed)


def _is_doubtful(rule: Violation, path: Path, rest: Rest, lacking: Collection[Path]) -> bool:
    """Whether what a rule says of a place may only follow from what was left out, or was not there."""
    if path in lacking or rest.lost(path):
        return True
    if rule.code in _OF_THE_WHOLE:
        return any(len(each) == 1 for each in (*rest.gone, *lacking)) or (path != () and rest.lost_some(path))
    lacks = rule.severity is Severity.WARNING or rule.code == _LACKS
    return lacks and rest.lost_some(path)
