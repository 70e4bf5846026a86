"""Text from outside made harmless: what cannot be seen is shown by its number."""

from __future__ import annotations

import json
import re
from typing import Final

from reconciler.model.values import JSON

_HIDDEN: Final = (
    # C0, DEL, C1: they move cursors and change colours
    "\\x00-\\x1f\\x7f-\\x9f"
    # the soft hyphen, and marks that enclose what follows them
    "\\u00ad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891\\u08e2\\U000110bd\\U000110cd\\U00013430-\\U0001345f"
    # fillers, joiners and variation selectors: two names that differ in them look the same
    "\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u3164\\uffa0\\ufe00-\\ufe0f"
    # zero width, line and paragraph ends, bidirectional controls, the byte order mark, annotations
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff0-\\ufffb\\ufffe\\uffff"
    # halves of characters, which cannot be written at all
    "\\ud800-\\udfff"
    # format controls of shorthand and music, and tags: whole sentences that nobody sees
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
)
_INVISIBLE: Final = re.compile(f"[{_HIDDEN}]")
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: str) -> str:
    """Return text that is safe on a terminal and in a log: one line, every character visible.

    Control, bidirectional, zero-width and line-separating characters appear as `\\n` or `\\u202e`.
    Applying it twice changes nothing more.
    """
    if text.isascii() and text.isprintable():  # nearly always, and much sooner known
        return text
    return _INVISIBLE.sub(_number, text)


def literal(value: JSON) -> str:
    """Return a JSON value as JSON on one line, every character visible."""
    return plain(_ENCODE(value))


def _number(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
