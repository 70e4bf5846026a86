"""Files as they were read, places in them, and what was found wrong there."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.values import Address, Span

MAX_PER_FILE: Final = 1_000
"""Diagnostics of one file; nobody reads more, and a hostile file could make millions."""

LINE_BREAK = re.compile(r"\r\n|\r|\n")
_STRIDE: Final = 4_096
_LISTED: Final = 20
_SHOWN_BEHIND: Final = 200
_SHOWN_AT_MOST: Final = 4_000


class Mark(Protocol):
    """A place in a text, counted from 0, in characters; the YAML parser's marks are such."""

    line: int
    column: int


@dataclass(slots=True)
class _Mark:
    line: int
    column: int


class Source:
    """A file's text without its byte order mark; `file` is how it is shown to people."""

    __slots__ = ("_stations", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._stations: list[tuple[int, int]] = []

    def line(self, number: int) -> str:
        """Return a line, counted from 1, without its end; empty behind the last one."""
        if number < 1:
            return ""
        if not self._stations:
            self._stations = list(_stations(self.text))
        start = 0
        if number > 1:
            lines, offset = self._stations[bisect_left(self._stations, number - 1, key=lambda station: station[0]) - 1]
            ends = islice(LINE_BREAK.finditer(self.text, offset), number - 2 - lines, None)
            end = next(ends, None)
            if end is None:
                return ""
            start = end.end()
        newline = self.text.find("\n", start)
        stop = len(self.text) if newline < 0 else newline
        carriage = self.text.find("\r", start, stop)
        return self.text[start : stop if carriage < 0 else carriage]

    def excerpt(self, span: Span) -> str:
        """Return the line a span starts on, cut behind the place when long, empty when hopelessly long."""
        if span.column > _SHOWN_AT_MOST:
            return ""
        return self.line(span.line)[: span.column + _SHOWN_BEHIND]

    def span(self, start: Mark, end: Mark | None = None) -> Span:
        """Return the place from `start` to `end`, or to the end of its line when that is None."""
        line = start.line + 1
        if end is None:
            return Span(self.file, line, start.column + 1, line, max(len(self.line(line)), start.column) + 1)
        return Span(self.file, line, start.column + 1, end.line + 1, end.column + 1)

    def last(self) -> Mark:
        """Return the mark of the last character that is not blank."""
        return self._mark(max(len(self.text.rstrip()) - 1, 0))

    def span_at(self, index: int) -> Span:
        """Return the place of one character of the text."""
        mark = self._mark(index)
        return Span(self.file, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)

    def _mark(self, index: int) -> _Mark:
        start = max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1
        return _Mark(_breaks(self.text, 0, index), index - start)


def _breaks(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)


def _stations(text: str) -> Iterator[tuple[int, int]]:
    """Yield places in a text with the number of line breaks before them, so that any line is near one of them.

    A list of all lines would take many times the room of the text.
    """
    lines = offset = 0
    while True:
        yield lines, offset
        end = offset + _STRIDE
        if end >= len(text):
            return
        end += text[end - 1 : end + 1] == "\r\n"  # never between these two
        lines += _breaks(text, offset, end)
        offset = end


class Findings:
    """Everything found wrong, each thing once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Span | None], Diagnostic] = {}
        self._counts: dict[tuple[str, Severity], int] = {}
        self.errors = 0

    def add(
        self,
        code: str,
        message: str,
        *,
        source: Source | None = None,
        span: Span | None = None,
        hint: str = "",
        address: Address | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Note one thing; the same thing at the same place a second time (forEach) is dropped."""
        if (code, message, span) in self._found:
            return
        self.errors += severity is Severity.ERROR
        if span is not None:
            counted = (span.file, severity)
            count = self._counts[counted] = self._counts.get(counted, 0) + 1
            if count > MAX_PER_FILE:
                return
            if count == MAX_PER_FILE:
                message = f"the file has more {severity}s than are shown"
                code, hint = "too-many", "mend the first ones"
        excerpt = source.excerpt(span) if source is not None and span is not None else ""
        self._found[code, message, span] = Diagnostic(severity, code, message, span, address, hint, excerpt)

    def full(self, source: Source) -> bool:
        """Whether no more errors of a file will be kept; warnings fill nothing, for they stop nothing."""
        return self._counts.get((source.file, Severity.ERROR), 0) >= MAX_PER_FILE

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Return everything by place, then code and message."""
        return tuple(sorted(self._found.values(), key=lambda found: found.sort_key))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest known word, or lists the known ones when none is close, `…` for the rest."""
    known = [name for name in islice(known, 2_000) if len(name) <= 200]
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word[:80].casefold(), folded, n=1, cutoff=0.7)
    if near:
        return f"did you mean {folded[near[0]]}?"
    more = ", …" if len(known) > _LISTED else ""
    return f"known: {', '.join(sorted(known)[:_LISTED])}{more}" if known else ""


def clipped(text: str, limit: int = 60) -> str:
    """Return a text for use inside a sentence, cut when long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
