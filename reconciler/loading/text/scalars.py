"""Plain YAML scalars by the YAML 1.2 core schema, minus the surprises for ids."""

from __future__ import annotations

import math
import re
from typing import Final

from reconciler.model.values import JSON

STARTS: Final = frozenset("+-.0123456789nNtTfF~")
"""What a plain scalar that is not a string can start with."""

_NUMBER_STARTS: Final = frozenset("+-.0123456789")

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
# No leading zeros, and an exponent only with a dot or a sign: `007` and `12e5` are ids far more often than numbers.
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[1-9][0-9]*[eE][-+][0-9]+")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class UnsafeNumber(ValueError):
    """A number that JSON cannot carry exactly; the text is a sentence, `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def resolve(text: str) -> JSON:
    """Return what a plain scalar means: null, a boolean, a number, or the text itself.

    Timestamps, `yes`, `no`, `on`, `off`, `12:30`, `1_000`, `007` and `12e5` are text.
    Raises UnsafeNumber for integers beyond 2**53-1 and for what is not a finite number.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _BASED.fullmatch(text):
        return _integer(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return number
    elif not _NOT_FINITE.fullmatch(text):
        return text
    raise UnsafeNumber(f"{text[:40]} is not a number that can be sent", "quote it if it is text")


def _integer(text: str, base: int) -> int:
    # The length is looked at first: turning a million digits into a number takes minutes.
    number = int(text, base) if len(text) <= 24 else None
    if number is None or abs(number) > MAX_INTEGER:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise UnsafeNumber(
            f"{shown} is beyond 2^53-1 and would lose digits on the way",
            "quote it if it is an id" if number is None else f'quote it if it is an id: "{text}"',
        )
    return number
