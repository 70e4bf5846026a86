"""Where in a file the characters of a scalar stand, whatever way it is written.

The text of the scalar is read again, character by character, by the rules of its style; what does not come
out as the value the parser read is not believed, so that a wrong place is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

from yaml.events import ScalarEvent

from reconciler.loading.text.sources import Source
from reconciler.model.values import Span

MAX_WRITTEN: Final = 200_000
"""Characters of a scalar as it is written; places inside a longer one are not looked for."""

_Read: TypeAlias = tuple[str, int, int]
"""A character of the value, and from where up to where it is written."""

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_LINE: Final = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_PROPERTIES: Final = re.compile(r"(?:[&!][^ \t\r\n]*|#[^\r\n]*|[ \t\r\n]+)*")
_FLOW: Final[dict[str | None, re.Pattern[str]]] = {
    None: re.compile(r"(?P<blank>[ \t\r\n]+)|."),
    "'": re.compile(r"(?P<blank>[ \t\r\n]+)|''|."),
    '"': re.compile(
        r"(?P<blank>[ \t\r\n]+)|\\(?:(?P<joined>(?:\r\n|\r|\n)[ \t\r\n]*)"
        r"|u(?P<high>[dD][89abAB][0-9A-Fa-f]{2})\\u(?P<low>[dD][c-fC-F][0-9A-Fa-f]{2})"
        r"|x(?P<x>[0-9A-Fa-f]{2})|u(?P<u>[0-9A-Fa-f]{4})|U(?P<w>[0-9A-Fa-f]{8})|(?P<named>.))|."
    ),
}
_NAMED: Final = dict(
    zip("0abt\tnvfreNLP_", "\0\a\b\t\t\n\v\f\r\x1b\x85\u2028\u2029\xa0", strict=True),
)


def narrowed(source: Source, node: Any, value: object, within: tuple[int, int]) -> Span | None:
    """Return the place of the characters `within` of a scalar's value; an empty range is a place between two of them.

    None where that cannot be told: for what is no text of its own (an alias, a list), and outside the value.
    """
    if not isinstance(node, ScalarEvent) or not isinstance(value, str):
        return None
    start: Any = node.start_mark
    end: Any = node.end_mark
    if end.index - start.index > MAX_WRITTEN:
        return None
    found = _written(source.text[start.index : end.index], node.style, value, within)
    if found is None:
        return None
    (line, column), (end_line, end_column) = (_place(source.text, start, each) for each in found)
    return Span(source.file, line, column, end_line, end_column)


def _place(text: str, start: Any, offset: int) -> tuple[int, int]:
    before = _BREAK.split(text[start.index : start.index + offset])
    if len(before) == 1:
        return start.line + 1, start.column + 1 + len(before[0])
    return start.line + len(before), len(before[-1]) + 1


@lru_cache(maxsize=32)  # the documents that one forEach makes share their scalars
def _written(raw: str, style: str | None, value: str, within: tuple[int, int]) -> tuple[int, int] | None:
    """From where up to where in `raw` the characters `within` of the value are written."""
    first, last = within[0], max(within[0], within[1] - 1)
    if not 0 <= first <= last < len(value) + (within[0] >= within[1]):
        return None
    skipped = _PROPERTIES.match(raw)
    at = (skipped.end() if skipped else 0) + (style in ("'", '"'))
    read = _block(raw, at, value, folded=style == ">") if style in ("|", ">") else _flow(raw, at, style or None)
    index, begin, behind = 0, at, at
    for character, start, end in read:
        if index == len(value) or character != value[index]:
            break
        if index == first:
            begin = start
        if index == last:
            return begin, end if within[0] < within[1] else begin
        index, behind = index + 1, end
    return (behind, behind) if index == first == len(value) else None


def _flow(raw: str, at: int, style: str | None) -> Iterator[_Read]:
    """Read a plain or a quoted scalar."""
    for token in _FLOW[style].finditer(raw, at, len(raw) - (style is not None)):
        text = token[0]
        if token["blank"]:
            yield from _blank(text, token.start())
        elif text == "''":
            yield "'", token.start(), token.end()
        elif text[0] == "\\" and style == '"':
            yield from _escaped(token)
        else:
            yield text, token.start(), token.end()


def _blank(text: str, at: int) -> Iterator[_Read]:
    """Blanks stay as they are on one line; across lines they are a blank, or a line break for each empty line."""
    breaks = [(at + each.start(), at + each.end()) for each in _BREAK.finditer(text)]
    if not breaks:
        for index, character in enumerate(text, at):
            yield character, index, index + 1
    elif len(breaks) == 1:
        yield " ", *breaks[0]
    for start, end in breaks[1:]:
        yield "\n", start, end


def _escaped(token: re.Match[str]) -> Iterator[_Read]:
    start, end = token.span()
    if token["joined"] is not None:
        joined = list(_BREAK.finditer(token.string, start, end))
        for each in joined[1:]:
            yield "\n", each.start(), each.end()
    elif (named := token["named"]) is not None:
        yield _NAMED.get(named, named), start, end
    elif (high := token["high"]) is not None:
        yield chr(0x10000 + ((int(high, 16) & 0x3FF) << 10 | int(token["low"], 16) & 0x3FF)), start, end
    else:
        yield chr(min(int(token["x"] or token["u"] or token["w"], 16), 0x10FFFF)), start, end


def _block(raw: str, at: int, value: str, *, folded: bool) -> Iterator[_Read]:
    """Read a block scalar; of the line breaks at its end there may be more than it has.

    One of blanks only is not read: nothing says how far it is indented.
    """
    if not value.strip(" \n"):
        return
    lines = [(line[1], line.start(), line.span(2)) for line in _LINE.finditer(raw, at)][1:]
    indent = _indent([text for text, _, _ in lines]) - _indent(value.split("\n"))
    breaks: list[tuple[int, int]] = []
    blank_before = True
    for text, start, ended in lines:
        content = text[indent:]
        if content:
            joined = folded and not blank_before and content[0] not in " \t"
            yield from _breaks(breaks, joined=joined)
            for index, character in enumerate(content, start + indent):
                yield character, index, index + 1
            blank_before = content[0] in " \t"
            breaks = []
        breaks.append(ended)
    yield from _breaks(breaks, joined=False)


def _breaks(breaks: list[tuple[int, int]], *, joined: bool) -> Iterator[_Read]:
    if joined and len(breaks) == 1:
        yield " ", *breaks[0]
    else:
        for start, end in breaks[1:] if joined else breaks:
            yield "\n", start, end


def _indent(lines: list[str]) -> int:
    """How far the first line is indented that has more than spaces."""
    line = next((line for line in lines if line.strip(" ")), "")
    return len(line) - len(line.lstrip(" "))
