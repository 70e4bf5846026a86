"""What is wrong with the manifests, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.values import Address, Path, Span


class Severity(StrEnum):
    """How bad it is: an error stops everything, a warning stops nothing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a spec breaks, before anybody knows where in which file the value stands.

    `path` leads from the spec to the offending value (or to the object that lacks it).  `within` narrows it
    to a part of a text, from and up to these characters.
    """

    path: Path
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    within: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A violation with its place; `source` is the line of text the span starts on, for the caret."""

    severity: Severity
    code: str
    message: str
    span: Span | None
    address: Address | None = None
    hint: str = ""
    source: str = ""

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Diagnostics are shown by file, line, column, then code and message."""
        if self.span is None:
            return ("", 0, 0, self.code, self.message)
        return (self.span.file, self.span.line, self.span.column, self.code, self.message)
