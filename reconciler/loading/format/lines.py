"""Lines of a formatted text, gathered by document: order, blank lines, columns of comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from reconciler.loading.format.scan import Comment

ORDER: Final = ("apiVersion", "kind", "metadata", "lifecycle", "lint", "forEach", "spec")
"""The keys of a document of ours; others follow in the order they have."""

_NEAREST: Final = 2
"""Blanks before a comment behind a value, at least."""


class Line:
    """A line that is being written; its comment stands apart, because its column depends on other lines.

    `end` is where the text before the comment ended before; a line that is `kept` stays even when it is blank;
    a `greedy` one is the last of a text to which blank lines behind it would belong.
    """

    __slots__ = ("_words", "comment", "end", "greedy", "kept", "width")

    def __init__(self, text: str, comment: Comment | None = None, end: int = 0, *, kept: bool = False) -> None:
        self._words = [text]
        self.width = len(text)
        self.comment = comment
        self.end = end
        self.kept = kept
        self.greedy = False

    def write(self, text: str) -> None:
        """Add to the end of the line."""
        self._words.append(text)
        self.width += len(text)

    @property
    def text(self) -> str:
        """What has been written."""
        return "".join(self._words)

    @property
    def blank(self) -> bool:
        """Whether it is there to look at only."""
        return not (self.width or self.kept)


@dataclass(slots=True)
class Key:
    """A key of a document's root: the line of the body its comments begin with, and the one it stands in.

    The name is empty where it is no text; `anchors` and `aliases` are those in it and in its value.
    """

    begin: int
    line: int
    name: str = ""
    anchors: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Part:
    """A document.

    `head` stands before its `---`, `mark` is the comment behind that; from the line `tail` of `body` on there are
    comments that belong to no key.
    """

    head: list[Line] = field(default_factory=list)
    mark: Comment | None = None
    body: list[Line] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    tail: int = 0
    explicit: bool = False
    directives: bool = False
    filled: bool = False

    def ordered(self) -> list[Line]:
        """The body with the keys of its root in their order.

        As it is where it is no document of ours, or where an anchor would come behind its alias.
        """
        wanted = sorted(self.keys, key=lambda key: ORDER.index(key.name) if key.name in ORDER else len(ORDER))
        ours = {"apiVersion", "kind"} <= {key.name for key in self.keys}
        if wanted == self.keys or not ours or not _keeps_names(wanted):
            return self.body
        first = _behind_header(self.body[: self.keys[0].line])
        begins = [first, *(key.begin for key in self.keys[1:]), self.tail]
        chunks = {key.line: self.body[begins[at] : begins[at + 1]] for at, key in enumerate(self.keys)}
        return [*self.body[:first], *(line for key in wanted for line in chunks[key.line]), *self.body[self.tail :]]


def _keeps_names(keys: list[Key]) -> bool:
    known: set[str] = set()
    for key in keys:
        if key.anchors & known or not key.aliases <= known | key.anchors:
            return False
        known |= key.anchors
    return True


def _behind_header(before: list[Line]) -> int:
    """Where the first key's own comment begins: directly above it, with a blank line and the document's above that."""
    for index in range(len(before) - 1, 0, -1):
        if before[index].blank:
            return index + 1 if any(not line.blank for line in before[:index]) else len(before)
    return len(before)


def written(parts: list[Part]) -> str:
    """Return the text of a file, with the keys of its documents in their order."""
    lines = list(_lines(_joined(parts)))
    commented = (line for line in lines if line.comment is not None)
    for _, group in groupby(commented, key=lambda line: line.comment and line.comment.column):
        _align(list(group))
    return "".join(f"{line.text}\n" for line in lines)


def _joined(parts: list[Part]) -> list[Part]:
    """Leave out documents that have nothing but comments; these go to the document behind, else to the one before."""
    kept: list[Part] = []
    loose: list[Line] = []
    for part in parts:
        if part.filled or part.directives:
            part.head[:0] = loose
            kept.append(part)
            loose = []
        else:
            loose += [*part.head, *_own_line(part.mark), *part.body]
    if not kept:
        return [Part(body=loose)]
    kept[-1].body += loose
    return kept


def _lines(parts: list[Part]) -> Iterator[Line]:
    for index, part in enumerate(parts):
        body = part.ordered()
        if part.directives:
            yield from [Line("...")] if index else []
            yield from _spaced(part.head)
            yield Line("---", part.mark, 3)
            yield from _spaced(body)
        elif index and not part.head:
            yield Line("---", part.mark, 3)
            yield from _spaced(body)
        else:
            yield from [Line("---")] if index else []
            yield from _spaced([*part.head, *_own_line(part.mark), *body])


def _own_line(comment: Comment | None) -> list[Line]:
    return [] if comment is None else [Line(comment.text)]


def _spaced(lines: list[Line]) -> Iterator[Line]:
    """Leave out blank lines at both ends, and all but one in a row."""
    pending: Line | None = None
    last: Line | None = None
    for line in lines:
        if line.blank:
            pending = None if last is None or last.greedy else line
            continue
        if pending is not None:
            yield pending
        pending, last = None, line
        yield line


def _align(lines: list[Line]) -> None:
    """Write the comments of lines, which shared a column, into one: as far from the longest line as they were."""
    column = max(line.comment.column for line in lines if line.comment)
    distance = max(_NEAREST, column - max(line.end for line in lines))
    width = max(line.width for line in lines) + distance
    for line in lines:
        if line.comment is not None:
            line.write(" " * (width - line.width) + line.comment.text)
