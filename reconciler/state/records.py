"""Frozen dataclasses to plain JSON and back, by the annotations of their fields.

A field that equals its default is left out; everything else is written under its own name.  Reading is
strict: a field of the wrong type is damage, a field or a word nobody knows was written by a newer version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, TypeVar, cast

from reconciler.model.entry import Holder
from reconciler.model.errors import StateError
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.plan import Action
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Lease, Resource, RunState
from reconciler.model.values import JSON, Address, JSONObject

T = TypeVar("T")

_REQUIRED: Any = object()
"""Stands for the default of a field that has none; equal to nothing a field can hold."""


def damaged(what: str) -> StateError:
    """Return the error for bytes or entries that this program cannot have written."""
    return StateError(f"The log is damaged: {what}.", "Nothing was changed. Restore the state from a copy.")


def newer(what: str) -> StateError:
    """Return the error for what only a later version of this program can have written."""
    return StateError(
        f"The log was written by a newer version of the program: {what}.",
        "Nothing was changed. Install the version that wrote it, or a later one.",
    )


class _Form(NamedTuple):
    """How values of one annotation are written and read; those of the types `plain` stay as they are."""

    encode: Callable[[Any], JSON]
    decode: Callable[[JSON], Any]
    plain: tuple[type, ...] = ()


class _Field(NamedTuple):
    name: str
    form: _Form
    default: Callable[[], Any]


def _same(value: Any) -> JSON:
    return value


def _plain(*types: type) -> _Form:
    names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)

    def decode(value: JSON) -> JSON:
        raise damaged(f"{value!r:.80} stands where {names} belongs")

    return _Form(_same, decode, types)


def _mapping(of: type) -> _Form:
    def decode(value: JSON) -> JSON:
        if type(value) is not dict or any(type(item) is not of for item in value.values()):
            raise damaged(f"{value!r:.80} stands where a mapping to {of.__name__} belongs")
        return value

    return _Form(dict, decode)


def _word(kind: type[Enum]) -> _Form:
    def decode(value: JSON) -> Enum:
        try:
            return kind(value)
        except ValueError as error:
            raise newer(f"{value!r:.80} is no {kind.__name__} that this version knows") from error

    return _Form(lambda value: value.value, decode)


def _record(kind: type) -> _Form:
    return _Form(encode, lambda value: decode(kind, value))


def _optional(form: _Form) -> _Form:
    return _Form(
        lambda value: None if value is None else form.encode(value),
        lambda value: None if value is None else form.decode(value),
    )


def _many(kind: type) -> _Form:
    def read(value: JSON) -> Any:
        if type(value) is not list:
            raise damaged(f"{value!r:.80} stands where a list of {kind.__name__} belongs")
        return [decode(kind, item) for item in value]

    return _Form(lambda value: [encode(item) for item in value], read)


def _words(value: JSON) -> list[str]:
    if type(value) is not list or any(type(item) is not str for item in value):
        raise damaged(f"{value!r:.80} stands where a list of str belongs")
    return value


def _table(value: JSON) -> dict[str, dict[str, str]]:
    inner = _mapping(str).decode
    if type(value) is not dict:
        raise damaged(f"{value!r:.80} stands where a mapping to mappings belongs")
    return {name: inner(found) for name, found in value.items()}


def _address(value: JSON) -> Address:
    try:
        return _parsed(value)
    except (ValueError, AttributeError, TypeError) as error:
        raise damaged(f"{value!r:.80} is no address") from error


@lru_cache(maxsize=200_000)
def _parsed(text: str) -> Address:
    """Addresses come again and again: each is read once, and is one object."""
    return Address.parse(text)


@cache
def _forms() -> Mapping[str, _Form]:
    """How each annotation is written; a field with any other annotation fails at its first use."""
    return {
        "str": _plain(str),
        "str | None": _plain(str, type(None)),
        "int": _plain(int),
        "int | None": _plain(int, type(None)),
        "bool": _plain(bool),
        "JSON": _Form(_same, _same),
        "JSONObject": _plain(dict),
        "JSONObject | None": _plain(dict, type(None)),
        "Mapping[str, str]": _mapping(str),
        "Mapping[str, int]": _mapping(int),
        "list[str]": _Form(list, _words),
        "dict[str, dict[str, str]]": _Form(dict, _table),
        "Address": _Form(str, _address),
        "Action": _word(Action),
        "OnRemove": _word(OnRemove),
        "RunState": _word(RunState),
        "Lifecycle": _record(Lifecycle),
        "Holder": _record(Holder),
        "ExportRun | None": _optional(_record(ExportRun)),
        "Lease | None": _optional(_record(Lease)),
        "list[Resource]": _many(Resource),
        "list[ExportRecord]": _many(ExportRecord),
        "list[Doubt]": _many(Doubt),
    }


_SHAPES: Final[dict[type, tuple[_Field, ...]]] = {}


def _shape(kind: type) -> tuple[_Field, ...]:
    found = _SHAPES.get(kind)
    if found is None:
        found = _SHAPES[kind] = tuple(_field(item) for item in fields(kind))
    return found


def _field(item: Any) -> _Field:
    default = item.default_factory
    if default is MISSING:
        value = _REQUIRED if item.default is MISSING else item.default

        def default() -> Any:
            return value

    return _Field(item.name, _forms()[item.type], default)


def encode(record: Any) -> JSONObject:
    """Return a dataclass of `model` as plain JSON; fields that equal their default are left out."""
    written: JSONObject = {}
    for name, form, default in _shape(type(record)):
        value = getattr(record, name)
        if value != default():
            written[name] = form.encode(value)
    return written


def decode(kind: type[T], data: JSON) -> T:
    """Return the dataclass that `encode` wrote; raises StateError for what it cannot have written."""
    if type(data) is not dict:
        raise damaged(f"{data!r:.80} stands where a {kind.__name__} belongs")
    values: list[Any] = []
    left = len(data)
    for name, form, default in _shape(kind):
        if name in data:
            left -= 1
            value = data[name]
            values.append(value if type(value) in form.plain else form.decode(value))
        else:
            value = default()
            if value is _REQUIRED:
                raise damaged(f"a {kind.__name__} lacks {name!r}")
            values.append(value)
    if left:
        unknown = min(data.keys() - {name for name, _, _ in _shape(kind)})
        raise newer(f"a {kind.__name__} has a field {unknown!r} that this version does not know")
    return cast("Callable[..., T]", kind)(*values)
