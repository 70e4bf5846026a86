"""The entries of a forEach: one resource each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.loading.wording import spoken
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON

MAX_ENTRIES: Final = 10_000
"""Resources that one forEach can make."""
MAX_MADE: Final = 1_000_000
"""Values that one forEach can make in all."""

_HINT: Final = "give a mapping, a list of scalars, or a list of mappings"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: the step that leads to it, and what templates see of it."""

    step: str | int
    key: JSON
    value: JSON


def entries_of(value: JSON, nodes: int) -> tuple[list[Entry], list[Violation]]:
    """Return the entries of a rendered forEach, or what is wrong with it; `nodes` are the values that each repeats."""
    entries, wrong = _entries(value)
    if len(entries) > MAX_ENTRIES or len(entries) * nodes > MAX_MADE:
        made = f"forEach makes too much: {len(entries):,} resources of {nodes:,} values"
        wrong = [Violation(("forEach",), "for-each", made, "split the document")]
    return ([] if wrong else entries), wrong


def weight(value: JSON) -> int:
    """Return how many values there are in a value, its keys among them, as a document counts its nodes."""
    if isinstance(value, dict):
        return 1 + sum(weight(key) + weight(item) for key, item in value.items())
    if isinstance(value, list):
        return 1 + sum(map(weight, value))
    return 1 + len(value) // 64 if isinstance(value, str) else 1


def _entries(value: JSON) -> tuple[list[Entry], list[Violation]]:
    if isinstance(value, dict):
        return [Entry(key, key, item) for key, item in value.items()], []
    if not isinstance(value, list):
        message = f"forEach must be a mapping or a list, is {spoken(value)}"
        return [], [Violation(("forEach",), "for-each", message, _HINT)]
    entries, wrong = [], []
    for index, item in enumerate(value):
        if item is None or isinstance(item, list):
            message = f"forEach[{index}] must be a scalar or a mapping, is {spoken(item)}"
            wrong.append(Violation(("forEach", index), "for-each", message, _HINT))
        else:
            entries.append(Entry(index, item.get("key", index) if isinstance(item, dict) else item, item))
    return entries, wrong
