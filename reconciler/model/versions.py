"""Former versions of a kind's schema, and the way from them to the current one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EACH: Final = "*"
"""Stands for every entry of a list in the path of a Rename."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A field that has another name now; `path` leads from the document to it, in the former version's words
    (EACH for every entry of a list), `name` is what it is called now."""

    path: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Former:
    """A former version of a kind.

    `api_version` is how manifests ask for it; `renames` are applied from the innermost field outwards, so that every
    path is in the former words.  Fields that kept their name are not mentioned, and the current name of
    a renamed field is understood too.
    """

    api_version: str
    renames: Sequence[Rename] = ()
