"""Names that stand where ids could: how they are declared, kept in order, and matched with what a service lists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from reconciler.model.diagnostic import Violation
from reconciler.model.naming import Found, Name, Named, Names, Resolution, Unfound
from reconciler.model.values import JSON, JSONObject, Path
from reconciler.providers.values import blank

CANDIDATES: Final = 10
"""How many candidates are told of at most."""

_COMPARED: Final = 2_000  # things; to compare a name with more of them takes too long
_TYPED: Final = 80  # characters of a name that are compared


@dataclass(frozen=True, slots=True)
class Known:
    """A thing that a service lists: its id, the text that names it, and how people tell it from others."""

    id: str
    text: str
    label: str


def known(id_: JSON, text: JSON, label: JSON) -> Known:
    """A thing that a service lists; raises TypeError when it does not say which one, or what it is called."""
    if not (isinstance(id_, str) and id_ and isinstance(text, str)):
        raise TypeError("a thing without an id or a name")
    return Known(id_, text, str(label))


def is_name(item: JSON) -> bool:
    """Whether an entry of a list of ids is no id but a name."""
    return isinstance(item, dict)


def named(items: JSON, path: Path, sort: tuple[str, str], keys: Sequence[str]) -> Iterator[Named]:
    """The names among the entries of a list that stands at `path`; `sort` is the provider and the sort."""
    for index, item in enumerate(items or ()):
        if not isinstance(item, dict):  # nearly always; spelt out because every manifest passes here
            continue
        for key in keys:
            value = item.get(key)
            if isinstance(value, str) and value.strip():
                yield Named((*path, index, key), Name(*sort, key, value))


def normal(items: Iterable[JSON], keys: Sequence[str]) -> list[JSONObject]:
    """The names among some entries, each once, in order."""
    pairs = {(key, item[key]) for item in items if is_name(item) for key in keys if item.get(key) is not None}
    return [{key: value} for key, value in sorted(pairs)]


def replaced(items: JSON, sort: tuple[str, str], keys: Sequence[str], names: Names) -> tuple[list[JSON], list[str]]:
    """What is left of a list without the names that are known, and the ids of those."""
    left: list[JSON] = []
    ids = []
    for item in items or ():
        known = [names[one.name] for one in named([item], (), sort, keys) if one.name in names]
        left += [] if known else [item]
        ids += known
    return left, ids


def check(items: JSON, path: Path, keys: Sequence[str]) -> Iterator[Violation]:
    """Every name must be given by exactly one key, and say something."""
    for index, item in enumerate(items or ()):
        here = (*path, index)
        given = [key for key in keys if item.get(key) is not None]
        if not given:
            yield Violation(here, "name-missing", f"this names nothing: give {' or '.join(keys)}")
        elif len(given) > 1:
            yield Violation(
                (*here, given[1]), "two-names", f"{' and '.join(given)} exclude each other", "keep one of them"
            )
        elif not item[given[0]].strip():
            yield blank((*here, given[0]), given[0])


def match(value: str, known: Mapping[str, Sequence[Known]], *, lists: bool = True) -> Resolution:
    """What a name leads to among `known`, which are grouped by the text that is compared.

    `lists` shows some of them even if none is much like it.
    """
    found = {thing.id: thing for thing in known.get(value, ())}
    if len(found) == 1:
        return Found(next(iter(found)))
    if found:
        return Unfound(
            tuple(f"{thing.id} ({thing.label})" for thing in islice(found.values(), CANDIDATES)), ambiguous=True
        )
    return Unfound(tuple(_nearest(value, list(islice(known, _COMPARED)), lists=lists)))


def grouped(known: Iterable[Known]) -> dict[str, list[Known]]:
    """Things by the text that names them."""
    groups: dict[str, list[Known]] = {}
    for thing in known:
        groups.setdefault(thing.text, []).append(thing)
    return groups


def _nearest(value: str, known: Sequence[str], *, lists: bool) -> list[str]:
    folded: dict[str, list[str]] = {}
    for text in known:
        folded.setdefault(text[:_TYPED].casefold(), []).append(text)
    near = difflib.get_close_matches(value[:_TYPED].casefold(), folded, n=CANDIDATES)
    found = [text for close in near for text in folded[close]]
    return (found or (sorted(known) if lists else []))[:CANDIDATES]
