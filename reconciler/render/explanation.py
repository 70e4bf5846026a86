"""What a field, a kind or a rule is, for people: its words, what is inside, and an example in YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from reconciler.model.values import JSON, JSONObject
from reconciler.render.escape import plain
from reconciler.render.words import paint

WIDEST: Final = 100
_NARROW: Final = 30
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_MEANT: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def explanation_text(told: JSONObject, *, color: bool = False, width: int = WIDEST) -> str:
    """Return an explanation (see `app.explain`) as text; sentences are wrapped at `width`, or at that of a page."""
    width = min(width, WIDEST)
    parts = []
    if told["title"]:
        head = paint(plain(told["title"]), "bold", color=color)
        parts.append("\n".join([head, told["type"]] if "type" in told else [head]))
    parts.extend("\n".join(_wrapped(each, width)) for each in told["description"].split("\n\n") if each)
    if facts := "\n".join(_facts(told, width)):
        parts.append(facts)
    if entries := told.get("entries"):
        parts.append("\n".join(_table(entries, width, color=color)))
    if "example" in told:
        parts.append("Example:\n" + "\n".join(f"  {line}" for line in yaml_lines(told["example"])))
    if "documentation" in told:
        parts.append(f"Documentation: {told['documentation']}")
    return "\n\n".join(parts) + "\n"


def _facts(told: JSONObject, width: int) -> Iterator[str]:
    if "values" in told:
        yield from _wrapped("Values: " + ", ".join(map(_scalar, told["values"])), width)
    if "default" in told:
        yield f"Default: {_scalar(told['default'])}"
    if "limits" in told:
        yield from _wrapped("Limits: " + "; ".join(told["limits"]), width)


def _table(entries: list[JSONObject], width: int, *, color: bool) -> Iterator[str]:
    """A line for each entry, more where its description is long; what is required is marked."""
    marks = any(entry.get("required") for entry in entries)
    name = max(len(entry["name"]) for entry in entries)
    sort = max(len(entry.get("type", "")) for entry in entries)
    margin = (2 if marks else 0) + name + 2 + (sort + 2 if sort else 0)
    below = width - margin < _NARROW
    margin = 6 if below else margin
    for entry in entries:
        mark = ("* " if entry.get("required") else "  ") if marks else ""
        title = paint(entry["name"], "cyan", color=color) + " " * (name - len(entry["name"]))
        kind = f"{entry.get('type', ''):{sort}}  " if sort else ""
        said = _wrapped(entry["description"].partition("\n")[0], width - margin) or [""]
        if below:
            said = ["", *said]
        yield f"{mark}{title}  {kind}{said[0]}".rstrip()
        yield from (" " * margin + line for line in said[1:])
    if marks:
        yield ""
        yield "* required"


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(plain(text), max(width, _NARROW), break_long_words=False, break_on_hyphens=False)


def yaml_lines(value: JSON) -> list[str]:
    """Return a JSON value as lines of YAML, the same in YAML 1.1 and 1.2; what is small stands on one line."""
    flow = _flow(value)
    if not isinstance(value, dict | list) or not value or (isinstance(value, list) and _is_small(value)):
        return [flow]
    lines = []
    if isinstance(value, list):
        for item in value:
            inner = [_flow(item)] if _is_small(item) else yaml_lines(item)
            lines += [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
        return lines
    for key, item in value.items():
        if _is_small(item):
            lines.append(f"{_scalar(key)}: {_flow(item)}")
        else:
            lines += [f"{_scalar(key)}:", *(f"  {line}" for line in yaml_lines(item))]
    return lines


def _is_small(value: JSON) -> bool:
    """Whether a value is a scalar, or has only scalars and is short."""
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return not any(isinstance(item, dict | list) for item in inside) and len(_flow(value)) <= 60
    return True


def _flow(value: JSON) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: JSON) -> str:
    """A scalar without quotes where nobody could take it for something else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _MEANT:
        return value
    return plain(json.dumps(value, ensure_ascii=False))
