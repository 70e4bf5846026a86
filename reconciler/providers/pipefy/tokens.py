"""The words of filter expressions: what stands in the text, from where up to where.

Belongs to `expression`, whose docstring has the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

Place: TypeAlias = tuple[int, int]
"""From where up to where in the text."""

Note: TypeAlias = Callable[[Place, str, str], None]
"""Takes what is wrong: the place, a sentence, and what to do."""

RESERVED: Final = frozenset({"and", "or", "not", "in"})
"""Words that are never a field or a value unless they are quoted."""

WORD: Final = re.compile(r"[\w.@:/+%-]+")
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
"""The escapes of one letter."""

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+)
    | (?P<word>[\w.@:/+%-]+)
    | (?P<text>'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")
    | (?P<sign>[=!<>&|]+)
    | (?P<mark>[(),])
    | (?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_BRACKETS: Final = {"[": "(", "]": ")", "{": "(", "}": ")"}
_CURLED: Final = frozenset("“”„‘’‚«»`´")


@dataclass(frozen=True, slots=True)
class Token:
    """One word.  `kind` is `word`, `text` (quoted), `sign`, `end`, or the mark itself; `value` is what it says."""

    kind: str
    value: str
    place: Place

    @property
    def low(self) -> str:
        """The word in lower case, empty for everything that is not a bare word."""
        return self.value.lower() if self.kind == "word" else ""

    @property
    def sign(self) -> str:
        """The sign, empty for everything else."""
        return self.value if self.kind == "sign" else ""

    @property
    def is_value(self) -> bool:
        """Whether it can be a field or a value."""
        return self.kind == "text" or (self.kind == "word" and self.low not in RESERVED)


def split(text: str, note: Note) -> list[Token]:
    """Return the words of a text, the last one of the kind `end`; everything that is no word is noted."""
    tokens: list[Token] = []
    for found in _TOKEN.finditer(text):
        kind, written, place = str(found.lastgroup), found[0], found.span()
        if kind == "other" and written in "'\"":
            note((found.start(), len(text)), f"this quote {written} is never closed", _unclosed(tokens, place, written))
            tokens.append(Token("text", "", (found.start(), len(text))))
            break
        if kind == "other":
            kind, written = _stranger(written, place, note)
        if kind == "mark":
            tokens.append(Token(written, written, place))
        elif kind == "text":
            tokens.append(Token("text", _unquoted(written, found.start(), note), place))
        elif kind == "word" and tokens and tokens[-1].kind == "word" and tokens[-1].place[1] == place[0]:
            before = tokens.pop()
            tokens.append(Token("word", before.value + written, (before.place[0], place[1])))
        elif kind != "blank":
            tokens.append(Token(kind, written, place))
    tokens.append(Token("end", "", (len(text), len(text))))
    return tokens


def _stranger(written: str, place: Place, note: Note) -> tuple[str, str]:
    """Note a character that means nothing, and return what stands in for it."""
    if written in _BRACKETS:
        note(place, f"{written} means nothing in a filter expression", "write in (…) for a list, ( ) around a group")
        return "mark", _BRACKETS[written]
    if written in _CURLED:
        note(place, f"{written} is not a quote that computers know", "write ' or \"")
    elif written == "\\":
        note(place, "a backslash can stand in quoted texts only", "quote the text, and write \\\\ for a backslash")
    elif written.isprintable():
        note(place, f"{written} can stand in quoted texts only", f"quote the text: '…{written}…'")
    else:
        note(place, f"a control character (U+{ord(written):04X}) can stand in quoted texts only", "remove it")
    return "word", written


def _unclosed(tokens: list[Token], place: Place, quote: str) -> str:
    if tokens and tokens[-1].kind == "word" and tokens[-1].place[1] == place[0]:
        other = '"' if quote == "'" else "'"
        return f"put all of the text into quotes: {other}{tokens[-1].value}{quote}…{other}"
    return f"add {quote} where the text ends"


def _unquoted(written: str, start: int, note: Note) -> str:
    """What a quoted text says."""

    def read(found: re.Match[str]) -> str:
        place = (start + 1 + found.start(), start + 1 + found.end())
        if found[1] is not None:
            character = chr(int(found[1], 16))
            if "\ud800" <= character <= "\udfff":
                note(place, f"{found[0]} is only half a character", "write the character itself")
            return character
        if found[2] not in ESCAPES:
            message = "\\u needs four hexadecimal digits" if found[2] == "u" else f"{found[0]} is not an escape"
            note(place, message, "write \\\\ for a backslash; the escapes are \\\\ \\' \\\" \\n \\r \\t \\uXXXX")
        return ESCAPES.get(found[2], found[2])

    return _ESCAPE.sub(read, written[1:-1])
