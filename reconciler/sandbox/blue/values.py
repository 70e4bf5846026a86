"""Instants, ids and other small things that everything here is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from reconciler.sandbox.store import Store

Doc: TypeAlias = dict[str, Any]
"""One stored document, or a part of one."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def instant(moment: datetime) -> str:
    """Spell a moment as Blue does: UTC with milliseconds, `2026-05-28T09:14:22.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """Read an ISO 8601 instant, UTC where it names no zone; raises ValueError (TypeError for no text)."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def new_ids(store: Store, now: datetime) -> tuple[str, str]:
    """Return a fresh id of 25 characters, cuid-like, and a fresh short public id."""
    number = store.next("blue_id")
    noise = int(hashlib.sha256(f"blue {number}".encode()).hexdigest(), 16)
    stamp = _base36(int(now.timestamp() * 1000), 8)
    return f"c{stamp}{_base36(number, 6)}{_base36(noise, 10)}", _base36(noise // 36**10, 4) + _base36(number, 6)


def _base36(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def by_id_or_slug(docs: Sequence[Doc], key: str | None) -> Doc | None:
    """Return the document of that id, else of that slug, else None."""
    same_id = (doc for doc in docs if doc["id"] == key)
    return next(same_id, None) or next((doc for doc in docs if doc["slug"] == key), None)


def page(items: Sequence[Any], skip: int | None, take: int | None) -> list[Any]:
    """Cut a page out; negative numbers count as 0 (no page says), None for `take` as no end."""
    first = max(skip or 0, 0)
    return list(items[first : None if take is None else first + max(take, 0)])
