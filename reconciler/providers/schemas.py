"""Pieces of JSON Schema for what the models' types cannot say: editors show it before anything is checked.

A schema sees manifests as they are written, so a text with a template may stand for any value, and
nobody knows yet what it will be: rules that look at two fields leave such values alone.  `errorMessage` and
`patternErrorMessage` are words of the editors' own, for what they say instead of the rule.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import WithJsonSchema

from reconciler.model.values import JSONObject

TEMPLATE: Final = r"\{[{%#]"
"""What a text with a template has in it."""

NOT_BLANK: Final[JSONObject] = {"pattern": r"\S", "patternErrorMessage": "This must not be blank."}

Text = Annotated[str, WithJsonSchema({"type": "string", **NOT_BLANK})]
"""A text that must say something."""

_OPEN: Final[JSONObject] = {"type": ["null", "string"], "pattern": TEMPLATE}
_EMPTY: Final[JSONObject] = {"anyOf": [_OPEN, {"type": "array", "maxItems": 0}]}


def possible(field: str) -> JSONObject:
    """A schema of objects that have a field, or may turn out to have it."""
    return {"required": [field], "properties": {field: {"not": {"type": "null"}}}}


def excludes(field: str, other: str) -> JSONObject:
    """A schema of objects that do not have both fields."""
    sure: JSONObject = {"required": [field], "properties": {field: {"not": _OPEN}}}
    wrong = {"errorMessage": f"{other} cannot stand beside {field}; keep one."}
    return {"if": sure, "then": {"properties": {other: {**_OPEN, **wrong}}}}


def needs(field: str, other: str) -> JSONObject:
    """A schema of objects in which `field` is only true beside another one."""
    wrong = {"type": "null", "errorMessage": f"{field} needs {other}."}
    return {"if": {"not": possible(other)}, "then": {"properties": {field: {"if": {"const": True}, "then": wrong}}}}


def needs_entries(field: str, unless: tuple[JSONObject, ...]) -> JSONObject:
    """A schema of objects that have entries in a list, unless one of some schemas fits."""
    listed = {field: {"if": _OPEN, "then": {"type": "string"}, "else": {"minItems": 1}}}
    return {"if": {"not": {"anyOf": list(unless)}}, "then": {"required": [field], "properties": listed}}


def nested(field: str, levels: int) -> JSONObject:
    """A schema of objects that nest, by a list of more of them, at most so many levels deep."""
    made: JSONObject = {"properties": {field: {"maxItems": 0}}}
    for _ in range(levels - 1):
        made = {"properties": {field: {"items": made}}}
    return made


def number_texts(largest: int) -> str:
    """A pattern of the texts that are numbers from 1 to `largest`, leading zeros allowed."""
    text = str(largest)
    forms = [text, f"[1-9][0-9]{{0,{len(text) - 2}}}"]
    for place, digit in enumerate(text):
        lowest = 0 if place else 1
        if int(digit) > lowest:
            forms.append(f"{text[:place]}[{lowest}-{int(digit) - 1}][0-9]{{{len(text) - place - 1}}}")
    return f"^0*(?:{'|'.join(forms)})$"


def _cron_field(value: str, *others: str) -> str:
    item = "|".join((rf"(?:\*|{value}(?:-{value})?)(?:/0*[1-9][0-9]*)?", *others))
    return f"(?:{item})(?:,(?:{item}))*"


CRON: Final = (
    r"^\s*"
    + r"\s+".join(
        (
            _cron_field("0*[1-5]?[0-9]"),
            _cron_field("0*(?:1?[0-9]|2[0-3])"),
            _cron_field("0*(?:[1-9]|[12][0-9]|3[01])", "LW?(?:/0*[1-9][0-9]*)?"),
            _cron_field("(?:0*(?:[1-9]|1[0-2])|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"),
            _cron_field("(?:0*[0-7]|SUN|MON|TUE|WED|THU|FRI|SAT)", "0*[0-7]L", "(?:0*[0-7]|[A-Z]{3})#0*[1-5]"),
        )
    )
    + r"\s*$"
)
"""A pattern of cron expressions: five fields, each within its range."""
