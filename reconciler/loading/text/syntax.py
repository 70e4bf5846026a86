"""What libyaml says about broken YAML, in words that say what to do; and its idea of line breaks."""

from __future__ import annotations

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
    "found incompatible YAML document": ("the file asks for another version of YAML", "remove the %YAML line"),
    "found a tab character that violates indentation": ("a tab cannot indent", "use spaces"),
    "found a tab character where an indentation space is expected": ("a tab cannot indent", "use spaces"),
}

_WHERE_IT_BEGAN: Final = frozenset({"could not find expected ':'", "found unexpected end of stream"})

_FOREIGN: Final = "\x85\u2028\u2029"
"""libyaml follows YAML 1.1 and breaks lines at these; YAML 1.2, editors and people do not."""


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
    if "{{" in line or "{%" in line:
        hint = _QUOTE_TEMPLATE
    return message, hint, mark


def _character(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab cannot indent", "use spaces"
    return f"a value cannot start with {character}", "quote it"


def foreign_breaks(text: str) -> tuple[str, dict[int, int] | None]:
    """Replace the line breaks that only libyaml sees by characters the text does not have.

    The second value undoes it in a scalar (`home_breaks`); None when there was nothing to do.
    """
    if text.isascii() or not any(character in text for character in _FOREIGN):
        return text, None
    used = set(text)
    spare = (code for code in range(0xE000, 0x10FFFE) if _free(code) and chr(code) not in used)
    there = {ord(character): next(spare, ord(character)) for character in _FOREIGN}
    return text.translate(there), {stand_in: code for code, stand_in in there.items()}


def _free(code: int) -> bool:
    # Private use only: libyaml takes these for ordinary characters.
    return code <= 0xF8FF or 0xF0000 <= code <= 0xFFFFD or code >= 0x100000


def home_breaks(text: str, restore: dict[int, int]) -> str:
    """Put the characters back that `foreign_breaks` replaced."""
    return text if text.isascii() else text.translate(restore)
