"""The difference of two JSON objects as changes, and the way back."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.plan import Change
from reconciler.model.values import JSON, JSONObject, Path


def same(left: JSON, right: JSON) -> bool:
    """Whether two JSON values mean the same: 1 and 1.0 do, 1 and true do not."""
    if left is right:
        return True
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(key in right and same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def diff(before: JSONObject, after: JSONObject) -> tuple[Change, ...]:
    """Return the changes that lead from `before` to `after`, ordered by path; () when they mean the same.

    None on a side means absent.  Objects are compared key by key, lists of objects element by element
    (they grow and shrink at the end), everything else is replaced whole.  An object in which a null
    comes, goes or changes is replaced whole too, because a change of that key alone could not be told
    from one of an absent key.
    """
    return () if same(before, after) else tuple(_value((), before, after))


def apply(changes: Iterable[Change], before: JSONObject) -> JSONObject:
    """Return what changes made by `diff` lead to: `apply(diff(a, b), a)` means the same as `b`.

    `before` stays as it is.  A list element that goes takes those behind it along.
    """
    value: JSON = before
    for change in changes:
        value = _put(value, change.path, change.after)
    result: JSONObject = value
    return result


def _value(path: Path, before: JSON, after: JSON) -> list[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        changes = _keys(path, before, after)
        return [Change(path, before, after)] if changes is None else changes
    if _holds_objects(before) and _holds_objects(after):
        return _elements(path, before, after)
    return [] if same(before, after) else [Change(path, before, after)]


def _keys(path: Path, before: JSONObject, after: JSONObject) -> list[Change] | None:
    """The changes key by key, None where a null makes that ambiguous."""
    changes: list[Change] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if (old is None and key in before) != (new is None and key in after):
            return None
        if old is not None and new is not None:
            changes += _value((*path, key), old, new)
        elif old is not new:
            changes.append(Change((*path, key), old, new))
    return changes


def _holds_objects(value: JSON) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _elements(path: Path, before: list[JSONObject], after: list[JSONObject]) -> list[Change]:
    changes: list[Change] = []
    shared = min(len(before), len(after))
    for index in range(shared):
        changes += _value((*path, index), before[index], after[index])
    changes += [Change((*path, index), before[index], None) for index in range(shared, len(before))]
    changes += [Change((*path, index), None, after[index]) for index in range(shared, len(after))]
    return changes


def _put(value: JSON, path: Path, after: JSON) -> JSON:
    if not path:
        return after
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        if after is None and not rest:
            return {kept: item for kept, item in value.items() if kept != key}
        return {**value, key: _put(value.get(key), rest, after)}
    index = int(key)
    if after is None and not rest:
        return value[:index]
    return [*value[:index], _put(value[index] if index < len(value) else None, rest, after), *value[index + 1 :]]
