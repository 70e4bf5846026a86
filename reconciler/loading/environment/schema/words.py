"""What the schema library finds wrong, in our words, at the exact key or value; its sentences never get out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from reconciler.loading.environment.schema.patterns import MAX_TEXT
from reconciler.loading.text.sources import clipped, did_you_mean
from reconciler.loading.wording import SCHEMA_TYPES, advice, counted, either, spoken
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, Path, path_text

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

REPEATED: Final = "repeated"
"""What `checks` calls the error of an entry that stands in a list already."""

_MOST_HINTS: Final = 50

_TYPES: Final = {**SCHEMA_TYPES, "null": "null"}

_BOUNDS: Final[dict[str, tuple[str, Callable[[Any, JSON], str]]]] = {
    "minLength": ("too-short", lambda limit, value: f"must have at least {counted(limit, 'character')}"),
    "maxLength": (
        "too-long",
        lambda limit, value: f"must have at most {counted(limit, 'character')}, has {len(value):,}",
    ),
    "minItems": ("too-short", lambda limit, value: f"must have at least {counted(limit, 'entry')}, has {len(value):,}"),
    "maxItems": ("too-long", lambda limit, value: f"must have at most {counted(limit, 'entry')}, has {len(value):,}"),
    "minProperties": ("too-short", lambda limit, value: f"must have at least {counted(limit, 'key')}"),
    "maxProperties": (
        "too-long",
        lambda limit, value: f"must have at most {counted(limit, 'key')}, has {len(value):,}",
    ),
    "minimum": ("out-of-range", lambda limit, value: f"must be at least {limit}, is {value}"),
    "maximum": ("out-of-range", lambda limit, value: f"must be at most {limit}, is {value}"),
    "exclusiveMinimum": ("out-of-range", lambda limit, value: f"must be more than {limit}, is {value}"),
    "exclusiveMaximum": ("out-of-range", lambda limit, value: f"must be less than {limit}, is {value}"),
    "multipleOf": ("out-of-range", lambda limit, value: f"must be a multiple of {limit}, is {value}"),
    "contains": ("wrong-value", lambda limit, value: "has no entry of the sort it must have"),
    "minContains": (
        "wrong-value",
        lambda limit, value: f"has not the {counted(limit, 'entry')} of the sort it must have",
    ),
    "maxContains": ("wrong-value", lambda limit, value: f"has more than {counted(limit, 'entry')} of a certain sort"),
    "items": ("too-long", lambda limit, value: "has more entries than are permitted"),
    "uniqueItems": ("wrong-value", lambda limit, value: "has an entry twice"),
    REPEATED: ("wrong-value", lambda limit, value: "stands in the list already"),
    "not": ("wrong-value", lambda limit, value: f"must not be {spoken(value, exactly=True)}"),
}


_FORBIDDEN: Final = ("unknown-field", "is not permitted here", "remove it")


class Hints:
    """Looks for the word that was meant, for the first mistakes only: it takes long, and there may be many."""

    def __init__(self) -> None:
        self._left = _MOST_HINTS

    def near(self, word: str, known: Sequence[str]) -> str:
        """Return `did_you_mean`, or nothing once there have been many."""
        self._left -= 1
        return did_you_mean(word, known) if self._left >= 0 else ""


def told(error: ValidationError, root: Path, hints: Hints, prefix: Path = ()) -> Iterator[Violation]:
    """Yield what an error says about a value, one violation or several.

    Paths begin with `prefix`; `root` is what people call the whole.
    """
    path: Path = tuple(error.absolute_path)
    for here, code, sentence, hint in _said(error, hints):
        name = path_text((*root, *path, *here))
        yield Violation((*prefix, *path, *here), code, f"{name} {sentence}", hint or _description(error))


_Said = tuple[Path, str, str, str]
"""A path from where the error is, a code, a sentence without its subject, a hint."""


def _said(error: ValidationError, hints: Hints) -> Iterator[_Said]:
    value: Any = error.instance
    limit: Any = error.validator_value
    keyword = error.validator
    if keyword in ("anyOf", "oneOf"):
        yield from _alternatives(error, hints)
    elif keyword in _BOUNDS:
        code, sentence = _BOUNDS[keyword]
        yield (), code, sentence(limit, value), ""
    elif keyword == "type":
        yield (), *_wrong_type([limit] if isinstance(limit, str) else limit, value)
    elif keyword in ("enum", "const"):
        yield (), *_choice(limit if keyword == "enum" else [limit], value, hints)
    elif keyword in ("required", "dependentRequired"):
        yield (), "missing-field", "is missing", "add it"
    elif keyword == "additionalProperties":
        schema: Any = error.schema
        known = list(schema.get("properties", ()))
        yield (), "unknown-field", "is not a value this project has", hints.near(_last(error), known) or "remove it"
    elif keyword == "propertyNames":
        inner = [said for each in error.context or () for said in _said(each, hints)]
        yield (), "unknown-field", f"is not permitted: the key {inner[0][2]}", inner[0][3]
    elif keyword == "pattern":
        long = isinstance(value, str) and len(value) > MAX_TEXT
        shown = clipped(limit, 120)
        said = f"must match {shown}, is {spoken(value, exactly=True)}"
        if long:
            said = f"has more than {MAX_TEXT:,} characters, too many to be matched with {shown}"
        yield (), "wrong-value", said, ""
    else:
        yield (), *_FORBIDDEN


def _last(error: ValidationError) -> str:
    return str(error.absolute_path[-1])


def _description(error: ValidationError) -> str:
    """What the schema itself says about the value that is wrong."""
    schema: Any = error.schema
    said = schema.get("description") if isinstance(schema, dict) else None
    return clipped(said, 200) if isinstance(said, str) else ""


def _wrong_type(types: Sequence[str], value: JSON) -> tuple[str, str, str]:
    expected = either([_TYPES.get(name, name) for name in types])
    return "wrong-type", f"must be {expected}, is {spoken(value)}", advice(expected, value)


def _choice(choices: Sequence[JSON], value: JSON, hints: Hints) -> tuple[str, str, str]:
    if not choices:
        return _FORBIDDEN
    shown = [clipped(json.dumps(choice, ensure_ascii=False)) for choice in choices[:20]]
    more = ["…"] if len(choices) > len(shown) else []
    sentence = f"must be {either([*shown, *more])}, is {spoken(value, exactly=True)}"
    texts = [choice for choice in choices if isinstance(choice, str)]
    near = hints.near(value, texts) if isinstance(value, str) else ""
    return "wrong-value", sentence, near if near.startswith("did") else ""


def _alternatives(error: ValidationError, hints: Hints) -> Iterator[_Said]:
    """Yield what is wrong with the alternative that was meant: of the right type, with the fewest mistakes."""
    if not error.context:
        yield (), "wrong-value", "fits several alternatives, but must fit one only", ""
        return
    groups: dict[Any, list[ValidationError]] = {}
    for each in error.context:
        if each.relative_schema_path:  # there is none where the alternative is false
            groups.setdefault(each.relative_schema_path[0], []).append(each)
    meant = [group for group in groups.values() if not all(_is_type(each) for each in group)]
    if meant:
        for each in min(meant, key=lambda group: (sum(not each.relative_path for each in group), len(group))):
            for path, code, sentence, hint in _said(each, hints):
                yield (*each.relative_path, *path), code, sentence, hint
    elif groups:
        types: list[Any] = [each.validator_value for group in groups.values() for each in group]
        names = dict.fromkeys(name for each in types for name in ([each] if isinstance(each, str) else each))
        yield (), *_wrong_type(list(names), error.instance)
    else:
        yield (), *_FORBIDDEN


def _is_type(error: ValidationError) -> bool:
    return error.validator == "type" and not error.relative_path
