"""YAML documents as plain data, each with the places of its keys and values.

One walk over libyaml's events makes both, so data and places cannot disagree; what is
refused is refused while reading, before it takes time or memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from reconciler.loading.text.budget import MAX_DEPTH, Budget, Refused, check_directives, check_documents
from reconciler.loading.text.dialect import Misread, Spelling
from reconciler.loading.text.scalars import STARTS, UnsafeNumber, resolve
from reconciler.loading.text.sources import MAX_PER_FILE, Mark, Source, clipped
from reconciler.loading.text.syntax import explain
from reconciler.loading.text.within import narrowed
from reconciler.model.values import JSON, Path, Span, lookup

_CORE: Final = "tag:yaml.org,2002:"
_TYPES: Final[dict[str, Any]] = {"null": type(None), "bool": bool, "int": int, "float": (int, float)}


@dataclass(slots=True)
class Block:
    """Where a mapping or a list stands; `children` has its shape: keys with theirs, or items."""

    start: Mark
    end: Mark
    children: dict[str, tuple[Any, Any]] | list[Any]


Node: TypeAlias = Any
"""The place of a value: a Block, or a parser event with `start_mark` and `end_mark`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the YAML itself; `node` is its place, `span` where there is none."""

    code: str
    message: str
    hint: str
    span: Span


@dataclass(slots=True)
class Document:
    """One document: its data, the places in it, and what is wrong with it as YAML.

    `root` is None when it could not be read to its end.
    """

    source: Source
    index: int
    data: JSON = None
    root: Node = None
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0
    begin: int = 0
    end: int = 0
    _unknown: dict[int, Node] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text of this document; empty when it could not be read to its end."""
        return self.source.text[self.begin : self.end]

    def doubt(self, node: Node) -> None:
        """Note that nobody knows what the value at a node was meant to be."""
        self._unknown[id(node)] = node  # kept, so that no other gets its id

    def knows(self, path: Path) -> bool:
        """Whether everything on the way to a value was readable; if not, more words about it are noise."""
        return not any(id(node) in self._unknown for _, node in self._way(path))

    def _way(self, path: Path) -> Iterator[tuple[Any, Node]]:
        """Yield the key (None in a list) and the node of every step, as far as there are any."""
        node = self.root
        for step in path:
            children = node.children if isinstance(node, Block) else None
            if isinstance(children, dict) and step in children:
                key, node = children[str(step)]
            elif isinstance(children, list) and isinstance(step, int) and step < len(children):
                key, node = None, children[step]
            else:
                return
            yield key, node

    def span(self, path: Path, *, key: bool = False) -> Span:
        """Return the place of what `path` leads to.

        That is the scalar itself; its key when `key` is asked for, or when it is empty, a mapping
        or a list; and where the path leads nowhere, the place of the last thing on the way.
        """
        way = list(self._way(path))
        holder, node = way[-1] if way else (None, self.root)
        key = key and len(way) == len(path)
        if holder is not None and (key or isinstance(node, Block) or node.start_mark.index == node.end_mark.index):
            node = holder
        return self._span(node)

    def span_within(self, path: Path, within: tuple[int, int]) -> Span:
        """Return the place of a part of the text that `path` leads to: from and up to these characters of its value.

        The place of all of it where the part's cannot be told: in an alias, and where the value is no text.
        """
        way = list(self._way(path))
        place = narrowed(self.source, way[-1][1] if way else self.root, lookup(self.data, path), within)
        return self.span(path) if place is None or len(way) < len(path) else place

    def _span(self, node: Node) -> Span:
        if node is None:
            return Span(self.source.file, 1, 1, 1, 1)
        if isinstance(node, Block):
            one_line = node.start.line == node.end.line
            return self.source.span(node.start, node.end if one_line else None)
        block_text = isinstance(node, ScalarEvent) and node.style in ("|", ">")
        return self.source.span(node.start_mark, None if block_text else node.end_mark)


def documents(source: Source) -> Iterator[Document]:
    """Read a file's documents, one after the other; empty ones are left out.

    A document with `problems` is wrong even where it has data.  The first mistake that the parser
    cannot get over ends the file.  No effects; time and memory are bounded by `budget`.
    """
    reader = _Reader(source)
    while (document := reader.document()) is not None:
        if document.data is not None or document.problems:
            yield document


class _Frame:
    """A mapping or a list that is being read."""

    __slots__ = ("anchor", "data", "doubtful", "key", "merges", "nodes", "start", "weight")

    def __init__(self, start: Any, data: Any, nodes: Any, weight: int) -> None:
        self.start = start.start_mark
        self.anchor = start.anchor
        self.data = data
        self.nodes = nodes
        self.weight = weight
        self.key: Any = None
        self.merges: list[tuple[Any, Any]] = []
        self.doubtful = False


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._spelling = Spelling(source.text)
        self._as_written = self._spelling.as_written
        self._parser = CParser(self._spelling.text)
        self._index = 0
        self._budget = Budget()
        self._ended = False

    def document(self) -> Document | None:
        """Read the next document; None behind the last."""
        document = Document(self._source, self._index)
        self._index += 1
        try:
            while not self._ended:
                if self._next(document):
                    return document
            return None
        except Misread as misread:
            span = self._source.span_at(misread.index)
            document.problems.append(Problem("yaml-syntax", misread.message, misread.hint, span))
        except Refused as refused:
            span = self._source.span(refused.mark)
            document.problems.append(Problem(refused.code, refused.message, refused.hint, span))
        except MarkedYAMLError as error:
            message, hint, mark = explain(error, self._source)
            document.problems.append(Problem("yaml-syntax", message, hint, self._source.span(mark)))
        except (YAMLError, UnicodeError) as error:
            before = self._spelling.text.encode(errors="replace")[: getattr(error, "position", 0) or 0]
            span = self._source.span_at(len(before.decode(errors="ignore")))
            document.problems.append(Problem("yaml-syntax", "the text has a character that YAML forbids", "", span))
        self._ended = True
        document.data = document.root = None
        return document

    def _next(self, document: Document) -> bool:
        """Read on; whether that was all of the document."""
        weight, repeated = self._budget.weight, self._budget.repeated
        try:
            if document.index == 0:
                check_directives(self._source.text)
            check_documents(document.index, self._parser)
            event = self._parser.get_event()
            if event.__class__ is DocumentStartEvent:
                self._read(document, event)
                return True
            self._ended = event is None or isinstance(event, StreamEndEvent)
        except MarkedYAMLError as error:
            if not self._spelling.otherwise(error):
                raise
            self._budget.weight, self._budget.repeated = weight, repeated
            self._again(document)
        return False

    def _again(self, document: Document) -> None:
        """Go to where the document begins, in the other spelling."""
        self._parser = CParser(self._spelling.text)
        self._as_written = self._spelling.as_written
        document.problems.clear()
        for _ in range(document.index):
            while not isinstance(self._parser.get_event(), DocumentEndEvent | None):
                pass

    def _read(self, document: Document, start: Any) -> None:
        """Walk over the events of one document; the stack is ours, so depth costs no recursion."""
        get: Callable[[], Any] = self._parser.get_event
        stack: list[_Frame] = []
        anchors: dict[str, tuple[JSON, Node, int]] = {}
        budget = self._budget
        budget.begin()
        begun, document.begin = budget.weight, start.start_mark.index
        while True:
            event = get()
            kind = event.__class__
            if kind is ScalarEvent:
                node = event
                value = self._scalar(document, event)
                weight = 1 + len(event.value) // 64
                budget.weight += weight
                if event.anchor is not None:
                    anchors[event.anchor] = (value, node, weight)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._open(document, event, stack)
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value, node = self._close(document, event, stack.pop(), anchors)
            elif kind is AliasEvent:
                value, node = self._alias(event, anchors)
            elif kind is DocumentEndEvent:
                document.nodes = budget.weight - begun
                document.end = event.end_mark.index
                return
            if budget.weight > budget.limit or kind is AliasEvent:
                budget.check(event.start_mark)
            if not stack:
                document.data, document.root = value, node
            else:
                self._attach(document, stack[-1], event, value, node)

    def _open(self, document: Document, event: Any, stack: list[_Frame]) -> None:
        budget = self._budget
        if len(stack) >= MAX_DEPTH:
            budget.too_deep(event.start_mark)
        mapping = event.__class__ is MappingStartEvent
        stack.append(_Frame(event, {} if mapping else [], {} if mapping else [], budget.weight))
        if event.tag is not None and event.tag not in ("!", _CORE + ("map" if mapping else "seq")):
            self._problem(document, "yaml-tag", f"the tag {_tag(event.tag)} is not known", "remove it", event)
            stack[-1].doubtful = True
        budget.weight += 1

    def _close(
        self, document: Document, event: Any, frame: _Frame, anchors: dict[str, tuple[JSON, Node, int]]
    ) -> tuple[JSON, Node]:
        for merged, places in frame.merges:
            for key, value in merged.items():
                if key not in frame.data:
                    frame.data[key] = value
                    frame.nodes[key] = places.children[key]
        node = Block(frame.start, event.end_mark, frame.nodes)
        if frame.doubtful:
            document.doubt(node)
        if frame.anchor is not None:
            anchors[frame.anchor] = (frame.data, node, self._budget.weight - frame.weight)
        return frame.data, node

    def _alias(self, event: Any, anchors: dict[str, tuple[JSON, Node, int]]) -> tuple[JSON, Node]:
        if event.anchor not in anchors:
            raise Refused(
                "yaml-alias",
                f"*{clipped(event.anchor)} has no anchor &{clipped(event.anchor)} that ends before it",
                _known_anchors(anchors),
                event.start_mark,
            )
        value, node, weight = anchors[event.anchor]
        self._budget.weight += weight
        self._budget.repeated += weight
        # A scalar's mistake is shown where it is used; inside a mapping or a list, where it is written.
        return value, node if isinstance(node, Block) else event

    def _scalar(self, document: Document, event: Any) -> JSON:
        text: str = event.value if self._as_written and event.anchor is None else self._spelling.value(event)
        if event.implicit[0] and event.tag is None:
            if text and text[0] not in STARTS:
                return text
            return self._resolved(document, event, text)
        if event.tag in (None, "!", _CORE + "str"):
            return text
        name = event.tag.removeprefix(_CORE)
        value = self._resolved(document, event, text) if name in _TYPES else text
        if name not in _TYPES:
            self._problem(document, "yaml-tag", f"the tag {_tag(event.tag)} is not known", "remove it", event)
        elif not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and name != "bool"):
            self._problem(document, "yaml-tag", f"{clipped(text)} is not of the type !!{name}", "remove the tag", event)
        return value

    def _resolved(self, document: Document, event: Any, text: str) -> JSON:
        try:
            return resolve(text)
        except UnsafeNumber as error:
            self._problem(document, "yaml-number", str(error), error.hint, event)
            return text

    def _attach(self, document: Document, frame: _Frame, event: Any, value: JSON, node: Node) -> None:
        if frame.data.__class__ is list:
            frame.data.append(value)
            frame.nodes.append(node)
        elif frame.key is None:
            plain = (
                value.__class__ is str and event.__class__ is ScalarEvent and value not in frame.data and value != "<<"
            )
            frame.key = (value, event) if plain else self._key(document, frame, event, value, node)
        else:
            (key, place), frame.key = frame.key, None
            if key is None:
                return
            if key == "<<" and place.implicit[0]:
                self._merge(document, frame, place, value, node)
            elif key not in frame.data:
                frame.data[key] = value
                frame.nodes[key] = (place, node)

    def _key(self, document: Document, frame: _Frame, event: Any, value: JSON, node: Node) -> tuple[str | None, Any]:
        """Check a key and return it with its place; None for what cannot be one."""
        if isinstance(node, Block):
            frame.doubtful = self._source.text.startswith("{{", frame.start.index)
            hint = 'quote a template: "{{ … }}"' if frame.doubtful else "write a plain word before the colon"
            span = self._source.span(frame.start if frame.doubtful else node.start)
            document.problems.append(Problem("yaml-key", "a mapping or a list cannot be a key", hint, span))
            return None, None
        if not isinstance(value, str):
            shown = event.value if isinstance(event, ScalarEvent) else f"*{event.anchor}"
            message = f"the key {shown} is not text" if shown else "the key is empty"
            self._problem(document, "yaml-key", message, f'quote it: "{shown}"', event)
            return None, None
        place = event if isinstance(event, ScalarEvent) else _as_key(event.start_mark, event.end_mark)
        if value in frame.data or (value == "<<" and place.implicit[0] and frame.merges):
            self._duplicate(document, frame, value, event)
        return value, place

    def _duplicate(self, document: Document, frame: _Frame, key: str, event: Any) -> None:
        if key in frame.nodes:
            first = frame.nodes[key][0].start_mark.line + 1
            message, hint = f"the key {clipped(key)} is already there in line {first}", "remove one of the two"
        else:
            message, hint = "a mapping can have one << only", "write a list: <<: [*a, *b]"
        self._problem(document, "yaml-duplicate-key", message, hint, event)

    def _merge(self, document: Document, frame: _Frame, place: Any, value: JSON, node: Node) -> None:
        pairs = [(value, node)] if isinstance(value, dict) else None
        if isinstance(value, list) and isinstance(node, Block) and all(isinstance(item, dict) for item in value):
            pairs = list(zip(value, node.children, strict=True))
        if pairs is None:
            self._problem(
                document, "yaml-merge", "<< takes a mapping or a list of mappings", "write <<: *anchor", place
            )
            return
        frame.merges.extend(pairs)

    def _problem(self, document: Document, code: str, message: str, hint: str, event: Any) -> None:
        span = self._source.span(event.start_mark, event.end_mark)
        document.doubt(event)
        if len(document.problems) < MAX_PER_FILE:
            document.problems.append(Problem(code, message, hint, span))


def _tag(tag: str) -> str:
    return clipped(tag.replace(_CORE, "!!", 1))


def _as_key(start: Any, end: Any) -> Any:
    return ScalarEvent(None, None, (False, True), "", start, end)


def _known_anchors(anchors: dict[str, Any]) -> str:
    return f"anchors so far: {', '.join('&' + clipped(name, 20) for name in list(anchors)[:10])}" if anchors else ""
