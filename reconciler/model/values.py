"""The small values everything else is made of: JSON, addresses, places in files, secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

JSON: TypeAlias = Any
"""None, bool, int, float, str, list of JSON or dict of str to JSON; never anything else."""

JSONObject: TypeAlias = dict[str, Any]

Path: TypeAlias = tuple[str | int, ...]
"""A way into a JSON value: keys and list indexes, outermost first; () is the value itself."""

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
"""What `metadata.name` may be: lower case, digits, `.`, `_` and `-`, at most 128 characters."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The identity of a resource: `<provider>/<kind>/<name>`, for example `blue/report/sales`."""

    provider: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address; raises ValueError with a sentence for people when it is not one."""
        parts = text.split("/")
        if len(parts) != 3 or not all(NAME.fullmatch(part) for part in parts):
            raise ValueError(f"{text!r} is not an address; write <provider>/<kind>/<name>")
        return cls(*parts)

    @property
    def is_export(self) -> bool:
        """Whether the resource is run (an export) instead of kept (a report)."""
        return self.kind.endswith("export")

    def __str__(self) -> str:
        return f"{self.provider}/{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file; lines and columns count from 1, in characters; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names another resource; `path` leads to the `{ref: ...}` object inside the spec."""

    path: Path
    target: Address


class Secret:
    """Text that cannot be printed, compared by accident, pickled or written to JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; only what writes a header, a body or a signature calls this."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be serialised")


def lookup(value: JSON, path: Path) -> JSON:
    """Return what `path` leads to inside `value`, or None when it leads nowhere."""
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(key, int):
            value = value[key] if 0 <= key < len(value) else None
        else:
            return None
    return value


_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TOKEN = re.compile(
    r"""(?:^|\.)(?P<bare>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>\d+)\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]"""
)


def path_text(path: Path) -> str:
    """Write a path as people do: `dataSources[0].filters["a key"]`; () is the empty string."""
    import json

    parts: list[str] = []
    for key in path:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif _BARE.fullmatch(key):
            parts.append(f".{key}" if parts else key)
        else:
            parts.append(f"[{json.dumps(key)}]")
    return "".join(parts)


def parse_path(text: str) -> Path:
    """Read what `path_text` wrote; raises ValueError for anything else."""
    import json

    path: list[str | int] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"{text!r} is not a path")
        if token["index"] is not None:
            path.append(int(token["index"]))
        else:
            path.append(token["bare"] if token["bare"] is not None else str(json.loads(token["quoted"])))
        at = token.end()
    return tuple(path)
