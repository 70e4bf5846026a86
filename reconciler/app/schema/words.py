"""What a schema says, in the words of people, and examples of what it permits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.app.schema.walk import resolved
from reconciler.model.values import JSON, JSONObject
from reconciler.providers.schemas import NOT_BLANK

Definitions = Mapping[str, JSONObject]

_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
}
_LIMITS: Final = {
    "minLength": "at least {:,} characters",
    "maxLength": "at most {:,} characters",
    "minItems": "at least {:,} entries",
    "maxItems": "at most {:,} entries",
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
}


def sort(schema: JSONObject, definitions: Definitions) -> str:
    """Return what sort of value it is: `text`, `list of whole numbers or texts`, …"""
    words = dict.fromkeys(word for each in _choices(schema, definitions) for word in _sorts(each, definitions))
    return " or ".join(words) or "anything"


def _sorts(schema: JSONObject, definitions: Definitions) -> Iterator[str]:
    types = schema.get("type", [])
    for each in [types] if isinstance(types, str) else types:
        if each == "array" and "items" in schema:
            inner = sort(resolved(schema["items"], definitions), definitions)
            yield "list" if inner.count(" or ") > 1 else f"list of {_several(inner)}"
        elif each != "null":
            yield _TYPES[each]


def _several(words: str) -> str:
    return " or ".join(
        word if word in ("true or false", "anything") or word.startswith("list of") else f"{word}s"
        for word in words.split(" or ")
    )


def described(schema: JSONObject, definitions: Definitions) -> JSONObject:
    """Return everything a schema says of a value itself: `description`, `type`, and where there are any `default`,
    `values`, `limits` and `documentation`."""
    kinds = list(_choices(schema, definitions))
    values = [value for each in kinds for value in each.get("enum", [each["const"]] if "const" in each else [])]
    told = {
        "description": schema.get("description", ""),
        "type": sort(schema, definitions),
        "default": schema.get("default"),
        "values": [value for value in values if value is not None],
        "limits": list(dict.fromkeys(limit for each in kinds for limit in _limits(each))),
        "documentation": schema.get("documentation"),
    }
    return {key: what for key, what in told.items() if what not in (None, [])}


def _limits(schema: JSONObject) -> Iterator[str]:
    for key, words in _LIMITS.items():
        if key in schema:
            yield words.format(schema[key])
    if schema.get("pattern") == NOT_BLANK["pattern"]:
        yield "not blank"


def inside(schema: JSONObject, definitions: Definitions) -> JSONObject:
    """Return what has the fields: the schema itself, that of its entries, or the alternative that has some."""
    while True:
        choices = list(_choices(schema, definitions))
        found = next((each for each in choices if "properties" in each or each.get("additionalProperties")), None)
        if found is not None:
            return found
        listed = next((each for each in choices if isinstance(each.get("items"), dict)), None)
        if listed is None:
            return {}
        schema = resolved(listed["items"], definitions)


def field(schema: JSONObject, name: str, definitions: Definitions) -> JSONObject | None:
    """Return the schema of a field of what `inside` gave, None when there is none by that name."""
    found = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
    if found is True:
        found = {}
    return resolved(found, definitions) if isinstance(found, dict) else None


def fields(schema: JSONObject, definitions: Definitions) -> list[JSONObject]:
    """Return a line for each field of what `inside` gave: name, sort, whether it is required, and what it is."""
    lines = []
    for name, what in schema.get("properties", {}).items():
        said = resolved(what, definitions)
        required = name in schema.get("required", ())
        told = {"name": name, "type": sort(said, definitions), "required": required}
        lines.append({**told, "description": said.get("description", "")})
    return lines


def _choices(schema: JSONObject, definitions: Definitions) -> Iterator[JSONObject]:
    """The sorts of value that are permitted; rules about fields are not among them."""
    if "anyOf" in schema and "properties" not in schema:
        for each in schema["anyOf"]:
            yield from _choices(resolved(each, definitions), definitions)
    else:
        yield schema


def example(schema: JSONObject, definitions: Definitions) -> JSON:
    """Return a value that a schema permits, None when it tells of none."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    holder = inside(schema, definitions)
    if schema.get("type") != "object" or not holder.get("properties"):
        return None
    return completed({}, holder, definitions) or None


def completed(value: JSONObject, schema: JSONObject, definitions: Definitions) -> JSONObject:
    """Return an object with examples of the fields that it needs beside those it has, in the usual order."""
    needed = [*value, *schema.get("required", ())]
    for rule in (schema, *schema.get("allOf", ())):
        choices: Sequence[JSONObject] = rule.get("anyOf", ())
        if choices and not any(set(each.get("required", ())) <= set(needed) for each in choices):
            needed += choices[0].get("required", ())
    made = {}
    for name, what in schema["properties"].items():
        if name in needed:
            made[name] = value[name] if name in value else example(resolved(what, definitions), definitions)
    return {**made, **value}
