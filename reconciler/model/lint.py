"""Rules about what is permitted but seldom meant, and what a project makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.model.diagnostic import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A lint rule.  `id` is the code of its diagnostics; `summary` one line, `why` the reason and the remedy,
    for `explain`.  `severity` is what it has unless the project says otherwise.
    """

    id: str
    summary: str
    why: str
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Lint:
    """What the project file makes of lint rules.

    `severities` maps rule ids to a severity, None for rules that are off; `required_labels` are the labels every
    manifest must have.
    """

    severities: Mapping[str, Severity | None] = field(default_factory=lambda: MappingProxyType({}))
    required_labels: tuple[str, ...] = ()
