"""The kinds that manifests can be of, found by what a document says, and their judgement of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reconciler.loading.templating.templates import has_template
from reconciler.loading.text.sources import clipped, did_you_mean
from reconciler.loading.wording import validate
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path

if TYPE_CHECKING:
    from pydantic import BaseModel

    from reconciler.model.ports import Kind
    from reconciler.model.versions import Former


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

    def violations(self, kind: Kind, spec: JSONObject, incomplete: bool) -> list[Violation]:
        """Check a spec by its model, then by its rules, the latter without the fields nobody knows.

        The rules are left out when the spec is `incomplete`.  Paths start with `spec`.
        """
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
        for rule in kind.check(spec):
            path = ("spec", *rule.path)
            found.append(Violation(path, rule.code, rule.message, rule.hint, rule.severity, rule.within))
        return found

    def unknown(self, version: str, name: str) -> Violation:
        """Say that there is no such kind, and which there are."""
        listed = ", ".join(f"{each} {kind}" for each, kind in sorted(self._current))
        if has_template(version) or has_template(name):
            path: Path = ("apiVersion",) if has_template(version) else ("kind",)
            return Violation(path, "template", f"{path[0]} cannot be a template", f"supported: {listed}")
        if version == "reconciler/v1" and name in ("Project", "Environment"):
            place = "reconciler.yaml" if name == "Project" else "environments/<name>.yaml"
            return Violation(("kind",), "unknown-kind", f"the {name} document is no manifest", f"put it into {place}")
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


def _without(value: JSON, paths: set[Path], here: Path = ()) -> Any:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (*here, key) not in paths}
        return {key: _without(item, paths, (*here, key)) for key, item in kept.items()}
    if isinstance(value, list):
        return [_without(item, paths, (*here, index)) for index, item in enumerate(value)]
    return value
