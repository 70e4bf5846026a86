"""Two values side by side, so that the difference is what is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from reconciler.model.plan import Change
from reconciler.model.values import JSON, Path
from reconciler.render.escape import literal

LONGEST: Final = 100
"""Values are shown with at most about so many characters."""

_CONTEXT: Final = 20
_ITEMS: Final = 8


def difference(change: Change) -> str:
    """Return what a change does on one line, long values shortened around what differs."""
    before, after = change.before, change.after
    if _plain_list(before) and _plain_list(after):
        return _members(before, after)
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > LONGEST:
        return _texts(before, after)
    return f"{shorten(before)} -> {shorten(after)}"


def leaves(path: Path, value: JSON) -> Iterator[tuple[Path, JSON]]:
    """Yield what a value is made of, as deep as it takes for each part to fit on a line."""
    if not isinstance(value, (dict, list)) or _plain_list(value) or len(literal(value)) <= LONGEST - _CONTEXT:
        yield path, value
        return
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves((*path, key), part)


def shorten(value: JSON) -> str:
    """Return a value on one line, absence as `(none)`; a long one without its middle, with its length."""
    text = "(none)" if value is None else literal(value)
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2 - 3
    size = f"{len(value):,} characters" if isinstance(value, str) else f"{len(text):,} characters of JSON"
    return f"{text[:half]} ... {text[-half:]} ({size})"


def _plain_list(value: JSON) -> bool:
    return isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value)


def _members(before: list[JSON], after: list[JSON]) -> str:
    """What a list of scalars gains and loses, or both lists when only their order differs."""
    old, new = Counter(map(literal, before)), Counter(map(literal, after))
    gone, come = list((old - new).elements()), list((new - old).elements())
    if not gone and not come:
        return f"{shorten(before)} -> {shorten(after)} (another order)"
    return "; ".join([*_some("added", come), *_some("removed", gone)]) + f" ({len(before)} -> {len(after)})"


def _some(word: str, items: list[str]) -> list[str]:
    if not items:
        return []
    shown = [item if len(item) <= LONGEST else f"{item[: LONGEST - 4]} ..." for item in items[:_ITEMS]]
    more = f" and {len(items) - _ITEMS:,} more" if len(items) > _ITEMS else ""
    return [f"{word} {', '.join(shown)}{more}"]


def _texts(before: str, after: str) -> str:
    """Two long texts, each around the first and the last character in which they differ."""
    start = _shared(before, after)
    room = min(len(before), len(after)) - start
    tail = min(_shared(before[::-1], after[::-1]), room)
    return f"{_window(before, start, tail)} -> {_window(after, start, tail)}"


def _shared(left: str, right: str) -> int:
    """With how many characters both begin."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(left), len(right)))


def _window(text: str, start: int, tail: int) -> str:
    first, last = max(0, start - _CONTEXT), min(len(text), len(text) - tail + _CONTEXT)
    left, right = "... " if first else "", " ..." if last < len(text) else ""
    part = text[first:last]
    if len(part) > LONGEST:
        half = LONGEST // 2
        return f"{left}{literal(part[:half])} ... {literal(part[-half:])}{right} ({len(text):,} characters)"
    return f"{left}{literal(part)}{right} ({len(text):,} characters)"
