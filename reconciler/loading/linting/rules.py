"""Lint: what is permitted but seldom meant; which rules there are, and what projects and resources make of them.

A diagnostic whose code is the id of a rule is lint, whatever its severity; everything else is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from reconciler.loading.environment import values
from reconciler.loading.text.sources import Findings, clipped, did_you_mean
from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.lint import Lint, Rule

if TYPE_CHECKING:
    from reconciler.model.ports import Kind

UNUSED: Final = Rule(
    "unused-ignore",
    "A manifest opts out of a rule that has nothing to say about it.",
    "What the opt-out was for has been mended, or it never applied. Left in place it would hide the next mistake. "
    "Remove it.",
)

RULES: Final = (
    UNUSED,
    Rule(
        "deprecated-version",
        "A manifest is written in a former version of its kind.",
        "Former versions are converted when they are read, for a while. `reconciler fmt --upgrade` rewrites the file, "
        "comments kept; the plan stays the same.",
    ),
    Rule(
        "missing-label",
        "A manifest lacks a label that the project requires.",
        "The project file lists labels under spec.lint.requiredLabels, for whoever looks for an owner or selects by "
        "label. Add the label under metadata.labels, or to the defaults of the kind.",
        Severity.ERROR,
    ),
    Rule(
        "duplicate-title",
        "Two manifests of a kind have the same title.",
        "Addresses tell manifests apart, titles tell the objects apart for people. Two of the same title cannot be "
        "told apart in the service, and after a lost answer not by this program either: it asks a person which is "
        "which. Name what differs.",
    ),
    Rule(
        "schedule-over-quota",
        "A schedule fires more often than the service runs exports.",
        "What is over the quota is not run. For Pipefy's pipe reports 50 exports of a pipe in 24 hours are documented, "
        "in an older edition 25, after which one has to wait for 24 hours from the last ('Pipe Reports'). For "
        "organization exports no quota is documented, so the smaller number is only a careful guess for those. "
        "Let it fire less often, or write what your plan has into spec.providers.<provider>.quota of the project file. "
        "Any 24 hours of a year count, those of clock changes too.",
    ),
    Rule(
        "same-minute-exports",
        "Two exports of the same pipe fire in the same minute.",
        "Both load the pipe at once and use up its quota together; often one is a forgotten copy of the other. Let one "
        "fire a few minutes later. An export that names no pipes reaches all of them. Schedules are compared over a "
        "whole year, each in its own time zone.",
    ),
    Rule(
        "wrong-schema-header",
        "The yaml-language-server header of a file names the schema of something else.",
        "An editor then marks what is right and completes what is wrong. Name the schema of the documents below the "
        "header, or `manifest`, which fits every manifest; `reconciler schema --out DIR` writes them all.",
    ),
)
"""The rules about what every kind has, and about what manifests are together."""


def registry(kinds: Iterable[Kind]) -> Mapping[str, Rule]:
    """Return every lint rule there is, by id and in that order."""
    found = (*RULES, *values.RULES, *(rule for kind in kinds for rule in kind.rules))
    return MappingProxyType({rule.id: rule for rule in sorted(found, key=lambda rule: rule.id)})


class Linter:
    """What a project makes of lint rules, and which opt-outs were of use so far.

    The opt-outs of a document are one mapping, the same object for all of its resources.
    """

    def __init__(self, kinds: Sequence[Kind], lint: Lint, findings: Findings) -> None:
        self.kinds = kinds
        self._known = registry(kinds)
        self._severities = lint.severities
        self._needed: dict[int, tuple[Mapping[str, str], set[str]]] = {}
        self.required_labels = lint.required_labels
        self.findings = findings

    def judge(self, violations: Sequence[Violation], ignored: Mapping[str, str]) -> list[Violation]:
        """Return the violations of one resource without those it opts out of, each with its severity."""
        return [kept for each in violations if (kept := self._judged(each, ignored)) is not None]

    def ignores(self, ignored: Mapping[str, object]) -> list[Violation]:
        """Return what is wrong with the opt-outs of one document; paths start there."""
        found = []
        for rule, reason in ignored.items():
            path = ("lint", "ignore", rule)
            if rule not in self._known:
                message = f"{clipped(rule)} is not a lint rule; an error has to be mended, it cannot be ignored"
                found.append(Violation(path, "unknown-rule", message, did_you_mean(rule, self._known)))
            elif isinstance(reason, str) and not reason.strip():
                message = f"the reason for ignoring {rule} is blank"
                found.append(Violation(path, "blank", message, "say why the rule does not apply here"))
        return found

    def severity(self, rule: str) -> Severity | None:
        """How bad a rule is in this project; None when it is off."""
        return self._severities.get(rule, self._known[rule].severity)

    def need(self, rule: str, *ignored: Mapping[str, str]) -> bool:
        """Whether one of some documents opts out of a rule that has something to say about them; remembers which."""
        asked = [each for each in ignored if rule in each]
        for each in asked:
            self._needed.setdefault(id(each), (each, set()))[1].add(rule)
        return bool(asked)

    def unused(self, ignored: Mapping[str, str]) -> list[Violation]:
        """Return the opt-outs of a document that nothing has needed; of rules that are off nobody can tell."""
        _, needed = self._needed.get(id(ignored), (ignored, set()))
        found = [
            Violation(
                ("lint", "ignore", rule),
                UNUSED.id,
                f"{rule} has nothing to say here, so there is nothing to ignore",
                "remove it",
            )
            for rule in ignored
            if rule not in needed and rule != UNUSED.id and rule in self._known and self.severity(rule) is not None
        ]
        return self.judge(found, ignored)

    def _judged(self, violation: Violation, ignored: Mapping[str, str]) -> Violation | None:
        rule = self._known.get(violation.code)
        if rule is None:
            return violation
        severity = self.severity(rule.id)
        if self.need(rule.id, ignored) or severity is None:
            return None
        return violation if severity is violation.severity else replace(violation, severity=severity)
