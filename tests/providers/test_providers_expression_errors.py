"""What is wrong with an expression is said where it stands, with what to do, and in no time."""

from __future__ import annotations

import re

import pytest

from reconciler.providers.pipefy import expression
from reconciler.providers.pipefy.grammar import LONGEST
from reconciler.providers.pipefy.pattern import EXPRESSION


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a == b && c <> d || e like x",
            [
                ("==", "write ="),
                ("&&", "write and"),
                ("<>", "write !="),
                ("||", "write or"),
                ("like", "write contains"),
            ],
        ),
        ("status is null", [("is", "write = or !=, or not exists where there is no value")]),
        (
            "a eq 1 and b ne 2 and c not_contains 3",
            [("eq", "write ="), ("ne", "write !="), ("not_contains", "write not contains")],
        ),
        ("a => 1 and b between 1 and 2", [("=>", "write >="), ("between", "write >= and <= in two conditions")]),
        ("status contians x", [("contians", "did you mean contains?")]),
        ("a not exsits", [("exsits", "did you mean exists?")]),
        ("a not = 1", [("not", "write != for `not equal`")]),
        ("not (a = 1 or b = 2)", [("not", "say it of each condition")]),
        ("a frobs x", [("frobs", "write =, !=")]),
        ("due:datee = 1", [("datee", "did you mean date?")]),
        ("due:x = 1", [("x", "types: email, number")]),
        ("status: done", [(":", "write = to compare")]),
        ("'due':", [(":", "write = to compare")]),
        (":date = 1", [(":date", "write one")]),
        ("((a = 1)", [("(", "add )")]),
        ("a = 1 and (b = 2 or (c = 3)", [("(", "add )")]),
        ("a in (b, c and d = 1", [("(", "add ) behind the last value")]),
        ("a = 1) and b = 2", [(")", "remove it")]),
        (") and a = 1", [(")", "remove it")]),
        ("a =", [("=", "write one")]),
        ("a = and b = 2", [("=", "write one")]),
        ("a", [("a", "write =, !=")]),
        ("a and b", [("a", "write =, !="), ("b", "write =, !=")]),
        ("= b and c = d", [("=", "write one")]),
        ("in (a, b)", [("in", "quote the word")]),
        ("a = in", [("in", "quote it")]),
        ("a = = b", [("=", "quote it")]),
        ("a in b, c", [("in", "write in (b, …)")]),
        ("a = (b, c)", [("(", "write in (…)")]),
        ("a in ()", [("()", "write one")]),
        ("a in (b,)", [(",)", "write one")]),
        ("a in (, b)", [(",", "write one")]),
        ("a in (b c)", [("c", "quote a text of several words: 'b c'")]),
        ("a in (b, =)", [("=", "quote it")]),
        ("a = null or b in (null)", [("null", "not exists"), ("null", "not exists")]),
        ("a = John Smith and b = 2 c", [("Smith", "'John Smith'"), ("c", "'2 c'")]),
        ("due date >= 2026-01-31", [("date", "quote a field of several words: 'due date'")]),
        ("a = 'it''s'", [("'s'", "write \\'")]),
        ("a exists true", [("true", "join conditions")]),
        ("(a = 1) b", [("b", "join conditions")]),
        ("a = 1 = 2", [("=", "join conditions")]),
        ("a = 1 b = 2", [("b", "add it")]),
        ("a = 1 (b = 2)", [("(", "add it")]),
        ("and a = 1", [("and", "write one")]),
        ("a = 1 or or b = 2 and", [("or", "write one"), ("and", "write one")]),
        ("() and a = 1", [("()", "remove them")]),
        ("lower(a) = b", [("lower", "write =")]),
        ("a = 'x", [("'x", "add '")]),
        ("a = O'Brien", [("'Brien", '"O\'…"')]),
        ('a = 5"', [('"', "'5\"…'")]),
        ("a = [x, y]", [("[", "in (…)"), ("]", "in (…)")]),
        ("a = “x”", [("“", "write '"), ("”", "write '")]),
        ("a = $5", [("$", "'…$…'")]),
        ("a = b\\c", [("\\", "write \\\\")]),
        ("a = \x07", [("\x07", "remove it")]),
        ("a = 'x\\z\\u12\\ud800'", [("\\z", "escapes"), ("\\u", "escapes"), ("\\ud800", "the character itself")]),
        ("(" * 11 + "a = 1" + ")" * 11, [("(", "say it with fewer")]),
    ],
)
def test_what_is_wrong_and_what_to_do(text: str, expected: list[tuple[str, str]]) -> None:
    found = sorted(expression.read(text).problems, key=lambda problem: problem.within or ())
    shown = [text[slice(*problem.within)] for problem in found if problem.within]
    assert shown == [what for what, _ in expected], found
    assert [hint for (_, hint), problem in zip(expected, found, strict=True) if hint not in problem.hint] == []


@pytest.mark.parametrize("text", ["", "  \n", "a = " + "x" * LONGEST])
def test_what_is_wrong_with_all_of_it(text: str) -> None:
    (problem,) = expression.read(text).problems
    assert problem.within is None
    assert problem.hint


def test_no_more_is_said_than_anybody_mends_at_once() -> None:
    assert len(expression.read("a == b and " * 100).problems) == expression.MOST_PROBLEMS


@pytest.mark.parametrize(
    "text",
    [
        *("(" * 20_000, "((" * 5 + ")" * 19_990, "'" * 19_999, "'\"" * 10_000, "[ " * 10_000, "not " * 5_000),
        *("a=b and " * 2_500, "a=b or " * 2_850, "(a=1) and " * 2_000, "a in (" + "b," * 9_990, "a" + " " * 19_999),
        *("a='" + "\\" * 19_990, "a contians b and " * 1_170, "a = 1" + " )" * 9_990, "é" * 20_000),
    ],
)
def test_hostile_texts_are_decided_at_once(text: str) -> None:
    assert len(text) <= LONGEST
    assert expression.read(text).problems
    assert not re.search(EXPRESSION, text)
