"""Small wordings that several renderings share."""

from __future__ import annotations

from typing import Final

_STYLES: Final = {"red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36", "bold": "1"}


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`, `1,000 errors`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def paint(text: str, style: str, *, color: bool) -> str:
    """Dress text for a terminal; as it is without color."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and text else text
