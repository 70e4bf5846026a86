"""Ways through JSON Schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from reconciler.model.values import JSON, JSONObject

_MAPS: Final = ("properties", "$defs")
_LISTS: Final = ("anyOf",)
_ONE: Final = ("items", "additionalProperties")

Change = Callable[[JSONObject], JSONObject]


def inner(schema: JSONObject, change: Change, *, alternatives: Change | None = None) -> JSONObject:
    """Return a copy with the schemas of all values changed; rules about several fields stay as they are.

    `alternatives` is for the schemas that are about the value itself, `change` unless it is given.
    """
    made = dict(schema)
    for key, what in schema.items():
        if key in _MAPS:
            made[key] = {name: change(each) for name, each in what.items()}
        elif key in _LISTS:
            made[key] = [(alternatives or change)(each) for each in what]
        elif key in _ONE and isinstance(what, dict):
            made[key] = change(what)
    return made


def prefixed(value: JSON, prefix: str) -> JSON:
    """Return a copy in which every reference leads to a definition with a prefix."""
    if isinstance(value, dict):
        return {
            key: what.replace("#/$defs/", f"#/$defs/{prefix}", 1) if key == "$ref" else prefixed(what, prefix)
            for key, what in value.items()
        }
    return [prefixed(each, prefix) for each in value] if isinstance(value, list) else value


def resolved(schema: JSONObject, definitions: Mapping[str, JSONObject]) -> JSONObject:
    """Follow the reference of a schema, or that of the one alternative which is not null.

    What stands beside the reference wins over what it leads to.
    """
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        found = resolved(choices[0], definitions)
        beside = {key: what for key, what in schema.items() if key != "anyOf"}
        return {**found, **beside}
    if "$ref" in schema:
        found = resolved(definitions[str(schema["$ref"]).rpartition("/")[2]], definitions)
        return {**found, **{key: what for key, what in schema.items() if key != "$ref"}}
    return schema
