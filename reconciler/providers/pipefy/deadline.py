"""How long the file of an export is waited for: `45m`, `2h`, `90s`, or a number of seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path
from reconciler.providers.values import warning

SHORTEST: Final = 60
LONGEST: Final = 86_400

PATTERN: Final = (
    r"^0*(?:(?:[6-9][0-9]|[1-9][0-9]{2,3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)s"
    r"|(?:[1-9][0-9]{0,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440)m|(?:[1-9]|1[0-9]|2[0-4])h)$"
)
"""The texts that are deadlines between these two, in seconds; they have 7 characters at most."""

_TEXT: Final = re.compile(r"([0-9]{1,6})([smh])", re.ASCII)

_SECONDS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600})


def seconds(value: JSON) -> JSON:
    """A deadline in seconds; what is none stays as it is."""
    found = _TEXT.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else int(found[1]) * _SECONDS[found[2]]


def check(spec: JSONObject) -> Iterator[Violation]:
    """Whether a spec has a deadline, and a sensible one."""
    declared = spec.get("deadline")
    wait = seconds(declared)
    if declared is None:
        message = "without a deadline its file is waited for half an hour"
        place: Path = ("deadline",) if "deadline" in spec else ()
        yield warning(place, "export-without-deadline", message, "say how long is usual, for example deadline: 20m")
    elif not isinstance(wait, int):
        yield Violation(
            ("deadline",),
            "bad-deadline",
            f"{declared!r} is not a duration",
            "write 90s, 45m, 2h or a number of seconds",
        )
    elif not SHORTEST <= wait <= LONGEST:
        message = f"a deadline of {wait:,} seconds is too {'short' if wait < SHORTEST else 'long'}"
        yield Violation(("deadline",), "bad-deadline", message, "give it from 60 seconds to 24 hours")
