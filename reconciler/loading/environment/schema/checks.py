"""Values checked against a declared schema, in bounded time.

The library decides; what it does with backtracking, with comparisons of all with all, or with a
text of everything for every error is done here instead, and everything it does is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from reconciler.loading.environment.schema.patterns import MAX_TEXT, compiled
from reconciler.loading.environment.schema.words import REPEATED, Hints, told
from reconciler.loading.text.sources import MAX_PER_FILE
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MAX_WORK: Final = 500_000
"""What a check may do, in units of about a microsecond: some thousands of mappings with a dozen rules each."""
_CALL: Final = 10

_Errors = Iterator["ValidationError"]


class TooMuch(Exception):
    """The check does not come to an end; a sentence, and a hint."""

    def __init__(self, message: str, hint: str = "make the schema simpler") -> None:
        super().__init__(message)
        self.hint = hint


def check(schema: JSONObject, data: JSONObject, root: Path) -> list[Violation]:
    """Return what is wrong with data by a schema without `problems`; paths lead from the data, `root` is what people
    call them.  Raises TooMuch."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    keywords = _Keywords()
    own: dict[str, Any] = {
        "pattern": keywords.pattern,
        "properties": keywords.properties,
        "patternProperties": keywords.pattern_properties,
        "additionalProperties": keywords.additional_properties,
        "propertyNames": keywords.property_names,
        "required": keywords.required,
        "dependentRequired": keywords.dependent_required,
        "uniqueItems": keywords.unique_items,
        "enum": keywords.enum,
        "const": keywords.const,
    }
    stock: dict[str, Any] = dict(Draft202012Validator.VALIDATORS)
    counted = {name: keywords.counted(function) for name, function in (stock | own).items()}
    # With $schema, the library would take its own class again.
    plain = {keyword: value for keyword, value in schema.items() if keyword != "$schema"}
    bounded: Any = extend(Draft202012Validator, counted)  # type: ignore[no-untyped-call] # the stubs leave it open
    validator = bounded(_quiet(plain), registry=Registry())
    try:
        errors = list(validator.iter_errors(_quiet(data)))
        hints = Hints()
        return [violation for error in errors[:MAX_PER_FILE] for violation in told(error, root, hints)]
    except RecursionError:
        raise TooMuch("spec.valuesSchema refers to itself without end", "break the circle of $ref") from None


class _QuietDict(dict[str, Any]):
    def __repr__(self) -> str:
        return "{}"


class _QuietList(list[Any]):
    def __repr__(self) -> str:
        return "[]"


class _QuietText(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return "''"


def _quiet(value: JSON) -> JSON:
    """Return a copy whose parts have a short `repr`: the library makes one for every error, however big."""
    if isinstance(value, dict):
        return _QuietDict({_QuietText(key): _quiet(item) for key, item in value.items()})
    if isinstance(value, list):
        return _QuietList(map(_quiet, value))
    return _QuietText(value) if isinstance(value, str) else value


class _Keywords:
    """Keywords as the library calls them: with the validator, the keyword's value, the instance and its schema.

    An error about a key has a path that leads to it.
    """

    def __init__(self) -> None:
        self._left = MAX_WORK

    def spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise TooMuch("it takes too long to check the values against spec.valuesSchema")

    def counted(self, function: Callable[..., _Errors | None]) -> Callable[..., _Errors]:
        def keyword(validator: Any, value: JSON, instance: JSON, schema: JSONObject) -> _Errors:
            self.spend(_CALL + _size(value) + _size(instance))
            for error in function(validator, value, instance, schema) or ():
                self.spend(_CALL)
                yield error

        return keyword

    def pattern(self, validator: Any, value: str, instance: JSON, schema: JSONObject) -> _Errors:
        if isinstance(instance, str) and (len(instance) > MAX_TEXT or not self._matches(value, instance)):
            yield _error("pattern")

    def properties(self, validator: Any, value: JSONObject, instance: JSON, schema: JSONObject) -> _Errors:
        for key, inner in value.items() if isinstance(instance, dict) else ():
            if key in instance:
                yield from _inside(validator, instance[key], inner, key)

    def pattern_properties(self, validator: Any, value: JSONObject, instance: JSON, schema: JSONObject) -> _Errors:
        for pattern, inner in value.items() if isinstance(instance, dict) else ():
            for key, item in instance.items():
                if self._matches(pattern, key):
                    yield from _inside(validator, item, inner, key)

    def additional_properties(self, validator: Any, value: JSON, instance: JSON, schema: JSONObject) -> _Errors:
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key, item in instance.items() if isinstance(instance, dict) else ():
            if key in known or any(self._matches(pattern, key) for pattern in patterns):
                continue
            if value is False:
                yield _error("additionalProperties", key)
            else:
                yield from validator.descend(item, value, path=key)

    def property_names(self, validator: Any, value: JSON, instance: JSON, schema: JSONObject) -> _Errors:
        for key in instance if isinstance(instance, dict) else ():
            context = list(validator.descend(key, value))
            if context:
                yield _error("propertyNames", key, context)

    def required(self, validator: Any, value: list[str], instance: JSON, schema: JSONObject) -> _Errors:
        for key in value if isinstance(instance, dict) else ():
            if key not in instance:
                yield _error("required", key)

    def dependent_required(
        self, validator: Any, value: dict[str, list[str]], instance: JSON, schema: JSONObject
    ) -> _Errors:
        for key, needed in value.items() if isinstance(instance, dict) else ():
            if key in instance:
                self.spend(len(needed))
                yield from self.required(validator, needed, instance, schema)

    def unique_items(self, validator: Any, value: bool, instance: JSON, schema: JSONObject) -> _Errors:
        seen = set()
        for index, item in enumerate(instance if value and isinstance(instance, list) else ()):
            key = self._key(item)
            if key in seen:
                yield _error(REPEATED, index)
            seen.add(key)

    def enum(self, validator: Any, value: list[JSON], instance: JSON, schema: JSONObject) -> _Errors:
        key = self._key(instance)
        if all(self._key(each) != key for each in value):
            yield _error("enum")

    def const(self, validator: Any, value: JSON, instance: JSON, schema: JSONObject) -> _Errors:
        if self._key(value) != self._key(instance):
            yield _error("const")

    def _matches(self, pattern: str, text: str) -> bool:
        return len(text) <= MAX_TEXT and compiled(str(pattern)).found_in(str(text), self.spend)

    def _key(self, value: JSON) -> Any:
        """Return something equal for equal JSON values only: 1 is 1.0 but not true."""
        self.spend(1 + _size(value))
        if isinstance(value, dict):
            return dict, frozenset((key, self._key(item)) for key, item in value.items())
        if isinstance(value, list):
            return list, tuple(map(self._key, value))
        return isinstance(value, bool), value


def _inside(validator: Any, value: JSON, schema: JSON, key: str) -> _Errors:
    """Descend, but name the key where the schema is false; the library then forgets the path."""
    if schema is False:
        yield _error("false", key)
    else:
        yield from validator.descend(value, schema, path=key, schema_path=key)


def _size(value: JSON) -> int:
    if isinstance(value, str):
        return len(value) // 64
    return len(value) if isinstance(value, (dict, list)) else 0


def _error(keyword: str, step: str | int | None = None, context: list[Any] | None = None) -> ValidationError:
    from jsonschema.exceptions import ValidationError

    return ValidationError("", validator=keyword, path=() if step is None else (step,), context=context or ())
