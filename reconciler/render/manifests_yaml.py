"""Manifests as YAML that people read and every reader of YAML understands alike, 1.1 and 1.2.

Written by hand, because origins are comments, and because no writer of YAML keeps them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from reconciler.model.manifest import Manifest
from reconciler.model.values import JSON, JSONObject, Path
from reconciler.render.escape import plain

_WIDTH: Final = 100
_LONGEST_KEY: Final = 1_000
"""Characters up to which `key:` is understood without a `?` before it."""
# Starts with a letter, has no `: ` and no ` #`, ends with neither a colon nor a space.
_BARE: Final = re.compile(r"[^\W\d_](?:[\w./@()+,;'’–-]|:(?=[^\s])| (?=[^\s#]))*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Words that some readers do not take for text."""


def manifests_yaml(manifests: Iterable[tuple[Manifest, JSONObject]]) -> str:
    """Return documents, each below a comment that says which manifest it is and where that comes from.

    Fields that are defaults say where they come from.  No character that a terminal could act on is left unescaped.
    """
    return "---\n".join(_document(manifest, data) for manifest, data in manifests)


def _document(manifest: Manifest, data: JSONObject) -> str:
    origin = manifest.origin
    entry = f" (forEach {manifest.entry})" if manifest.entry else ""
    head = f"{manifest.address}  from {origin.file}:{origin.line}{entry}"
    notes = {path: f"default from {span.file}:{span.line}" for path, span in manifest.inherited.items()}
    return "".join(f"{line}\n" for line in (f"# {plain(head)}", *_mapping(data, (), notes)))


def _mapping(data: JSONObject, path: Path, notes: Mapping[Path, str]) -> Iterator[str]:
    for key, value in data.items():
        here = (*path, key)
        first, *rest = _value(value, here, notes)
        shown = _scalar(key)
        if len(shown) > _LONGEST_KEY:
            yield f"? {shown}"
            shown = ""
        note = f"  # {plain(notes[here])}" if here in notes else ""
        yield f"{shown}:{first and ' '}{first}{note}"
        for line in rest:
            yield f"  {line}" if line else ""


def _list(items: list[JSON], path: Path, notes: Mapping[Path, str]) -> Iterator[str]:
    for index, item in enumerate(items):
        first, *rest = _value(item, (*path, index), notes)
        if not first:
            first, *rest = rest
        yield f"- {first}"
        for line in rest:
            yield f"  {line}" if line else ""


def _value(value: JSON, path: Path, notes: Mapping[Path, str]) -> list[str]:
    """Return what stands behind `key:`, then the lines below it, which are to be indented."""
    if isinstance(value, dict) and value:
        return ["", *_mapping(value, path, notes)]
    if isinstance(value, list) and value:
        return ["", *_list(value, path, notes)]
    if isinstance(value, str) and "\n" in value and _is_literal(value):
        body = value.removesuffix("\n")
        chomping = "-" if body == value else "+" if body.endswith("\n") else ""
        return [f"|{chomping}", *body.split("\n")]
    if isinstance(value, str) and len(value) > _WIDTH and _is_foldable(value):
        return [">-", *_folded(value)]
    return [_scalar(value)]


def _scalar(value: JSON) -> str:
    """Write a scalar, or an empty mapping or list, on one line."""
    if isinstance(value, str):
        if _BARE.fullmatch(value) and value.casefold() not in _WORDS and plain(value) == value:
            return value
        return '"' + plain(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    if isinstance(value, float):
        text = repr(value)
        # YAML 1.1 knows a number by its dot.
        return text if "." in text else text.replace("e", ".0e")
    return json.dumps(value)


def _is_literal(text: str) -> bool:
    """Whether a text of several lines can stand as it is: all of it is seen, its first line tells the indentation."""
    return text[0] not in " \n" and plain(text.replace("\n", " ")) == text.replace("\n", " ")


def _is_foldable(text: str) -> bool:
    return " " in text and text[0] != " " and text[-1] != " " and plain(text) == text


def _folded(text: str) -> Iterator[str]:
    """Break a text at single blanks, which a reader puts back."""
    line = ""
    for word in re.split(r"(?<=\S) (?=\S)", text):
        if line and len(line) + len(word) >= _WIDTH:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
