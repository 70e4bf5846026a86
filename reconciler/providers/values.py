"""Small rules about JSON values that the kinds of all services share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.errors import CredentialError
from reconciler.model.values import JSON, Address, JSONObject, Path

if TYPE_CHECKING:
    from reconciler.model.plan import Step

LARGEST_INTEGER: Final = 2**53 - 1
"""The largest integer that JSON carries between programs without loss (RFC 8785)."""


def tidy(value: JSON) -> JSON:
    """Return an opaque JSON value with one spelling per number: 1.0 is 1, and what a double cannot
    hold is what a double makes of it.  Idempotent."""
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [tidy(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return _number(value)


def _number(value: float) -> JSON:
    try:
        double = float(value)
    except OverflowError:
        return None
    if not math.isfinite(double):
        return None
    exact = abs(value) <= LARGEST_INTEGER and double == int(double)
    return int(double) if exact else double


def compact(spec: Mapping[str, JSON]) -> JSONObject:
    """Leave out the keys that are None."""
    return {key: value for key, value in spec.items() if value is not None}


def utf16_length(text: str) -> int:
    """Characters as the services' own language counts them: UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def unsendable(spec: JSONObject) -> Iterator[Violation]:
    """Violations for values that JSON cannot carry unchanged to another program."""
    if _is_sendable(spec):  # without a path for every value: nearly always nothing is wrong
        return
    for path, value in _leaves(spec, ()):
        if problem := _unsendable(value):
            yield Violation(path, "not-json", f"{problem} cannot be sent to a service", "write it as a text")


def _is_sendable(value: JSON) -> bool:
    """Whether there is nothing to say about a value and everything in it."""
    kind = value.__class__
    if kind is str:
        return value.isascii() or _is_unicode(value)
    if kind is dict:
        for key, item in value.items():
            if key.__class__ is not str or not (key.isascii() or _is_unicode(key)):
                return False
            if not _is_sendable(item):
                return False
        return True
    if kind is list:
        return all(map(_is_sendable, value))
    return kind is bool or value is None or not _unsendable(value)


def _leaves(value: JSON, path: Path) -> Iterator[tuple[Path, JSON]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or _unsendable(key):
                yield path, key if isinstance(key, str) else (key,)
            else:
                yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _unsendable(value: JSON) -> str:
    problem = ""
    if isinstance(value, str):
        if not (value.isascii() or _is_unicode(value)):
            problem = "a text with half a character (a lone surrogate)"
    elif isinstance(value, tuple):
        problem = f"the key {value[0]!r}, which is not a text,"
    elif isinstance(value, float):
        if not math.isfinite(value):
            problem = f"the number {value}"
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            problem = f"an integer beyond {LARGEST_INTEGER}"
    elif value is not None:
        problem = f"a value of type {type(value).__name__}"
    return problem


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def repeated(values: Iterable[JSON]) -> Iterator[int]:
    """The positions of values that stood earlier in the list already."""
    seen: set[JSON] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield index
        seen.add(value)


def blank(path: Path, what: str) -> Violation:
    """The violation for a text that must say something."""
    return Violation(path, "blank", f"{what} is blank", "write a text with at least one visible character")


def warning(path: Path, code: str, message: str, hint: str = "") -> Violation:
    """A violation that stops nothing."""
    return Violation(path, code, message, hint, Severity.WARNING)


def changed_fields(step: Step) -> frozenset[str]:
    """The top-level spec fields a step changes; rules that are only recorded are not among them."""
    return frozenset(str(change.path[0]) for change in step.changes if change.path and change.path[0] != "lifecycle")


def known_id(step: Step, ids: Mapping[Address, str]) -> str:
    """The live object's id of a step; raises LookupError when nobody knows it yet."""
    found = step.id or ids.get(step.address)
    if not found:
        raise LookupError(f"{step.address} has no id yet, so it cannot be changed")
    return found


def parse_instant(value: JSON) -> datetime | None:
    """Read an RFC 3339 instant with any offset; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else None


def instant_text(value: JSON) -> str | None:
    """An instant as the log writes it: UTC with `Z`, seconds unless the service is more precise."""
    instant = parse_instant(value)
    if instant is None:
        return value if isinstance(value, str) and value else None
    precision = "milliseconds" if instant.microsecond else "seconds"
    return instant.isoformat(timespec=precision).replace("+00:00", "Z")


def variable(environ: Mapping[str, str], name: str) -> str:
    """The value of a variable without surrounding blanks, empty when it is not set."""
    return environ.get(name, "").strip()


def require(values: Mapping[str, str], service: str, hint: str) -> None:
    """Raise CredentialError naming all variables whose value is empty, or cannot stand in a header."""
    if missing := [name for name, value in values.items() if not value]:
        raise CredentialError(f"{service} needs {' and '.join(missing)}", hint)
    for name, value in values.items():
        if not (value.isascii() and value.isprintable()):
            raise CredentialError(f"{name} holds characters that no header can carry", "copy it again, on one line")
