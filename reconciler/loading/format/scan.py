"""A text as pieces: its tokens, and before each what stands in the gap: blanks, line ends, comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError
from yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DocumentStartToken,
    ScalarToken,
    StreamEndToken,
    StreamStartToken,
    TagToken,
)

from reconciler.loading.text.dialect import Spelling

MAX_TOKENS: Final = 150_000
MAX_LINES: Final = 300_000
"""What one file may have; more takes too long."""

_TOO_LONG: Final = "takes too long: split it into several files"
_HEADER: Final = re.compile(r"(?P<style>[|>])(?:(?P<indent>[1-9])|(?P<chomp>[-+])){0,2}[ \t]*(?P<comment>#.*)?")
_MARKED: Final = (AliasToken, AnchorToken, TagToken)


class Unsafe(Exception):
    """A file is better left alone; the text is a reason for people: "formatting it …"."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment from its `#` to the end of its line, without blanks there; `column` counts from 0."""

    text: str
    column: int


@dataclass(slots=True)
class Gap:
    """What is between two tokens: whether a line ends, the comment before that, and whole lines (None: blank)."""

    broken: bool
    trailing: Comment | None = None
    lines: tuple[Comment | None, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockText:
    """The parts of a `|` or `>` scalar.

    `head` is the length of its first line up to the comment; `lines` are without their indentation, but
    `indicated` says that it has to be stated.
    """

    style: str
    indicated: bool
    chomp: str
    head: int
    comment: Comment | None
    lines: tuple[str, ...]


@dataclass(slots=True)
class Piece:
    """A token with the gap before it; `text` is empty for those that only tell of structure.

    `column` is where it begins, `end` where its last line ends.
    """

    token: Any
    kind: type[Any]
    column: int
    end: int
    text: str
    gap: Gap
    block: BlockText | None = None


_NO_GAP: Final = Gap(broken=False)


def pieces(text: str) -> list[Piece]:
    """Take a text apart; its lines end with LF, the last one too, whatever they ended with before.

    Raises Unsafe when that cannot be done well, or takes too long.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text if text.endswith("\n") else text + "\n"
    if text.count("\n") > MAX_LINES:
        raise Unsafe(_TOO_LONG)
    return list(_Scanner(text).pieces())


def marks(found: list[Piece]) -> Iterator[tuple[str, str]]:
    """Yield every comment, anchor, alias and tag, in their order."""
    for piece in found:
        header = None if piece.block is None else piece.block.comment
        for comment in (piece.gap.trailing, *piece.gap.lines, header):
            if comment is not None:
                yield "comments", comment.text
        if piece.kind in _MARKED:
            yield "anchors, aliases or tags", piece.text


def _tokens(text: str) -> list[Any]:
    spelling = Spelling(text)
    while True:
        parser = CParser(spelling.text)
        found: list[Any] = []
        try:
            while not found or not isinstance(found[-1], StreamEndToken):
                found.append(parser.get_token())
                if len(found) > MAX_TOKENS:
                    raise Unsafe(_TOO_LONG)
        except MarkedYAMLError as error:
            if not spelling.otherwise(error):
                raise Unsafe("is not possible: it is read in more than one way") from error
        else:
            return found


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._levels: list[int] = []
        self._end = 0
        self._column: int | None = None

    def pieces(self) -> Iterator[Piece]:
        for token in _tokens(self._text):
            kind = token.__class__
            if kind in (BlockMappingStartToken, BlockSequenceStartToken):
                self._levels.append(token.start_mark.column)
            elif kind is BlockEndToken:
                self._levels.pop()
            start = token.start_mark
            if kind is StreamStartToken:
                continue
            if start.index == token.end_mark.index and kind is not StreamEndToken:
                yield Piece(token, kind, start.column, start.column, "", _NO_GAP)
            elif kind is ScalarToken and token.style in ("|", ">"):
                yield self._block(token)
            else:
                yield self._whole(token, kind)

    def _whole(self, token: Any, kind: type[Any]) -> Piece:
        start, end = token.start_mark, token.end_mark
        gap = self._gap(start.index if kind is not StreamEndToken else len(self._text))
        if kind is DocumentStartToken and start.column:
            raise Unsafe("is not possible: it is read in more than one way")
        self._end, self._column = end.index, end.column
        return Piece(token, kind, start.column, end.column, self._text[start.index : end.index], gap)

    def _block(self, token: Any) -> Piece:
        """Take a `|` or `>` scalar; blank lines at its end are its own only when it keeps them."""
        text, start = self._text, token.start_mark
        head_end = text.index("\n", start.index)
        header = _HEADER.fullmatch(text, start.index, head_end)
        if header is None:
            raise Unsafe("is not possible: a text begins strangely")
        gap = self._gap(start.index)
        increment = int(header["indent"] or 0)
        lines = text[head_end + 1 : token.end_mark.index].split("\n")[:-1]
        outer = self._levels[-1] if self._levels else 0
        indent = outer + increment if increment else _indentation(lines)
        if header["chomp"] != "+":
            while lines and not lines[-1].strip(" ") and len(lines[-1]) <= indent:
                lines.pop()
        self._end, self._column = head_end + sum(len(line) + 1 for line in lines), -1
        words = header["comment"]
        comment = Comment(words.rstrip(" \t"), start.column + header.start("comment") - start.index) if words else None
        head = text[start.index : header.start("comment") if words else head_end].rstrip(" \t")
        inner = tuple(line[indent:] for line in lines)
        block = BlockText(header["style"], increment > 0, header["chomp"] or "", len(head), comment, inner)
        return Piece(token, ScalarToken, start.column, start.column + len(head), head, gap, block)

    def _gap(self, end: int) -> Gap:
        """Return what is between the last token and the one that begins at `end`."""
        between = self._text[self._end : end]
        if "\n" not in between:
            if between.strip(" \t"):
                raise Unsafe("is not possible: there is something between its values")
            return _NO_GAP
        first, *whole, _ = between.split("\n")
        lines = tuple(_comment(line, 0) for line in whole)
        if self._column is None:
            return Gap(broken=True, lines=(_comment(first, 0), *lines))
        return Gap(broken=True, trailing=_comment(first, self._column), lines=lines)


def _indentation(lines: list[str]) -> int:
    """How far a text is indented that does not state it."""
    for line in lines:
        if line.strip(" "):
            return len(line) - len(line.lstrip(" "))
    return max(map(len, lines), default=0)


def _comment(line: str, column: int) -> Comment | None:
    text = line.strip(" \t")
    if not text:
        return None
    if text[0] != "#":
        raise Unsafe("is not possible: there is something between its values")
    return Comment(text, column + line.index("#"))
