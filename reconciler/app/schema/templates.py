"""Templates in the eyes of a schema: a text that has one may stand for any value."""

from __future__ import annotations

from typing import Final

from reconciler.app.schema.walk import inner
from reconciler.model.values import JSONObject
from reconciler.providers.schemas import NOT_BLANK, TEMPLATE

_TEMPLATE: Final[JSONObject] = {"type": "string", "pattern": TEMPLATE}
_OPEN: Final[JSONObject] = {"type": ["string", "null"], "pattern": TEMPLATE}
_NOTES: Final = frozenset({"title", "description", "default", "examples", "deprecated"})


def around(schema: JSONObject) -> JSONObject:
    """The schema of a value of which every part, and all of it, may be a template instead."""
    if _takes_texts(schema):
        return schema
    notes = {key: what for key, what in schema.items() if key in _NOTES}
    rest = {key: what for key, what in schema.items() if key not in _NOTES}
    choices = rest.get("anyOf", ())
    plain = [each for each in choices if each.get("type") != "null"]
    if rest.keys() == {"anyOf"} and len(plain) == 1 < len(choices):
        return {**notes, "if": _OPEN, "else": inside(plain[0])}
    return {**notes, "if": _TEMPLATE, "else": inside(rest)}


def inside(schema: JSONObject) -> JSONObject:
    """The schema of a value of which every part may be a template instead."""
    return inner(schema, around, alternatives=inside)


def _takes_texts(schema: JSONObject) -> bool:
    """Whether every text with a template is permitted anyway."""
    said = schema.keys() - _NOTES
    if not said:
        return True
    return (
        "string" in schema.get("type", ())
        and said <= {"type", *NOT_BLANK}
        and ("pattern" not in schema or schema["pattern"] == NOT_BLANK["pattern"])
    )
