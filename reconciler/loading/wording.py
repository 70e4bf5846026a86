"""What a shape or a kind's model finds wrong, in our words, at the exact key or value.

The models say *that* something is wrong by pydantic's error types; its sentences never get out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from reconciler.loading.text.sources import MAX_PER_FILE, clipped, did_you_mean
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path, lookup, path_text

_TYPES: Final[dict[str, str]] = {
    "string_type": "a string",
    "string_sub_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "null",
}

SCHEMA_TYPES: Final[dict[str, str]] = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
"""Types of schemas in our words."""
_SHORT: Final = 80

_Sentence = Callable[[Mapping[str, Any]], str]

_BOUNDS: Final[dict[str, tuple[str, _Sentence]]] = {
    "string_too_short": ("too-short", lambda ctx: f"must have at least {counted(ctx['min_length'], 'character')}"),
    "string_too_long": ("too-long", lambda ctx: f"must have at most {counted(ctx['max_length'], 'character')}"),
    "too_short": (
        "too-short",
        lambda ctx: f"must have at least {counted(ctx['min_length'], 'entry')}, has {ctx['actual_length']}",
    ),
    "too_long": (
        "too-long",
        lambda ctx: f"must have at most {counted(ctx['max_length'], 'entry')}, has {ctx['actual_length']}",
    ),
    "greater_than": ("out-of-range", lambda ctx: f"must be more than {ctx['gt']}"),
    "greater_than_equal": ("out-of-range", lambda ctx: f"must be at least {ctx['ge']}"),
    "less_than": ("out-of-range", lambda ctx: f"must be less than {ctx['lt']}"),
    "less_than_equal": ("out-of-range", lambda ctx: f"must be at most {ctx['le']}"),
    "multiple_of": ("out-of-range", lambda ctx: f"must be a multiple of {ctx['multiple_of']}"),
    "finite_number": ("out-of-range", lambda ctx: "must be a finite number"),
    "string_pattern_mismatch": ("wrong-value", lambda ctx: f"must match {ctx['pattern']}"),
}

_KEY_CODES: Final = frozenset(
    {"unknown-field", "former-field", "unknown-rule", "unused-ignore", "unknown-filter-key", "filter-beside-groups"}
)


def validate(model: type[BaseModel], data: JSON, prefix: Path = ()) -> tuple[BaseModel | None, list[Violation]]:
    """Parse `data`; return the parsed value, or None and what is wrong with it.

    Paths lead from where `prefix` starts: a missing field's to where it would be, an unknown
    field's to its key.  No effects.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[:MAX_PER_FILE]
        found = [_found(each, data) for each in details]
    return None, [_sentence(model, data, each, prefix) for each in _meant(found)]


def points_at_key(violation: Violation) -> bool:
    """Whether it is a key, not its value, that is wrong."""
    return violation.code in _KEY_CODES


@dataclass(frozen=True, slots=True)
class _Found:
    """One of pydantic's errors: its place in the data, and the unions on the way with the alternative tried."""

    path: Path
    unions: tuple[tuple[Path, str], ...]
    type: str
    ctx: Mapping[str, Any]
    alternatives: tuple[str, ...] = ()


def _found(details: Any, data: JSON) -> _Found:
    """Tell the parts of an error's location that are keys of the data from labels of alternatives."""
    path: list[str | int] = []
    unions: list[tuple[Path, str]] = []
    value = data
    location: tuple[str | int, ...] = details["loc"]
    for index, part in enumerate(location):
        if _has(value, part):
            value = value[part]
        elif not (index == len(location) - 1 and details["type"] == "missing"):
            if part != "[key]":
                unions.append((tuple(path), str(part)))
            continue
        path.append(part)
    expected = (_TYPES[details["type"]],) if details["type"] in _TYPES else ()
    return _Found(tuple(path), tuple(unions), details["type"], details.get("ctx") or {}, expected)


def _meant(found: Sequence[_Found], level: int = 0) -> list[_Found]:
    """Keep of every union the alternative that was meant: the one whose own shape fits best.

    An alternative of the wrong type altogether was not meant; when all are, they become one error.
    """
    kept = [each for each in found if len(each.unions) <= level]
    groups: dict[Path, dict[str, list[_Found]]] = {}
    for each in found:
        if len(each.unions) > level:
            union, label = each.unions[level]
            groups.setdefault(union, {}).setdefault(label, []).append(each)
    for union, alternatives in groups.items():
        possible = [errors for errors in alternatives.values() if not _wrong_type(errors, union)]
        if possible:
            kept.extend(_meant(min(possible, key=lambda errors: _misfit(errors, union)), level + 1))
        else:
            errors = [each for group in alternatives.values() for each in group]
            expected = dict.fromkeys(name for each in errors for name in each.alternatives)
            kept.append(replace(errors[0], alternatives=tuple(expected)))
    return kept


def _wrong_type(errors: Sequence[_Found], union: Path) -> bool:
    return all(each.path == union and each.type in _TYPES for each in errors)


def _misfit(errors: Sequence[_Found], union: Path) -> tuple[int, int]:
    """How badly an alternative fits: by its own fields first, then by everything below them."""
    own = sum(len(each.path) <= len(union) + 1 for each in errors)
    return own, len(errors)


def _has(value: JSON, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _sentence(model: type[BaseModel], data: JSON, found: _Found, prefix: Path) -> Violation:
    kind, ctx, path = found.type, found.ctx, found.path
    whole = prefix + path
    name = path_text(whole) or "the document"
    value = lookup(data, path)
    if kind == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), known_fields(model, data, path[:-1])) or "remove it"
        return Violation(whole, "unknown-field", f"{name} is not a field", hint)
    if kind == "missing":
        return Violation(whole, "missing-field", f"{name} is missing", _lacking(model, data, path))
    if kind in _TYPES:
        expected = " or ".join(found.alternatives)
        hint = advice(expected, value)
        if expected == "a mapping":
            hint = _mapping(model, data, path, whole) or hint
        return Violation(whole, "wrong-type", f"{name} must be {expected}, is {spoken(value)}", hint)
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        return _choice(whole, name, value, ctx)
    if kind in _BOUNDS:
        code, sentence = _BOUNDS[kind]
        return Violation(whole, code, f"{name} {sentence(ctx)}")
    said: tuple[str, ...] = ("this value is not permitted here",)
    if kind in ("value_error", "assertion_error"):
        said = ctx["error"].args  # a sentence, and what to do when the model knows it
    return Violation(whole, "wrong-value", f"{name}: {''.join(said[:1])}", "".join(said[1:2]))


def _choice(path: Path, name: str, value: JSON, ctx: Mapping[str, Any]) -> Violation:
    expected = str(ctx.get("expected") or ctx.get("expected_tags") or "")
    choices = re.findall(r"'([^']*)'", expected)
    quoted = [json.dumps(choice, ensure_ascii=False) for choice in choices]
    sentence = f"{name} must be {either(quoted) if quoted else expected}, is {spoken(value, exactly=True)}"
    hint = did_you_mean(value, choices) if isinstance(value, str) and choices else ""
    return Violation(path, "wrong-value", sentence, hint if hint.startswith("did") else "")


def either(words: Sequence[str]) -> str:
    """Return alternatives as part of a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def counted(number: int, noun: str) -> str:
    """Return a number of things: `1 key`, `2,000 entries`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


def spoken(value: JSON, *, exactly: bool = False) -> str:
    """Return what sort of value it is, in the words of manifests; `exactly` shows short scalars themselves."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {json.dumps(value)}"
    if isinstance(value, str):
        return clipped(json.dumps(value, ensure_ascii=False)) if exactly else "a string"
    return "a list" if isinstance(value, list) else "a mapping"


def advice(expected: str, value: JSON) -> str:
    """Return what to do about a value that should be what `expected` says; empty when there is nothing to say."""
    if value is None:
        return "give it a value, or remove the key"
    if expected == "a string" and isinstance(value, (bool, int, float)):
        return f'quote it: "{json.dumps(value)}"'
    if "true or false" in expected and isinstance(value, str):
        return "write true or false"
    if "number" in expected and isinstance(value, str):
        return "remove the quotes" if re.fullmatch(r"-?\d+(\.\d+)?", value) else ""
    if "a list" in expected and not isinstance(value, list):
        return "start each entry with `- `, or write [ ]"
    return ""


def _lacking(model: type[BaseModel], data: JSON, path: Path) -> str:
    """What to do about a field that is missing: its sort and a short example, as far as the model has them."""
    schemas = _schemas_at(model, data, path)
    words = sorted({SCHEMA_TYPES[each["type"]] for each in schemas if each.get("type") in SCHEMA_TYPES}) or ["it"]
    examples = [_written(each["examples"][0]) for each in schemas if each.get("examples")]
    example = f", for example {path[-1]}: {examples[0]}" if examples and len(examples[0]) <= _SHORT else ""
    return f"add {either(words)}{example}"


def _written(value: JSON) -> str:
    """A value as a manifest may have it on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w ./@-]*", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _mapping(model: type[BaseModel], data: JSON, path: Path, whole: Path) -> str:
    """How to write a text as the mapping that was expected; empty when that cannot be told."""
    value = lookup(data, path)
    if whole[-2:] == ("lint", "ignore"):
        return "write <rule>: <reason>"
    if not isinstance(value, str) or not value or len(value) > _SHORT:
        return ""
    if whole[-2:] == ("metadata", "labels"):
        return f"write owner: {_written(value)}"
    for schema in _schemas_at(model, data, path):
        properties = schema.get("properties", {})
        first = "email" if "@" in value and "email" in properties else next(iter(properties), "")
        others = {*schema.get("required", ())} - {first}
        if "string" in _types(properties.get(first, {})) and len(others) <= 1:
            more = "".join(f", {key}: …" for key in sorted(others))
            return f"write {{{first}: {_written(value)}{more}}}"
    return ""


def _types(schema: JSONObject) -> set[str]:
    return {each.get("type", "") for each in (schema, *schema.get("anyOf", ())) if "enum" not in each}


def known_fields(model: type[BaseModel], data: JSON, path: Path) -> list[str]:
    """Return the names a model knows for the object at `path`, through unions, lists and nested models."""
    return sorted({name for each in _schemas_at(model, data, path) for name in each.get("properties", {})})


def _schemas_at(model: type[BaseModel], data: JSON, path: Path) -> list[JSONObject]:
    """Return the plain schemas that a model has for what is at `path`."""
    schema = _schema(model)
    shared = schema.get("$defs", {})
    here = [schema]
    for step in path:
        here = [found for each in _plain(here, shared) for found in _below(each, step)]
    return _plain(here, shared)


@lru_cache(maxsize=32)
def _schema(model: type[BaseModel]) -> JSONObject:
    return model.model_json_schema(by_alias=True)


def _plain(schemas: Sequence[JSONObject], shared: JSONObject) -> list[JSONObject]:
    """Follow references and unions until there are only plain schemas."""
    plain: list[JSONObject] = []
    pending, seen = list(schemas), set[str]()
    while pending:
        schema = pending.pop()
        reference = schema.get("$ref")
        if reference is not None and reference not in seen:
            seen.add(reference)
            pending.append(shared.get(str(reference).rsplit("/", 1)[-1], {}))
        for union in ("anyOf", "oneOf", "allOf"):
            pending.extend(schema.get(union, ()))
        plain.append(schema)
    return plain


def _below(schema: JSONObject, step: str | int) -> list[JSONObject]:
    if isinstance(step, int):
        found = schema.get("items")
    else:
        found = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    return [found] if isinstance(found, dict) else []
