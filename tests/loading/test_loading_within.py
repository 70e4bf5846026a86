"""A character of a scalar's value is found where it is written."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import Source
from reconciler.loading.text.within import MAX_WRITTEN, narrowed
from reconciler.model.values import Span

BREAK = re.compile(r"\r\n|\r|\n")
TEXT = st.text(
    st.sampled_from("ab '\"\\:#\t\n-é😀\x85\u2028\x07") | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=40,
)
WORDS = st.text("abcé😀'\"x", min_size=1, max_size=6)


def only(text: str) -> Document:
    (document,) = documents(Source("a.yaml", text))
    assert document.problems == []
    return document


def is_sound(text: str) -> bool:
    return all(document.problems == [] for document in documents(Source("a.yaml", text)))


def shown(text: str, span: Span) -> str:
    """What a span covers."""
    starts = [0, *(found.end() for found in BREAK.finditer(text))]
    return text[starts[span.line - 1] + span.column - 1 : starts[span.end_line - 1] + span.end_column - 1]


def is_spelling(written: str, character: str) -> bool:
    """Whether a character may be written so: itself, a line that was broken, a doubled quote, an escape."""
    if written == character or (written == "''" and character == "'"):
        return True
    if written.startswith("\\"):
        return bool(yaml.safe_load(f'"{written}"') == character)
    return character in " \n" and BREAK.fullmatch(written) is not None


def check(text: str, path: tuple[str | int, ...]) -> None:
    document = only(text)
    value = document.data
    for step in path:
        value = value[step]
    found = [document.span_within(path, (index, index + 1)) for index in range(len(value))]
    for character, span in zip(value, found, strict=True):
        assert is_spelling(shown(text, span), character)
    assert found == sorted(found, key=lambda span: (span.line, span.column))
    assert len(set(found)) == len(found)
    everything = document.span_within(path, (0, len(value)))
    assert everything == Span("a.yaml", found[0].line, found[0].column, found[-1].end_line, found[-1].end_column)
    for start in (0, len(value) // 2):
        here = document.span_within(path, (start, start))
        assert (here.line, here.column) == (here.end_line, here.end_column) == (found[start].line, found[start].column)


@given(TEXT, st.sampled_from([None, "'", '"', "|", ">"]), st.sampled_from([5, 20, 1000]), st.booleans())
def test_whatever_style_pyyaml_writes(value, style, width, allow):
    text = yaml.dump(["x", value], default_style=style, width=width, allow_unicode=allow)
    # PyYAML breaks lines as YAML 1.1 does.
    if value.strip() and is_sound(text) and only(text).data[1] == value:
        check(text, (1,))


@given(
    st.lists(WORDS, min_size=1, max_size=6),
    st.lists(st.sampled_from([" ", "\n", "\r\n", "  \n\n\t", " \r  \n "]), min_size=6),
    st.sampled_from(["", "'", '"']),
)
def test_lines_that_were_folded_by_hand(words, gaps, quote):
    spelled = {"": str, "'": lambda word: word.replace("'", "''"), '"': lambda word: word.replace('"', '\\"')}[quote]
    body = "".join(spelled(word) + gap.replace("\n", "\n     ") for word, gap in zip(words, gaps, strict=False))
    text = f"a: [x]\nk:\n    {quote}{'x' if not quote else ''}{body}{quote}\nz: 1\n"
    check(text, ("k",))


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "", "  ", "\t"]), WORDS | st.just(""), st.sampled_from(["\n", "\r\n", "\n\n"])),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["|", ">", "|-", ">+", "|2", ">2-"]),
)
def test_block_scalars_written_by_hand(lines, header):
    body = "".join(f"    {blank}{word}{ended}" for blank, word, ended in lines)
    text = f"k:\n  - &a {header} # why\n{body}  - last\n"
    # Lines of blanks that are indented more than the first one are no YAML.
    if is_sound(text) and only(text).data["k"][0].strip():
        check(text, ("k", 0))


@pytest.mark.parametrize(
    ("text", "within", "line", "columns"),
    [
        ("k: status = x\n", (9, 10), 1, (13, 14)),
        ("k: 'it''s so'\n", (3, 7), 1, (9, 13)),
        ('k: "\\u0041\\x42\\ud83d\\ude00 b"\n', (2, 3), 1, (15, 27)),
        ('k: "a\\\n   b"\n', (1, 2), 2, (4, 5)),
        ("k: |\n  one\n  two\n", (4, 7), 2 + 1, (3, 6)),
        ("k: >-\n  one\n  two\n", (4, 7), 2 + 1, (3, 6)),
        ("k: &a\n  # first\n  !!str one two\n", (4, 7), 3, (13, 16)),
        ("k: one # comment\n", (0, 3), 1, (4, 7)),
        ("k: one\n", (3, 3), 1, (7, 7)),
        ('k: ""\n', (0, 0), 1, (5, 5)),
        ("k: 'one'\n", (3, 3), 1, (8, 8)),
        ("k: 'x\x85y\u2028z'\n", (4, 5), 1, (9, 10)),
        ('k: "a\\\n\n  b\\x63"\n', (2, 4), 3, (3, 8)),
        ("k: |\n  a\n# why\n", (1, 2), 2, (4, 1)),
    ],
)
def test_places_in_a_scalar(text, within, line, columns):
    end_line = line + (columns[1] < columns[0])
    assert only(text).span_within(("k",), within) == Span("a.yaml", line, columns[0], end_line, columns[1])


@pytest.mark.parametrize(
    ("text", "path", "within"),
    [
        ("a: &x one two\nk: *x\n", ("k",), (4, 7)),
        ("k: 12\n", ("k",), (0, 1)),
        ("k: [one]\n", ("k",), (0, 1)),
        ("k: one\n", ("z",), (0, 1)),
        ("k: one\n", ("k", "z"), (0, 1)),
        ("k: one\n", ("k",), (0, 4)),
        ("k: one\n", ("k",), (4, 4)),
        ("k: one\n", ("k",), (-1, 1)),
        ("k: |+\n  \n\n", ("k",), (0, 1)),
        (f"k: one {'x' * MAX_WRITTEN}\n", ("k",), (0, 1)),
    ],
)
def test_the_whole_scalar_where_a_part_cannot_be_told(text, path, within):
    document = only(text)
    assert document.span_within(path, within) == document.span(path)


@pytest.mark.parametrize(("value", "within"), [("two", (0, 1)), ("onetwo", (4, 5)), ("onetwo", (6, 6))])
def test_a_scalar_that_does_not_say_the_value_is_not_believed(value, within):
    document = only("k: one\n")
    ((_, node),) = document._way(("k",))
    assert narrowed(document.source, node, value, within) is None


def test_time_is_linear():
    blanks = " " * 60_000
    for text in (
        f"k: a{blanks}b\n",
        f'k: "a{blanks}\\\n{blanks}b"\n',
        f"k: >\n  a{blanks}b\n",
        "k: '" + "''" * 60_000 + "'",
    ):
        document = only(text)
        end = len(document.data["k"]) - 1
        assert document.span_within(("k",), (end, end + 1)) != document.span(("k",))
