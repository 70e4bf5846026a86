"""From a former version of a kind to the current one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.loading.text.marked import Block, Node
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path, path_text
from reconciler.model.versions import EACH, Former

_Children: TypeAlias = dict[str, tuple[Node, Node]]


@dataclass(frozen=True, slots=True)
class Renamed:
    """A field that was given its current name; `path` leads to it in the current words, `key` is the place of
    the former name."""

    path: Path
    former: str
    key: Node


@dataclass(slots=True)
class Conversion:
    """What was renamed, in the order it stands there, and what stood in the way."""

    renamed: list[Renamed] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)


def convert(data: JSONObject, node: Node, former: Former) -> list[Violation]:
    """Rename the fields of a document's data and of its places, in place; return what stands in the way."""
    return conversion(data, node, former).violations


def conversion(data: JSONObject, node: Node, former: Former) -> Conversion:
    """Do what `convert` does, and say what was renamed.

    What an alias shares with another place is changed in this place only.  A field that has both names keeps
    the current one; the place of the former one stays, so that its violation can be shown there.
    """
    done = Conversion()
    renamed, places = _converted(data, node, (), _way(former), done)
    if renamed is not data:
        data.clear()
        data.update(renamed)
        node.children = places.children
    return done


@dataclass(slots=True)
class _Way:
    """What becomes of a field: its current name, empty when it keeps its own, and the way into it."""

    name: str = ""
    inner: dict[str, _Way] = field(default_factory=dict)


def _way(former: Former) -> _Way:
    root = _Way()
    renamed: list[tuple[_Way, str]] = []
    for rename in former.renames:
        way = root
        for step in rename.path[:-1]:
            way = way.inner.setdefault(step, _Way())
        way.inner.setdefault(rename.path[-1], _Way()).name = rename.name
        renamed.append((way, rename.path[-1]))
    for way, old in renamed:  # the current name of an outer field leads to the former names inside it too
        way.inner.setdefault(way.inner[old].name, _Way(inner=way.inner[old].inner))
    return root


def _converted(data: JSON, node: Node, path: Path, way: _Way, done: Conversion) -> tuple[JSON, Node]:
    """Return new data and places; the old ones, untouched, where nothing in them has another name."""
    if not way.inner or not isinstance(node, Block):
        return data, node
    children = node.children
    if isinstance(data, dict) and isinstance(children, dict):
        renamed, places = _mapping(data, children, path, way, done)
        return (data, node) if renamed is data else (renamed, Block(node.start, node.end, places))
    if isinstance(data, list) and EACH in way.inner:
        pairs = zip(data, children, strict=True)
        each = [
            _converted(item, place, (*path, index), way.inner[EACH], done) for index, (item, place) in enumerate(pairs)
        ]
        if any(new is not old for (new, _), old in zip(each, data, strict=True)):
            return [item for item, _ in each], Block(node.start, node.end, [place for _, place in each])
    return data, node


def _mapping(
    data: JSONObject, children: _Children, path: Path, way: _Way, done: Conversion
) -> tuple[JSONObject, _Children]:
    renamed: JSONObject = {}
    places: _Children = {}
    for key, value in data.items():
        holder, place = children[key]
        step = way.inner.get(key, _NOTHING)
        name = step.name or key
        if step.name and step.name in data and not way.inner[step.name].name:
            done.violations.append(_twice((*path, key), step.name))
            places[key] = (holder, place)
            continue
        if step.name:
            done.renamed.append(Renamed((*path, name), key, holder))
        renamed[name], inner = _converted(value, place, (*path, name), step, done)
        places[name] = (holder, inner)
    if list(renamed) == list(data) and all(renamed[key] is data[key] for key in data):
        return data, children
    return renamed, places


_NOTHING = _Way()


def _twice(path: Path, name: str) -> Violation:
    return Violation(
        path,
        "former-field",
        f"{path_text(path)} is the former name of {name}, which is there too",
        f"remove one of the two; the name is {name} now",
    )
