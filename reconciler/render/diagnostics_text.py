"""Diagnostics for people: the place, the line, a caret under the value."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.values import Span
from reconciler.render.escape import plain
from reconciler.render.words import count, paint

_TAB: Final = 4
_INDENT: Final = "    "
_BEFORE: Final = 60
_AROUND: Final = 120


def diagnostics_text(diagnostics: Sequence[Diagnostic], *, resources: int | None = None, color: bool = False) -> str:
    """Return diagnostics in the order given, then a summary; `resources` is how many were loaded, if known."""
    blocks = ["\n".join(_lines(diagnostic, color=color)) for diagnostic in diagnostics]
    return "\n\n".join([*blocks, summary(diagnostics, resources)]) + "\n"


def summary(diagnostics: Sequence[Diagnostic], resources: int | None) -> str:
    """`2 errors, 1 warning in 12 resources`."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    found = (
        f"{count(errors, 'error') if errors else 'no errors'}{', ' + count(warnings, 'warning') if warnings else ''}"
    )
    return found if resources is None else f"{found} in {count(resources, 'resource')}"


def _lines(diagnostic: Diagnostic, *, color: bool) -> Iterator[str]:
    span = diagnostic.span
    place = f"{plain(span.file)}:{span.line}:{span.column}: " if span else ""
    style = "red" if diagnostic.severity is Severity.ERROR else "yellow"
    head = paint(f"{diagnostic.severity.value}[{plain(diagnostic.code)}]", style, color=color)
    yield f"{place}{head}: {plain(diagnostic.message)}"
    if span and diagnostic.source.strip():
        line, start, width = _marked(diagnostic.source, span)
        yield _INDENT + line
        yield _INDENT + " " * start + paint("^" * width, style, color=color)
    if diagnostic.hint:
        yield f"{_INDENT}hint: {plain(diagnostic.hint)}"


def _marked(source: str, span: Span) -> tuple[str, int, int]:
    """The source line as it is shown, where in it the caret line starts and how wide it is, in cells."""
    source = source.rstrip("\r\n")
    begin = min(span.column - 1, len(source))
    end = min(span.end_column - 1, len(source)) if span.end_line == span.line else len(source.rstrip())
    first, last = (0, len(source)) if len(source) <= _AROUND else (max(0, begin - _BEFORE), begin + _AROUND - _BEFORE)
    left, right = "... " if first else "", " ..." if last < len(source) else ""
    cells = [_cell(character) for character in source[first:last]]
    offset = sum(map(_width, cells[: begin - first]))
    width = sum(map(_width, cells[begin - first : max(end, begin) - first]))
    return f"{left}{''.join(cells)}{right}", len(left) + offset, max(1, width)


def _cell(character: str) -> str:
    """One character of a source line as it is shown."""
    return " " * _TAB if character == "\t" else plain(character)


def _width(shown: str) -> int:
    """How many cells of a terminal a shown character takes."""
    if len(shown) > 1:
        return len(shown)
    if unicodedata.combining(shown) or unicodedata.category(shown) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(shown) in ("W", "F") else 1
