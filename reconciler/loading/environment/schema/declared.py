"""Whether a declared schema is one, and one that is safe to use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.loading.environment.schema.patterns import PatternError, compiled
from reconciler.loading.text.sources import clipped, did_you_mean
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path, path_text

MAX_NODES: Final = 2_000
"""Values of a schema; 64 characters of text count as one more."""
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
REFERENCE: Final = "#/$defs/"

_ONE: Final = frozenset({"additionalProperties", "items", "contains", "propertyNames", "not", "if", "then", "else"})
_SEVERAL: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
_PLAIN: Final = frozenset(
    {"$schema", "$ref", "$comment", "type", "enum", "const", "required", "dependentRequired", "minProperties"}
    | {"maxProperties", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minLength", "maxLength"}
    | {"pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "title", "description"}
    | {"default", "examples", "deprecated", "readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType"}
    | {"contentSchema"}
)
KEYWORDS: Final = _ONE | _SEVERAL | _NAMED | _PLAIN
_REFUSED: Final = {
    "$id": "remove it; the schema stands for itself",
    "$vocabulary": "remove it; the schema stands for itself",
    "$anchor": "put the schema under $defs",
    "$dynamicAnchor": "put the schema under $defs",
    "$dynamicRef": 'put the schema under $defs and write $ref: "#/$defs/…"',
    "definitions": "write $defs",
    "dependencies": "write dependentRequired or dependentSchemas",
    "unevaluatedItems": "use items or prefixItems",
    "unevaluatedProperties": "use additionalProperties",
}


def problems(schema: JSON, place: Path) -> list[Violation]:
    """Return what is wrong with a schema, by the meta-schema of draft 2020-12 and by what is permitted here.

    Paths begin with `place`.  Nothing outside the schema is reached; time is bounded by its size.
    """
    if _nodes(schema) > MAX_NODES:
        message = f"{path_text(place)} has more than {MAX_NODES:,} values"
        return [Violation(place, "values-schema", message, "make it smaller")]
    found = list(_beyond(schema, place))
    places = {violation.path for violation in found}
    return found + [each for each in _by_meta_schema(schema, place) if each.path not in places]


def _nodes(schema: JSON) -> int:
    nodes = 0
    pending = [schema]
    while pending and nodes <= MAX_NODES:
        value = pending.pop()
        nodes += 1 + len(value) // 64 if isinstance(value, str) else 1
        if isinstance(value, dict):
            nodes += sum(len(key) // 64 for key in value)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return nodes


def _by_meta_schema(schema: JSON, place: Path) -> list[Violation]:
    from jsonschema import Draft202012Validator

    from reconciler.loading.environment.schema.words import Hints, told

    hints = Hints()
    errors = Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
    return list({each.path: each for error in errors for each in told(error, place, hints, place)}.values())


def _beyond(root: JSONObject, place: Path) -> Iterator[Violation]:
    """Yield what the meta-schema has no objection to: unknown keywords, references outwards, costly patterns."""
    definitions = root.get("$defs")
    names = [_escaped(name) for name in definitions] if isinstance(definitions, dict) else []
    pending: list[tuple[JSON, Path]] = [(root, place)]
    while pending:
        schema, path = pending.pop()
        for keyword, value in schema.items() if isinstance(schema, dict) else ():
            here = (*path, keyword)
            yield from _keyword(keyword, value, here, names, whole=schema is root)
            if keyword in _ONE:
                pending.append((value, here))
            elif keyword in _SEVERAL and isinstance(value, list):
                pending.extend((each, (*here, index)) for index, each in enumerate(value))
            elif keyword in _NAMED and isinstance(value, dict):
                pending.extend((each, (*here, name)) for name, each in value.items())


def _keyword(keyword: str, value: JSON, path: Path, names: list[str], *, whole: bool) -> Iterator[Violation]:
    shown = path_text(path)
    if keyword in _REFUSED:
        yield Violation(path, "unknown-field", f"{shown}: {keyword} is not supported here", _REFUSED[keyword])
    elif keyword not in KEYWORDS and not keyword.startswith("x-"):
        message = f"{shown}: {clipped(keyword)} is not a keyword of JSON Schema"
        hint = did_you_mean(keyword, KEYWORDS)
        yield Violation(path, "unknown-field", message, hint if hint.startswith("did") else "start your own with x-")
    elif keyword == "$ref" and isinstance(value, str) and value.removeprefix(REFERENCE) not in names:
        near = did_you_mean(value, [REFERENCE + name for name in names[:100]])
        yield Violation(path, "values-schema", f"{shown} must be {REFERENCE} and a name that stands there", near)
    elif keyword == "$schema" and isinstance(value, str) and not (whole and value.rstrip("#") == DIALECT):
        yield Violation(path, "values-schema", f"{shown} can only be {DIALECT}, at the top", "remove it")
    elif keyword == "pattern" and isinstance(value, str):
        yield from _pattern(value, path)
    elif keyword == "patternProperties" and isinstance(value, dict):
        for pattern in value:
            yield from _pattern(pattern, (*path, pattern))


def _pattern(pattern: str, path: Path) -> Iterator[Violation]:
    try:
        compiled(pattern)
    except PatternError as error:
        yield Violation(path, "values-schema", f"{clipped(path_text(path), 120)}: {error}", error.hint)


def _escaped(name: str) -> str:
    """Write a name as a JSON pointer does."""
    return name.replace("~", "~0").replace("/", "~1")
