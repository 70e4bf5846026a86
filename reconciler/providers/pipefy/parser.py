"""Reads filter expressions into conditions and groups, and says what is wrong with those that are none.

Belongs to `expression`, whose docstring has the grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from reconciler.providers.pipefy.grammar import DEEPEST, TYPES
from reconciler.providers.pipefy.tokens import RESERVED, Note, Place, Token, split

SIGNS: Final = {"=": "eq", "!=": "not_eq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}

_WITHOUT_VALUE: Final = ("exists", "not_exists", "unknown")
_TURNED: Final = ("contains", "in", "exists")
_WORDS: Final = (*_TURNED, "period", "unknown")
_INSTEAD: Final = {
    **dict.fromkeys(("==", "===", "eq", "equals", "equal"), "="),
    **dict.fromkeys(("<>", "!", "!==", "=!", "not_eq", "neq", "ne"), "!="),
    **dict.fromkeys(("=>", "gte", "ge"), ">="),
    **dict.fromkeys(("=<", "lte", "le"), "<="),
    **dict.fromkeys(("&", "&&"), "and"),
    **dict.fromkeys(("|", "||"), "or"),
    **dict.fromkeys(("like", "ilike", "includes", "has", "matches", "contain"), "contains"),
    "gt": ">",
    "lt": "<",
    "not_contains": "not contains",
    "not_exists": "not exists",
    "not_in": "not in",
    "exist": "exists",
    "is": "= or !=, or not exists where there is no value",
    "between": ">= and <= in two conditions",
}
"""What people know from other languages, and what is written here."""
_COMPARISONS: Final = "write =, !=, >, >=, <, <=, in (…), contains or exists"
_JOIN: Final = "join conditions by `and` or `or`"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; `operator` has that of the documented form, `listed` says that its values are a list."""

    field: Token
    type: Token | None
    operator: Token
    values: tuple[Token, ...]
    place: Place
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """At least two conditions or groups, joined by `and` or `or`."""

    operator: str
    children: Sequence[Node]
    place: Place


Node: TypeAlias = Condition | Group


class TooDeep(Exception):
    """Parentheses are nested too deep: nothing more is read.  `place` is where the first is that does."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"parentheses are nested more than {DEEPEST} levels deep")
        self.place = place


def parse(text: str, note: Note) -> Node | None:
    """Read an expression; of no use to anybody when `note` was told anything.  Raises TooDeep."""
    return _Parser(text, note).any()


def _joined(operator: str, nodes: Sequence[Node | None]) -> Node | None:
    sound = [node for node in nodes if node is not None]
    if len(sound) < 2:
        return sound[0] if sound else None
    return Group(operator, sound, (sound[0].place[0], sound[-1].place[1]))


class _Parser:
    """Goes through the words once; each method reads what it is named for, and passes over what is none."""

    def __init__(self, text: str, note: Note) -> None:
        self._text, self._note = text, note
        self._tokens = split(text, note)
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _last(self) -> Token:
        return self._tokens[max(self._at - 1, 0)]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _ends(self, *words: str) -> bool:
        """Whether what is being read ends here: at the end, at the parenthesis around it, or at one of these words."""
        return self._next.kind == "end" or self._next.low in words or (self._next.kind == ")" and self._depth > 0)

    def _skip(self) -> None:
        """Pass over what is left of a condition that cannot be read."""
        depth = 0
        while not (self._next.kind == "end" or (depth == 0 and (self._ends("and", "or") or self._joint))):
            kind = self._take().kind
            depth = max(0, depth + (kind == "(") - (kind == ")"))

    @property
    def _joint(self) -> str:
        """The word that is meant by the sign that comes next, when it joins conditions in other languages."""
        meant = _INSTEAD.get(self._next.sign, "")
        return meant if meant in ("and", "or") else ""

    def any(self) -> Node | None:
        nodes = [self._all()]
        while self._next.low == "or":
            self._take()
            nodes.append(self._all())
        return _joined("or", nodes)

    def _all(self) -> Node | None:
        nodes = [self._term()]
        while not self._ends("or"):
            if self._next.low == "and":
                self._take()
                nodes.append(self._term())
            elif self._stray():
                nodes.append(self._term())
        return _joined("and", nodes)

    def _stray(self) -> bool:
        """Note what stands where only `and`, `or` or the end may; whether a condition follows."""
        token, shown = self._next, self._shown(self._next)
        if token.kind == "(" or (token.is_value and self._compares(self._tokens[self._at + 1])):
            self._note(token.place, f"`and` or `or` is missing before {shown}", "add it")
            return True
        joint = self._joint
        self._take()
        if joint:
            self._note(token.place, f"{shown} is not a word of the language", f"write {joint}")
            return True
        if token.kind == ")":
            self._note(token.place, "this parenthesis closes nothing", "remove it, or add ( where the group begins")
            return False
        self._note(token.place, f"{shown} does not belong to what stands before it", self._apart(token))
        self._skip()
        return False

    def _apart(self, token: Token) -> str:
        """What to do about a word behind a complete condition."""
        before = self._tokens[self._at - 2]
        if not token.is_value or before.low in _WITHOUT_VALUE or before.kind == ")":
            return _JOIN
        if before.kind == "text" and before.place[1] == token.place[0]:
            return "write \\' or \\\" for a quote inside a quoted text"
        return f"quote a text of several words: '{before.value[:40]} {token.value[:40]}'"

    def _compares(self, token: Token) -> bool:
        return token.sign in SIGNS or token.low in _WORDS or token.low == "not"

    def _term(self) -> Node | None:
        while self._next.low == "not" or (self._next.kind == ")" and self._depth == 0):
            if self._take().kind == ")":
                self._note(self._last.place, "this parenthesis closes nothing", "remove it")
            else:
                hint = "say it of each condition: !=, not in, not contains, not exists; not (a or b) is not a and not b"
                self._note(self._last.place, "`not` cannot stand before a condition", hint)
        if self._ends("and", "or") or self._joint:
            self._missing()
            return None
        return self._parentheses() if self._next.kind == "(" else self._condition()

    def _missing(self) -> None:
        before, token = self._last, self._next
        if self._at == 0:
            self._note(token.place, f"a condition is missing before {self._shown(token)}", "write one")
        elif before.kind == "(" and token.kind == ")":
            self._note((before.place[0], token.place[1]), "there is nothing between the parentheses", "remove them")
        elif before.kind != ")" and (before.kind, token.kind) != ("(", "end"):  # else it is said of the parenthesis
            self._note(before.place, f"a condition is missing behind {self._shown(before)}", "write one")

    def _parentheses(self) -> Node | None:
        opened = self._take()
        if self._depth == DEEPEST:
            raise TooDeep(opened.place)
        self._depth += 1
        node = self.any()
        self._depth -= 1
        if self._next.kind != ")":
            self._note(opened.place, "this parenthesis is never closed", "add ) where the group ends")
            return None
        place = (opened.place[0], self._take().place[1])
        return replace(node, place=place) if isinstance(node, Group) else node

    def _condition(self) -> Node | None:
        first = self._next
        named = self._field()
        operator = self._operator(named[0]) if named is not None else None
        if named is None or operator is None:
            self._skip()
            return None
        listed = self._next.kind == "("
        values = () if operator.value in _WITHOUT_VALUE else self._values(operator)
        place = (first.place[0], self._last.place[1])
        if operator.value not in ("in", "not_in"):
            return Condition(*named, operator, values, place, listed and bool(values))
        one, joint = ("eq", "or") if operator.value == "in" else ("not_eq", "and")
        each = [Condition(*named, replace(operator, value=one), (value,), place) for value in values]
        found = _joined(joint, each)
        return replace(found, place=place) if found is not None else None

    def _field(self) -> tuple[Token, Token | None] | None:
        """Read a field and its type; None when it is none."""
        token = self._next
        if not token.is_value or (token.kind == "word" and token.value.startswith(":")):
            hint = f"quote the word if it is the field: '{token.value}'" if token.low in RESERVED else "write one"
            self._note(token.place, f"a field is missing before {self._shown(token)}", hint)
            return None
        self._take()
        name, colon, sort, end = token.value, "", "", token.place[1]
        if token.kind == "word":
            name, colon, sort = token.value.partition(":")
        elif self._next.place[0] == end and self._next.low.startswith(":"):
            end, colon, sort = self._next.place[1], ":", self._take().value[1:]
        field = Token("text", name, (token.place[0], end - len(colon) - len(sort)))
        if not colon:
            return field, None
        typed = Token("word", sort, (end - len(sort), end))
        if not sort:
            self._note(
                (end - 1, end), "the type of the field is missing behind `:`", f"write = to compare; {_listed(TYPES)}"
            )
            return None
        if sort not in TYPES:
            self._note(typed.place, f"{self._shown(typed)} is not a type", _near(sort, TYPES) or _listed(TYPES))
        return field, typed

    def _operator(self, field: Token) -> Token | None:
        """Read an operator and give it the name it has in the documented form; None when it is none."""
        token = self._next
        if self._ends("and", "or") or self._joint or token.kind in ("(", ",", ")"):
            self._note(field.place, f"{self._shown(field)} is compared with nothing", f"{_COMPARISONS} behind it")
            return None
        self._take()
        if token.sign in SIGNS:
            return replace(token, value=SIGNS[token.sign])
        if token.low in _WORDS:
            return replace(token, value=token.low)
        if token.low == "not":
            if self._next.low in _TURNED:
                return Token("word", f"not_{self._next.low}", (token.place[0], self._take().place[1]))
            if near := _near(self._next.low, _TURNED):
                self._note(self._next.place, f"{self._shown(self._next)} is not a comparison", near)
            else:
                self._note(token.place, "`not` stands before contains, in and exists only", "write != for `not equal`")
            return None
        meant = _INSTEAD.get(token.low or token.sign, "")
        self._note(token.place, f"{self._shown(token)} is not a comparison", self._instead(field, token, meant))
        for _ in range(3 if token.low == "between" else 0):
            self._at += self._next.is_value or self._next.low == "and"
        known = SIGNS.get(meant, meant.replace(" ", "_"))
        return replace(token, value=known) if known in (*SIGNS.values(), "contains", "not_contains") else None

    def _instead(self, field: Token, token: Token, meant: str) -> str:
        if meant:
            return f"write {meant}"
        if token.is_value and self._compares(self._next):
            return f"quote a field of several words: '{field.value[:40]} {token.value[:40]}'"
        return _near(token.low, (*_WORDS, "not", "and", "or")) or _COMPARISONS

    def _values(self, operator: Token) -> tuple[Token, ...]:
        token, shown = self._next, self._shown(operator)
        inside, listing = operator.value in ("in", "not_in"), operator.value.endswith("contains")
        if token.kind == "(" and (inside or listing):
            return self._list()
        if token.is_value and not inside:
            self._no_null(token)
            return (self._take(),)
        if token.kind == "(":
            self._note(
                token.place, f"{shown} takes one value", "write in (…) for one of several, not in (…) for none of them"
            )
        elif token.is_value:
            self._note(
                operator.place,
                f"{shown} takes its values in parentheses",
                f"write {shown[1:-1]} ({token.value[:40]}, …)",
            )
        elif token.low in RESERVED - {"and", "or"} or (token.sign and not self._joint):
            self._note(
                token.place, f"{self._shown(token)} cannot be a value", f"quote it if it is one: '{token.value}'"
            )
        else:
            self._note(operator.place, f"a value is missing behind {shown}", "write one; '' is the empty text")
        self._skip()
        return ()

    def _list(self) -> tuple[Token, ...]:
        opened = self._take()
        values: list[Token] = []
        expected = True
        while not (self._next.kind == "end" or self._next.low in ("and", "or")):
            before, token = self._last, self._take()
            if token.kind == ")":
                if expected:
                    self._note((before.place[0], token.place[1]), "a value is missing here", "write one")
                return tuple(values)
            if token.kind == ",":
                if expected:
                    self._note(token.place, "a value is missing before `,`", "write one, or remove the comma")
                expected = True
                continue
            if not token.is_value:
                self._note(
                    token.place, f"{self._shown(token)} cannot be a value", f"quote it if it is one: '{token.value}'"
                )
            elif not expected:
                hint = f"add it, or quote a text of several words: '{before.value[:40]} {token.value[:40]}'"
                self._note(token.place, f"a comma is missing before {self._shown(token)}", hint)
            self._no_null(token)
            values.append(token)
            expected = False
        self._note(opened.place, "this parenthesis is never closed", "add ) behind the last value")
        return ()

    def _no_null(self, token: Token) -> None:
        if token.low == "null":
            self._note(
                token.place,
                f"{token.value} is no value",
                f"write exists or not exists, or quote the text: '{token.value}'",
            )

    def _shown(self, token: Token) -> str:
        start, end = token.place
        text = self._text[start:end]
        return f"`{text if len(text) <= 30 else text[:29] + '…'}`" if text else "the end"


def _near(word: str, known: Sequence[str]) -> str:
    import difflib  # loaded on first use: most expressions are right

    near = difflib.get_close_matches(word[:40].lower(), known, n=1, cutoff=0.7) if word else []
    return f"did you mean {near[0]}?" if near else ""


def _listed(types: Sequence[str]) -> str:
    return f"types: {', '.join(types)}"
