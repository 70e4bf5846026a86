"""Lint: what is permitted but seldom meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.loading.text.sources import Findings
from reconciler.model.diagnostic import Violation
from reconciler.model.lint import Lint

if TYPE_CHECKING:
    from reconciler.model.ports import Kind


class Linter:
    """What a project makes of lint rules."""

    def __init__(self, kinds: Sequence[Kind], lint: Lint, findings: Findings) -> None:
        pass

    def judge(self, violations: Sequence[Violation], ignored: Mapping[str, str]) -> list[Violation]:
        """Return the violations of one resource without those it opts out of, each with its severity."""
        return list(violations)

    def ignores(self, ignored: Mapping[str, object]) -> list[Violation]:
        """Return what is wrong with the opt-outs of one resource; paths start at the document."""
        return []
