"""What libyaml says about broken YAML, in words that say what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from yaml.error import MarkedYAMLError

from reconciler.loading.text.sources import Mark, Source

_QUOTE_TEMPLATE: Final = 'quote a value that has a template: "{{ … }}"'

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "mapping values are not allowed in this context": (
        "a second `: ` in this place makes no sense",
        "quote the text if the colon belongs to it; otherwise mend the indentation",
    ),
    "could not find expected ':'": (
        "this line is neither `key: value` nor part of the text above it",
        "add the colon and a space, or mend the indentation",
    ),
    "did not find expected key": ("this does not continue the mapping above it", "mend the indentation or the quotes"),
    "did not find expected '-' indicator": ("this does not continue the list above it", "mend the indentation"),
    "did not find expected ',' or '}'": ("the { } is not closed, or a comma is missing", "add `,` or `}`"),
    "did not find expected ',' or ']'": ("the [ ] is not closed, or a comma is missing", "add `,` or `]`"),
    "found unexpected end of stream": ("the quote is never closed", "close it"),
    "found unexpected document indicator": ("the quote is not closed before the document ends", "close it"),
    "did not find expected <document start>": ("there is text behind the end of the document", "put `---` before it"),
    "found unknown escape character": ("this escape is not known", "write \\\\ for a backslash, or use single quotes"),
    "block sequence entries are not allowed in this context": ("a list cannot start here", "put it on its own line"),
    "did not find expected node content": ("a value is missing here", "write it, or quote it if it is text"),
    "did not find expected alphabetic or numeric character": (
        "`*` and `&` must be followed by a name",
        "quote the text if it is not an alias or an anchor",
    ),
    "found undefined tag handle": ("the tag is not known", "remove it, or quote the text if it starts with `!`"),
    "found invalid Unicode character escape code": ("this escape is only half a character", "write the character"),
    "found unknown directive name": ("this directive is not known", "remove the line; quote a text that starts with %"),
    "found incompatible YAML document": ("the file asks for another version of YAML", "remove the %YAML line"),
    "mapping keys are not allowed in this context": ("a text cannot start with `? ` here", "quote it"),
    "did not find expected comment or line break": (
        "there is text behind `|` or `>`",
        "put it on the next line, or quote all of it if the sign belongs to it",
    ),
    "found a tab character that violates indentation": ("a tab cannot indent", "use spaces"),
    "found a tab character where an indentation space is expected": ("a tab cannot indent", "use spaces"),
}

_WHERE_IT_BEGAN: Final = frozenset(
    {
        "could not find expected ':'",
        "found unexpected end of stream",
        "did not find expected alphabetic or numeric character",
        "did not find expected comment or line break",
        "found unknown directive name",
    }
)
_FLOW: Final = frozenset({"did not find expected ',' or '}'", "did not find expected ',' or ']'"})
_COLON: Final = re.compile(r":(?:[ \t]|$)")
_FOREIGN_COMMENT: Final = re.compile(r"(?<![^\s,{\[])(?://|/\*)")
_QUOTED: Final = re.compile(r""""(?:[^"\\]|\\.)*+"|'[^']*+'""")
_BARE_TEMPLATE: Final = re.compile(r"(?:^[ \t]*|[:-][ \t]+)\{[{%]")
_IN_FLOW: Final = re.compile(r"(?:^|[ \t])[\[{](?![{%])[^\"']*\{[{%]")
_LOOKED_BACK: Final = 50
"""Lines above a mistake that are looked at for its cause."""


@dataclass(slots=True)
class _Place:
    line: int
    column: int


def explain(error: MarkedYAMLError, source: Source) -> tuple[str, str, Mark]:
    """Return a sentence, a hint and the place for a syntax error."""
    problem = str(error.problem or error.context or "")
    mark: Any = error.problem_mark or error.context_mark
    end = len(source.text.rstrip())
    if error.context_mark is not None and (problem in _WHERE_IT_BEGAN or mark.index >= end):
        mark = error.context_mark
    if mark.index >= end:
        mark = source.last()
    line = source.line(mark.line + 1)
    if problem == "found character that cannot start any token":
        message, hint = _character(line[mark.column : mark.column + 1])
    else:
        message, hint = _WORDS.get(problem, (f"this is not YAML: {problem}", "mend it, or quote it if it is text"))
    message, hint, mark = _cause(problem, error, source, mark) or (message, hint, mark)
    line = source.line(mark.line + 1)
    if "\ufeff" in line:
        message, hint = "there is a byte order mark in the line, which nobody sees", "remove it"
    bare = _QUOTED.sub("''", line)
    if _BARE_TEMPLATE.search(bare) or _IN_FLOW.search(bare):
        hint = _QUOTE_TEMPLATE
    return message, hint, mark


def _cause(problem: str, error: MarkedYAMLError, source: Source, mark: Any) -> tuple[str, str, Mark] | None:
    """Return what is really wrong, where the parser noticed it only later; None when nothing better is known."""
    if problem == "mapping values are not allowed in this context":
        return _second_colon(source, mark)
    if problem == "did not find expected key":
        return _behind_quote(source, mark)
    if problem in _FLOW:
        return _foreign_comment(source, mark) or _not_closed(problem, error, source, mark)
    return None


def _second_colon(source: Source, mark: Any) -> tuple[str, str, Mark] | None:
    """Where the colon is that of a key at the start of its line, that line or the one above it is wrong."""
    line = source.line(mark.line + 1)
    indent = _indent(line)
    if _COLON.search(line[: mark.column]):
        return None
    number, above = mark.line, source.line(mark.line)
    while number > max(mark.line - _LOOKED_BACK, 1) and not above.strip():
        number -= 1
        above = source.line(number)
    first = None
    while number >= max(mark.line - _LOOKED_BACK, 1) and _indent(above) == indent and not _COLON.search(above):
        first = _Place(number - 1, indent)
        number -= 1
        above = source.line(number)
    if first is not None:
        return (*_WORDS["could not find expected ':'"], first)
    if _indent(above) < indent and above.strip():
        hint = "mend the indentation; quote the text above if this line belongs to it"
        return "this key is indented below a value, where no key can be", hint, _Place(mark.line, indent)
    return None


def _behind_quote(source: Source, mark: Any) -> tuple[str, str, Mark] | None:
    """Where a quoted text ends just before, its quotes are wrong."""
    before = source.text[: mark.index].rstrip(" \t")
    quote = before[-1:]
    if quote not in ("'", '"'):
        return None
    begin = before.rfind(quote, 0, -1)
    number = before.count("\n", max(begin, 0))
    if begin >= 0 and number:
        column = begin - (before.rfind("\n", 0, begin) + 1)
        message = f"the quote that opens here is closed only in line {mark.line + 1}"
        return message, "close it where the text ends", _Place(mark.line - number, column)
    inside = "an apostrophe in them is written ''" if quote == "'" else 'a quote in them is written \\"'
    return "there is text behind the closing quote", f"put all of it inside the quotes; {inside}", mark


def _foreign_comment(source: Source, mark: Any) -> tuple[str, str, Mark] | None:
    for number in (mark.line, mark.line - 1):
        line = source.line(number + 1)
        found = _FOREIGN_COMMENT.search(line[: mark.column] if number == mark.line else line)
        if found is not None:
            return "this is no comment in YAML", "start a comment with #", _Place(number, found.start())
    return None


def _not_closed(problem: str, error: MarkedYAMLError, source: Source, mark: Any) -> tuple[str, str, Mark] | None:
    """Where the lines inside { } or [ ] are not indented any more, it is the bracket that is wrong, not they."""
    begin: Any = error.context_mark
    if begin is None or begin.line == mark.line:
        return None
    line = source.line(begin.line + 1)
    if not line[: begin.column].strip(" -") or _indent(source.line(mark.line + 1)) > _indent(line):
        return None
    return (*_WORDS[problem], begin)


def _indent(line: str) -> int:
    """The column at which a line begins to say something; a dash of a list is indentation."""
    return len(line) - len(line.lstrip(" -"))


def _character(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab cannot indent", "use spaces"
    return f"a value cannot start with {character}", "quote it"
