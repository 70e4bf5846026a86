"""Things of a service that manifests name instead of giving their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model.values import Path, Span


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A name that leads to an id: `sort` says of what (workspace, user, pipe), `by` what kind of name it is
    (slug, name, email), `value` is the name itself."""

    provider: str
    sort: str
    by: str
    value: str

    @property
    def key(self) -> str:
        """How the log writes it: `workspace:slug:sales-emea`; unique within a provider."""
        return f"{self.sort}:{self.by}:{self.value}"


def disproved(known: Mapping[str, str], found: Mapping[str, str]) -> set[str]:
    """The keys of known names that cannot lead to their ids any more, by what was found since.

    A thing has one slug, one name, one address: another one of the same kind that leads to its id has replaced it.
    """
    taken = {(*key.split(":", 2)[:2], id_) for key, id_ in found.items()}
    return {key for key, id_ in known.items() if key not in found and (*key.split(":", 2)[:2], id_) in taken}


@dataclass(frozen=True, slots=True)
class Named:
    """A place in a declared spec that holds a name; `path` leads from the spec to the name's own scalar."""

    path: Path
    name: Name


@dataclass(frozen=True, slots=True)
class Found:
    """The id a name leads to."""

    id: str


@dataclass(frozen=True, slots=True)
class Unfound:
    """Why a name leads to no id.

    `ambiguous`: several things have it, `candidates` says which.  `hidden`: the service does not show
    what would be needed to tell.  Neither: there is none, `candidates` are the nearest.
    """

    candidates: tuple[str, ...] = ()
    ambiguous: bool = False
    hidden: bool = False


Resolution: TypeAlias = Found | Unfound

Names: TypeAlias = Mapping[Name, str]
"""Names and the ids they lead to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, with the line of text for the caret."""

    span: Span
    source: str = ""
