"""Frozen dataclasses to plain JSON and back, by the annotations of their fields.

A field that equals its default is left out; everything else is written under its own name.  Reading is
strict: a field of the wrong type is damage, a field or a word nobody knows was written by a newer version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from enum import Enum
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar, cast

from reconciler.model.entry import Holder
from reconciler.model.errors import StateError
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.plan import Action
from reconciler.model.recorded import ExportRun, RunState
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
    encode: Callable[[Any], JSON]
    decode: Callable[[JSON], Any]


class _Field(NamedTuple):
    name: str
    form: _Form
    default: Callable[[], Any]


def _same(value: Any) -> JSON:
    return value


def _plain(*types: type) -> _Form:
    names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)

    def decode(value: JSON) -> JSON:
        if type(value) not in types:
            raise damaged(f"{value!r:.80} stands where {names} belongs")
        return value

    return _Form(_same, decode)


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


def _address(value: JSON) -> Address:
    try:
        return Address.parse(value)
    except (ValueError, AttributeError) as error:
        raise damaged(f"{value!r:.80} is no address") from error


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
        "Address": _Form(str, _address),
        "Action": _word(Action),
        "OnRemove": _word(OnRemove),
        "RunState": _word(RunState),
        "Lifecycle": _record(Lifecycle),
        "Holder": _record(Holder),
        "ExportRun | None": _optional(_record(ExportRun)),
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
    values: dict[str, Any] = {}
    for name, form, default in _shape(kind):
        if name in data:
            values[name] = form.decode(data[name])
        else:
            values[name] = default()
            if values[name] is _REQUIRED:
                raise damaged(f"a {kind.__name__} lacks {name!r}")
    if len(data) > len(values) or not data.keys() <= values.keys():
        unknown = min(data.keys() - values.keys())
        raise newer(f"a {kind.__name__} has a field {unknown!r} that this version does not know")
    return cast("Callable[..., T]", kind)(**values)
