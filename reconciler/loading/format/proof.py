"""Whether a text still says what it said: equal data of every document, types included, equal comments and anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from reconciler.loading.format.scan import marks, pieces
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Source
from reconciler.model.values import JSON

_COMMENTS: Final = "comments"

Marks: TypeAlias = Sequence[tuple[str, str]]


def difference(data: Sequence[JSON], had: Marks, text: str, *, moved: bool = False) -> str:
    """Compare a text with the data its documents must have, and its comments, anchors, aliases and tags with those
    it must have.  Returns what formatting would do wrong; empty when nothing.

    `moved` says that the keys of roots may have changed places, and what belongs to them with them.
    """
    after = list(documents(Source("", text)))
    if len(after) != len(data) or any(document.problems for document in after):
        return "would break it"
    for number, (wanted, document) in enumerate(zip(data, after, strict=True), 1):
        if _exact(wanted, moved=moved) != _exact(document.data, moved=moved):
            return f"would change the values of its document {number}"
    has = list(marks(pieces(text)))
    if moved:
        had, has = sorted(had), sorted(has)
    if had != has:
        differing = next((old[0] for old, new in zip(had, has, strict=False) if old != new), _COMMENTS)
        return f"would change its {differing}"
    return ""


def _exact(data: JSON, *, moved: bool) -> object:
    """What is equal only for equal values of equal types in equal order."""
    if moved and isinstance(data, dict):
        return {key: repr(value) for key, value in data.items()}
    return repr(data)
