"""Regular expressions that cannot take long: an automaton instead of backtracking.

The common part of ECMA-262, which JSON Schema names: no look-around, no back-references, no word
boundaries.  `\\d`, `\\w` and `\\s` are ASCII; `$` is the very end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

MAX_PATTERN: Final = 200
"""Characters of a pattern."""
MAX_TEXT: Final = 10_000
"""Characters of a text that is matched."""
_MAX_STATES: Final = 2_000
_MAX_GROUPS: Final = 20

_Ranges: TypeAlias = tuple[tuple[str, str], ...]

_CLASSES: Final[dict[str, _Ranges]] = {
    "d": (("0", "9"),),
    "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")),
    "s": (("\t", "\r"), (" ", " "), ("\xa0", "\xa0"), ("\u2028", "\u2029"), ("\ufeff", "\ufeff")),
}
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_NEWLINES: Final[_Ranges] = (("\n", "\n"), ("\r", "\r"), ("\u2028", "\u2029"))
_NUMBERED = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,5})\}")
_REPEAT = re.compile(r"([*+?])|\{(\d{1,4})(,?)(\d{0,4})\}")
_ESCAPE_IT: Final = "escape it with a backslash if it is meant as such"
_LAST: Final = "\U0010ffff"


class PatternError(ValueError):
    """A pattern that is wrong or says more than is understood; a sentence, and a hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Set:
    """One character out of these."""

    ranges: _Ranges

    def has(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class _Edge:
    """The start or the end of the text."""

    start: bool


@dataclass(frozen=True, slots=True)
class _Repeat:
    """A part so many times; `most` None means without end."""

    part: _Part
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class _Sequence:
    parts: tuple[_Part, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    parts: tuple[_Part, ...]


_Part: TypeAlias = "_Set | _Edge | _Repeat | _Sequence | _Choice"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern.  State 0 is the start; `ways` leads to the states that need no character."""

    takes: dict[int, tuple[_Set, int]]
    ways: dict[int, tuple[tuple[_Edge | None, int], ...]]
    final: int

    def found_in(self, text: str, spend: Callable[[int], None]) -> bool:
        """Whether some part of the text matches.  `spend` is told how much work it is, and may raise."""
        spend(3)
        states = self._closed((0,), start=True, end=not text)
        for position, character in enumerate(text, 1):
            if self.final in states:
                return True
            spend(2 + len(states) // 3)
            reached = {0}
            for state in states:
                wanted = self.takes.get(state)
                if wanted is not None and wanted[0].has(character):
                    reached.add(wanted[1])
            states = self._closed(reached, start=False, end=position == len(text))
        return self.final in states

    def _closed(self, states: Iterable[int], *, start: bool, end: bool) -> set[int]:
        seen = set(states)
        pending = list(seen)
        while pending:
            for edge, target in self.ways.get(pending.pop(), ()):
                passes = edge is None or (start if edge.start else end)
                if passes and target not in seen:
                    seen.add(target)
                    pending.append(target)
        return seen


@lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """Compile a pattern; raises PatternError."""
    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern can have {MAX_PATTERN} characters, this one has {len(text):,}", "shorten it")
    return _Builder().built(_Reader(text).whole())


@dataclass(slots=True)
class _Builder:
    takes: dict[int, tuple[_Set, int]] = field(default_factory=dict)
    ways: dict[int, list[tuple[_Edge | None, int]]] = field(default_factory=dict)
    states: int = 1

    def built(self, part: _Part) -> Pattern:
        final = self._add(part, 0)
        return Pattern(self.takes, {state: tuple(ways) for state, ways in self.ways.items()}, final)

    def _new(self) -> int:
        self.states += 1
        if self.states > _MAX_STATES:
            raise PatternError("the pattern is too big once its repetitions are written out", "repeat less often")
        return self.states - 1

    def _way(self, source: int, target: int, edge: _Edge | None = None) -> None:
        self.ways.setdefault(source, []).append((edge, target))

    def _add(self, part: _Part, source: int) -> int:
        """Add what leads from a state through a part; return the state behind it."""
        if isinstance(part, _Sequence):
            for each in part.parts:
                source = self._add(each, source)
            return source
        if isinstance(part, _Repeat):
            return self._repeated(part, source)
        target = self._new()
        if isinstance(part, _Set):
            # A state of its own: the one before it may have other ways out.
            taker = self._new()
            self._way(source, taker)
            self.takes[taker] = (part, target)
        elif isinstance(part, _Edge):
            self._way(source, target, part)
        else:
            for each in part.parts:
                self._way(self._add(each, source), target)
        return target

    def _repeated(self, repeat: _Repeat, source: int) -> int:
        for _ in range(repeat.least):
            source = self._add(repeat.part, self._behind(source))
        if repeat.most is None:
            source = self._behind(source)
            self._way(self._add(repeat.part, source), source)
            return self._behind(source)
        ends = [source]
        for _ in range(repeat.most - repeat.least):
            source = self._add(repeat.part, self._behind(source))
            ends.append(source)
        target = self._new()
        for end in ends:
            self._way(end, target)
        return target

    def _behind(self, source: int) -> int:
        state = self._new()
        self._way(source, state)
        return state


class _Reader:
    """Reads a pattern's text."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def whole(self) -> _Part:
        part = self._choice()
        if self._at < len(self._text):
            raise PatternError("the pattern has a ) without its (", _ESCAPE_IT)
        return part

    def _next(self, text: str) -> bool:
        """Step over a text when it comes next."""
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _take(self) -> str:
        if self._at == len(self._text):
            raise PatternError("the pattern ends too early", "close its brackets; a backslash needs a character")
        self._at += 1
        return self._text[self._at - 1]

    def _choice(self) -> _Part:
        parts = [self._sequence()]
        while self._next("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeatable())
        return _Sequence(tuple(parts))

    def _repeatable(self) -> _Part:
        part = self._atom(self._take())
        found = _REPEAT.match(self._text, self._at)
        if found is None:
            return part
        if isinstance(part, _Edge):
            raise PatternError("^ and $ cannot be repeated", _ESCAPE_IT)
        self._at = found.end()
        self._next("?")  # lazy: which match is found does not matter, only whether there is one
        if found[1]:
            return _Repeat(part, int(found[1] == "+"), 1 if found[1] == "?" else None)
        least = int(found[2])
        most = (int(found[4]) if found[4] else None) if found[3] else least
        if most is not None and most < least:
            raise PatternError(f"{found[0]} asks for more than it permits", "write the smaller number first")
        return _Repeat(part, least, most)

    def _atom(self, character: str) -> _Part:
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return _Set(self._escaped())
        if character in "^$":
            return _Edge(character == "^")
        if character == ".":
            return _Set(_others(_NEWLINES))
        if character in "*+?{}]":
            raise PatternError(f"{character} stands where it means nothing", _ESCAPE_IT)
        return _Set(((character, character),))

    def _group(self) -> _Part:
        self._depth += 1
        if self._depth > _MAX_GROUPS:
            raise PatternError("the pattern's groups are nested too deep", "make it simpler")
        if not self._next("?:") and self._next("?"):
            raise PatternError("patterns have no look-around and no named groups here", "use ( ) or (?: )")
        part = self._choice()
        if self._take() != ")":
            raise PatternError("the pattern has a ( without its )", _ESCAPE_IT)
        self._depth -= 1
        return part

    def _class(self) -> _Set:
        negated = self._next("^")
        ranges: list[tuple[str, str]] = []
        while (character := self._take()) != "]":
            low = self._member(character)
            if not self._text.startswith("-", self._at) or self._text.startswith("-]", self._at):
                ranges.extend(low)
                continue
            self._take()
            high = self._member(self._take())
            if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
                raise PatternError("a range goes from one character to another", "write a - at the end of the [ ]")
            if low[0][0] > high[0][0]:
                raise PatternError(f"the range {low[0][0]}-{high[0][0]} goes backwards", "turn it around")
            ranges.append((low[0][0], high[0][0]))
        if not ranges:
            raise PatternError("[ ] must have at least one character", "write the characters into it")
        return _Set(_others(tuple(ranges)) if negated else tuple(ranges))

    def _member(self, character: str) -> _Ranges:
        return self._escaped() if character == "\\" else ((character, character),)

    def _escaped(self) -> _Ranges:
        """Read what follows a backslash."""
        numbered = _NUMBERED.match(self._text, self._at)
        if numbered is not None:
            self._at = numbered.end()
            character = chr(int(numbered[1] or numbered[2] or numbered[3], 16))
            return ((character, character),)
        character = self._take()
        if character.lower() in _CLASSES:
            ranges = _CLASSES[character.lower()]
            return ranges if character.islower() else _others(ranges)
        if character.isalnum() and character not in _CONTROLS:
            raise PatternError(f"\\{character} is not understood here", "use characters, [ ], \\d, \\w or \\s")
        character = _CONTROLS.get(character, character)
        return ((character, character),)


def _others(ranges: _Ranges) -> _Ranges:
    """Return every character that is not among these."""
    rest: list[tuple[str, str]] = []
    code = 0
    for low, high in sorted(ranges):
        if ord(low) > code:
            rest.append((chr(code), chr(ord(low) - 1)))
        code = max(code, ord(high) + 1)
    return (*rest, (chr(code), _LAST)) if code <= ord(_LAST) else tuple(rest)
