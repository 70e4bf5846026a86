from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.errors import Usage
from reconciler.model.plan import Action, Change, Plan, Step
from reconciler.model.values import Address
from reconciler.render import renderer
from reconciler.render.values import difference, shorten

# A busy machine is slow, not wrong.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Golden = Callable[[str, str], None]


def test_text(golden: Golden, plan: Plan, evil: str) -> None:
    text = renderer("plan", "text")(plan, warnings=["the plan deletes 1 of 2", evil])
    golden("plan.txt", text)
    assert "\x1b" not in text
    assert all(character == "\n" or character.isprintable() for character in text)


def test_text_without_steps(golden: Golden, nothing: Plan) -> None:
    golden("plan-nothing.txt", renderer("plan", "text")(nothing))


def test_color_only_adds_styles(golden: Golden, plan: Plan) -> None:
    colored = renderer("plan", "text")(plan, warnings=["w"], color=True)
    golden("plan-color.txt", colored)
    assert re.sub("\x1b\\[[0-9]+m", "", colored) == renderer("plan", "text")(plan, warnings=["w"])


def test_markdown(golden: Golden, plan: Plan, nothing: Plan, evil: str) -> None:
    golden("plan.md", renderer("plan", "markdown")(plan, warnings=[evil]))
    golden("plan-nothing.md", renderer("plan", "markdown")(replace(nothing, environment="a`b``c")))


@RELAXED
@given(st.text(alphabet="`~|<>\n\r\u2028 -+a@[](!&", max_size=30))
def test_nothing_breaks_out_of_the_markdown(text: str) -> None:
    step = Step(
        Address("a", "b", "c"), Action.UPDATE, text, text, changes=(Change((text,), text, [text]),), warnings=(text,)
    )
    plan = Plan("c", "e", "t", text, {}, None, 0, "t", None, (step,))
    lines = renderer("plan", "markdown")(plan, warnings=[text]).split("\n")
    outside, fence = [], ""
    for line in lines:
        opened = re.fullmatch("(`{3,})(text|diff)", line)
        if not fence and opened:
            fence = opened[1]
        elif fence and re.fullmatch(f" {{0,3}}`{{{len(fence)},}} *", line):
            fence = ""
        elif not fence:
            outside.append(line)
    shown = [line for line in outside if line]
    assert [re.sub("^(Environment )`.*`(, made `c`)$", r"\1\2", line) for line in shown] == [
        "### Plan: 1 to update; 0 unchanged.",
        "Environment , made `c`",
        "<details open><summary>Steps</summary>",
        "</details>",
    ]
    span = re.fullmatch("Environment (`+)(.*?)(`+), made `c`", shown[1])
    assert span is not None
    assert span[1] == span[3]
    assert span[1] not in re.findall("`+", span[2])


def test_a_comment_is_never_too_long(plan: Plan) -> None:
    many = replace(plan, steps=plan.steps * 2000, drift=plan.drift * 2000)
    text = renderer("plan", "markdown")(many)
    assert len(text) < 65_000
    assert text.count("more lines; `reconciler plan` shows them all") == 2
    assert "<details><summary>" in text


def test_json_is_ascii(evil: str) -> None:
    text = renderer("plan", "json")({"digest": evil})
    assert text.isascii()
    assert json.loads(text) == {"digest": evil}
    assert text.endswith("}\n")


def test_every_format_is_there_and_others_are_wrong_usage() -> None:
    from reconciler.render import _RENDERERS

    assert all(callable(renderer(*key)) for key in _RENDERERS)
    with pytest.raises(Usage) as caught:
        renderer("plan", "html")
    assert caught.value.hint == "the formats are: text, markdown, json"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, "a", '(none) -> "a"'),
        (1, 1.5, "1 -> 1.5"),
        (["a"], ["a", "a"], 'added "a" (1 -> 2)'),
        (["a", None, 1], [1], 'removed "a", null (3 -> 1)'),
        ([], [True], "added true (0 -> 1)"),
        (["a", "b"], ["b", "a"], '["a", "b"] -> ["b", "a"] (another order)'),
        ([], list("abcdefghij"), 'added "a", "b", "c", "d", "e", "f", "g", "h" and 2 more (0 -> 10)'),
        (["x" * 200], [], 'removed "' + "x" * 95 + " ... (1 -> 0)"),
        ([{}], [1], "[{}] -> [1]"),
        (
            "x" * 200,
            "y" + "x" * 200,
            '"xxxxxxxxxxxxxxxxxxxx" ... (200 characters) -> "yxxxxxxxxxxxxxxxxxxxx" ... (201 characters)',
        ),
        ("x" * 101, "", '"' + "x" * 50 + '" ... "' + "x" * 50 + '" (101 characters) -> "" (0 characters)'),
    ],
)
def test_what_a_change_shows(before: Any, after: Any, shown: str) -> None:
    assert difference(Change(("a",), before, after)) == shown


@RELAXED
@given(st.text("ab", max_size=300), st.text("ab", max_size=300))
def test_two_texts_that_differ_never_look_the_same(before: str, after: str) -> None:
    left, right = difference(Change((), before, after)).split(" -> ")
    assert (left == right) == (before == after)


@RELAXED
@given(st.recursive(st.text() | st.integers(), st.lists, max_leaves=50))
def test_a_value_is_one_short_line(value: Any) -> None:
    assert len(shorten(value)) < 150
    assert "\n" not in shorten(value)
