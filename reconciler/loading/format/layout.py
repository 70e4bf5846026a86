"""Pieces of a text laid out again: the same lines, with canonical indentation, blanks and quotes.

Every level of nesting takes two columns, so the place of what begins a line follows from the number of open levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    TagToken,
    ValueToken,
)

from reconciler.loading.format.lines import Key, Line, Part
from reconciler.loading.format.scan import Comment, Gap, Piece

_STEP: Final = 2
_OPENERS: Final = (FlowMappingStartToken, FlowSequenceStartToken)
_CLOSERS: Final = (FlowMappingEndToken, FlowSequenceEndToken)
_BOUNDARIES: Final = (DirectiveToken, DocumentStartToken, DocumentEndToken, StreamEndToken)


@dataclass(frozen=True, slots=True)
class _Level:
    """A block mapping or list: the column it had and the one it has.

    `implied` is a list that may be as far left as its key, which no token opens.
    """

    old: int
    new: int
    listed: bool = False
    implied: bool = False


@dataclass(frozen=True, slots=True)
class _Flow:
    """An open bracket: the column it had and the one it has; a `hanging` one has nothing behind it in its line.

    `base` is what its lines are indented against, `outer` the old column of the block around it; `behind_key` says
    that the block's key stands in the same line.
    """

    old: int
    new: int
    hanging: bool
    base: int
    outer: int
    behind_key: bool


def laid_out(pieces: list[Piece]) -> list[Part]:
    """Return the documents of a text as lines; no effects."""
    layout = _Layout()
    behind = iter([piece for piece in pieces if _is_written(piece)][1:])
    for piece in pieces:
        if not _is_written(piece):
            layout.structure(piece)
        elif piece.kind in _BOUNDARIES:
            layout.boundary(piece)
            next(behind, None)
        else:
            layout.place(piece, hanging=next(behind).gap.broken)
    return layout.parts


def _is_written(piece: Piece) -> bool:
    return bool(piece.text) or piece.kind is StreamEndToken


class _Layout:
    def __init__(self) -> None:
        self.parts = [Part()]
        self._levels: list[_Level] = []
        self._closed: list[_Level] = []
        """What comments may belong to besides what follows them: levels that have ended, innermost first."""
        self._flows: list[_Flow] = []
        self._line: Line | None = None
        self._before: Any = None
        self._at_key = False
        self._unnamed: Key | None = None
        self._base = 0
        self._behind_key = False
        self._depth = 0
        """How many levels there were at the last dash or colon."""

    def structure(self, piece: Piece) -> None:
        """Take in a token that has no text."""
        if piece.kind in (BlockMappingStartToken, BlockSequenceStartToken):
            self._open(piece.column, listed=piece.kind is BlockSequenceStartToken)
        elif piece.kind is BlockEndToken:
            self._close_implied()
            self._closed.append(self._levels.pop())
        elif piece.kind is KeyToken and not self._flows:
            self._close_implied()
            self._at_key = True

    def boundary(self, piece: Piece) -> None:
        """Take in what stands between documents."""
        part = self.parts[-1]
        part.tail = self._leave(piece.gap, 0, 0)
        self._closed.clear()
        if (part.filled or part.explicit) and piece.kind is not StreamEndToken:
            part = Part()
            self.parts.append(part)
        self._line = None
        if piece.kind is DocumentStartToken:
            part.explicit = True
        elif piece.kind is DirectiveToken:
            part.directives = True
            self._line = Line(piece.text, end=piece.end)
            part.head.append(self._line)
        self._before = piece.kind

    def place(self, piece: Piece, *, hanging: bool) -> None:
        """Write a token, behind the one before or in a new line."""
        part = self.parts[-1]
        if not part.filled and not part.explicit:
            part.head, part.body = part.body, part.head
        part.filled = True
        begins_level = self._at_key or (not self._flows and self._begins_level(piece))
        line = self._line
        if line is None or (piece.gap.broken and not self._joins(piece, begins_level=begins_level)):
            line = self._new_line(piece, begins_level=begins_level)
        else:
            line.write(_between(self._before, piece.kind))
        self._closed.clear()
        self._line = self._scalar(line, piece) if piece.kind is ScalarToken else self._sign(line, piece, hanging)
        self._before, self._at_key = piece.kind, False

    def _joins(self, piece: Piece, *, begins_level: bool) -> bool:
        """Whether a token belongs behind the dash that stands alone in the line above, with no comment between."""
        inside = not begins_level or len(self._levels) > self._depth
        return self._before is BlockEntryToken and inside and not (piece.gap.trailing or any(piece.gap.lines))

    def _open(self, column: int, *, listed: bool, implied: bool = False) -> None:
        self._levels.append(_Level(column, _STEP * len(self._levels), listed, implied))

    def _close_implied(self) -> None:
        if self._levels and self._levels[-1].implied:
            level = self._levels.pop()
            self._closed.append(_Level(level.old + 1, level.new))  # what is below its dashes is not in it

    def _begins_level(self, piece: Piece) -> bool:
        """Whether a token stands where its level does."""
        if piece.kind is BlockEntryToken:
            if not self._levels[-1].listed:
                self._open(piece.column, listed=True, implied=True)
            return True
        if piece.kind in (KeyToken, ValueToken):
            self._close_implied()
            return True
        return False

    def _new_line(self, piece: Piece, *, begins_level: bool) -> Line:
        if self._flows:
            column = self._flow_column(piece.column, closing=piece.kind in _CLOSERS)
        else:
            column = self._levels[-1].new if begins_level else self._inside
        begin = self._leave(piece.gap, piece.column, column)
        part = self.parts[-1]
        if begins_level and len(self._levels) == 1 and piece.kind not in (ValueToken, BlockEntryToken):
            self._unnamed = Key(begin, len(part.body))
            part.keys.append(self._unnamed)
        self._base, self._behind_key = column, False
        line = Line(" " * column)
        part.body.append(line)
        return line

    @property
    def _inside(self) -> int:
        """Where a value of the innermost level begins that has a line of its own."""
        return _STEP * len(self._levels)

    def _leave(self, gap: Gap, old: int, new: int) -> int:
        """End a line and write the comments behind it; `old` and `new` are the columns of what follows.

        Returns the line from which on they belong to what follows.
        """
        part = self.parts[-1]
        lines = part.body if part.filled or part.explicit else part.head
        if gap.trailing is not None:
            if self._line is not None:
                self._line.comment = gap.trailing
            elif self._before is DocumentStartToken:
                part.mark = gap.trailing
            else:
                lines.append(Line(gap.trailing.text))
        begin = len(lines)
        for comment in gap.lines:
            if comment is None:
                lines.append(Line(""))
                continue
            column = self._comment_column(comment, old, new)
            lines.append(Line(" " * column + comment.text))
            begin = len(lines) if column > new else begin
        return begin

    def _comment_column(self, comment: Comment, old: int, new: int) -> int:
        """A comment belongs to what follows it, unless it stands further right, where something else has just ended."""
        if self._flows:
            return self._flow_column(comment.column, closing=False)
        for level in reversed(self._closed):
            if old < level.old <= comment.column:
                old, new = level.old, level.new
        return new

    def _flow_column(self, old: int, *, closing: bool) -> int:
        """Where a line between brackets begins: two columns in where the bracket was the last thing in its line, else
        as far from the bracket as before.

        A closing bracket may stay below the key of its block, but is not put there: YAML 1.2 wants it further right.
        """
        flow = self._flows[-1]
        least = self._inside
        if closing and old <= flow.outer and (flow.behind_key or not flow.hanging):
            return max(least - _STEP, 0)
        if not flow.hanging:
            return max(old + flow.new - flow.old, least)
        return flow.base + (_STEP if flow.behind_key or not closing else 0)

    def _sign(self, line: Line, piece: Piece, hanging: bool) -> Line:
        """Write a token that is no text."""
        kind = piece.kind
        if kind in _CLOSERS:
            self._flows.pop()
        elif kind in _OPENERS:
            self._bracket(line, piece, hanging)
        elif kind in (BlockEntryToken, ValueToken) and not self._flows:
            self._closed.append(_Level(self._levels[-1].old + 1, self._inside))  # for comments in place of a value
            self._depth = len(self._levels)
            if kind is ValueToken:
                self._behind_key, self._unnamed = True, None
        elif kind in (AnchorToken, AliasToken) and self.parts[-1].keys:
            key = self.parts[-1].keys[-1]
            (key.anchors if kind is AnchorToken else key.aliases).add(piece.token.value)
        line.write(piece.text)
        line.end = piece.end
        return line

    def _bracket(self, line: Line, piece: Piece, hanging: bool) -> None:
        if not self._flows:
            self._base = self._inside - _STEP if self._behind_key else self._inside
        outer = self._levels[-1].old if self._levels else -1
        self._flows.append(_Flow(piece.column, line.width, hanging, self._base, outer, self._behind_key))

    def _scalar(self, line: Line, piece: Piece) -> Line | None:
        if self._unnamed is not None:
            self._unnamed.name, self._unnamed = piece.token.value, None
        body = self.parts[-1].body
        if piece.block is not None:
            line.write(piece.block.style + (str(_STEP) if piece.block.indicated else "") + piece.block.chomp)
            line.comment, line.end = piece.block.comment, piece.end
            indent = " " * max(self._inside, _STEP)
            body.extend(Line(indent + text if text else "", kept=True) for text in piece.block.lines)
            body[-1].greedy = piece.block.chomp == "+"
            return None
        first, *others = _requoted(piece.text).split("\n")
        line.write(_without_end(first, piece) if others else first)
        for number, text in enumerate(others, 1):
            inner = text.lstrip(" \t")
            column = max(self._inside, _STEP)
            if self._flows:
                column = self._flow_column(len(text) - len(inner), closing=False)
            if number < len(others):
                inner = _without_end(inner, piece)
            line = Line(" " * column + inner if inner else "", kept=True)
            body.append(line)
        line.end = piece.end
        return line


def _between(before: type[Any], after: type[Any]) -> str:
    """What is between two tokens of a line."""
    if before in _OPENERS:
        return ""
    if after in _CLOSERS or after is FlowEntryToken:
        return " " if before in (ValueToken, AnchorToken, TagToken) else ""  # `{a:}` is an error, `!t,` another tag
    if after is ValueToken:
        return "" if before is ScalarToken or before in _CLOSERS else " "
    return " "


def _requoted(text: str) -> str:
    """A text in single quotes in double ones, where that changes nothing."""
    if text[0] != "'" or len(text) < 2 or any(sign in text[1:-1] for sign in "'\"\\"):
        return text
    return f'"{text[1:-1]}"'


def _without_end(text: str, piece: Piece) -> str:
    """A line of a text without blanks at its end; one that is escaped stays."""
    bare = text.rstrip(" \t")
    escaped = piece.token.style == '"' and (len(bare) - len(bare.rstrip("\\"))) % 2
    return text[: len(bare) + 1] if escaped else bare
