"""YAML 1.2 for libyaml, which follows YAML 1.1: what it would misread is spelled otherwise, and read back.

Every change keeps the number of characters, so that places stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from yaml.error import MarkedYAMLError

MAX_CHANGES: Final = 100_000
"""How often one thing is spelled otherwise in one file."""

_FOREIGN: Final = "\x85\u2028\u2029"
"""libyaml breaks lines at these; YAML 1.2, editors and people do not."""

_PRIVATE: Final = re.compile(r"\\(?:u([eEfF][0-9a-fA-F]{3})|U00(0[fF][0-9a-fA-F]{4}|10[0-9a-fA-F]{4}))")
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_BLANK: Final = re.compile(r"(?<![^\r\n])[ \t]*\t[ \t]*(?![^\r\n])")
_QUESTION: Final = re.compile(r"\?(?![\s,\[\]{}])")

_HALF: Final = "found invalid Unicode character escape code"
_TABS: Final = ("found character that cannot start any token", "found a tab character that violates indentation")


class Misread(Exception):
    """A text that libyaml took for something else, and whose meaning it does not tell; `index` is its place."""

    def __init__(self, message: str, hint: str, index: int) -> None:
        super().__init__(message)
        self.message, self.hint, self.index = message, hint, index


class Spelling:
    """A text as libyaml is given it, and the way back to what was written."""

    def __init__(self, text: str) -> None:
        self._written = text
        self.text = text if text.endswith(("\n", "\r")) else text + "\n"  # the last line may lack its end
        self._free: Iterator[str] | None = None
        self._breaks: dict[int, str] = {}
        self._halves: dict[str, str] = {}
        self._blanks = False
        self._questions = _QUESTION.search(text) is not None
        if not text.isascii():
            self._breaks = {ord(spare): own for own in _FOREIGN if own in text and (spare := self._spare())}
            self.text = self.text.translate({ord(own): spare for spare, own in self._breaks.items()})

    @property
    def as_written(self) -> bool:
        """Whether every text without an anchor is what libyaml says."""
        return not (self._questions or self._breaks or self._halves or self._blanks or "\ufeff" in self._written)

    def otherwise(self, error: MarkedYAMLError) -> bool:
        """Whether there is another spelling, now in `text`, for what libyaml has just refused."""
        if error.problem == _HALF and not self._halves:
            return self._pair()
        if error.problem in _TABS and not self._blanks:
            blanks = _BLANK.sub(lambda blank: " " * len(blank[0]), self.text, count=MAX_CHANGES)
            self._blanks = blanks != self.text
            self.text = blanks
            return self._blanks
        return False

    def value(self, event: Any) -> str:
        """Return the text of a scalar as it was written; raises Misread."""
        value: str = event.value
        begin: int = event.start_mark.index
        if self._questions and begin and self._written[begin - 1 : begin] == "?":
            raise Misread(
                "a text cannot start with `?` here", "quote it, or put a blank behind a `?` of YAML", begin - 1
            )
        if event.anchor is not None and value[:1] in (":", "?"):
            name = f"&{event.anchor}{value[0]}"
            if name in self._written[begin : event.end_mark.index]:
                raise Misread(f"the name of an anchor ends before `{value[0]}`", "use letters, digits, `_`, `-`", begin)
        if self._blanks and event.style in ("|", ">"):
            tab = _BLANK.search(self._written, begin, event.end_mark.index)
            if tab is not None:
                raise Misread("a blank line of this text has a tab", "use spaces", tab.start())
        if value.isascii() and not (self._halves and "\\" in value):
            return value
        if "\ufeff" in value and event.style in (None, ""):
            index = self._written.find("\ufeff", begin)
            raise Misread("there is a byte order mark in the text, which nobody sees", "remove it", index)
        if self._breaks:
            value = value.translate(self._breaks)
        return self._unpair(value, quoted=event.style == '"') if self._halves else value

    def _spare(self) -> str:
        """Return a character that the text has nowhere, not as an escape either; empty when there is none.

        Private use only: libyaml takes these for ordinary characters.
        """
        if self._free is None:
            used = set(self._written) | {chr(int(code[1] or code[2], 16)) for code in _PRIVATE.finditer(self._written)}
            private = chain(range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))
            self._free = (chr(code) for code in private if chr(code) not in used)
        return next(self._free, "")

    def _pair(self) -> bool:
        r"""Write both halves of characters like `\ud83d\ude00`, as JSON does, with characters that libyaml takes."""

        def respelled(pair: re.Match[str]) -> str:
            return f"{pair[1]}\\u{self._half(pair[2])}\\u{self._half(pair[3])}"

        self.text = _PAIR.sub(respelled, self.text, count=MAX_CHANGES)
        return bool(self._halves)

    def _half(self, spelled: str) -> str:
        """Return the code that stands for half a character; for itself where none of four digits is left."""
        if spelled not in self._halves:
            spare = self._spare()
            self._halves[spelled] = f"{ord(spare):04x}" if spare and ord(spare) <= 0xFFFF else spelled
        return self._halves[spelled]

    def _unpair(self, value: str, *, quoted: bool) -> str:
        """Put the characters back; outside double quotes, the escapes, which are none there."""
        if not quoted:
            written = {code: spelled for spelled, code in self._halves.items()}
            return re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda code: written.get(code[0], code[0]), value)
        halves = {int(code, 16): int(spelled, 16) for spelled, code in self._halves.items()}
        return value.translate(halves).encode("utf-16", "surrogatepass").decode("utf-16")
