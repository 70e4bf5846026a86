from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.text import budget, marked
from reconciler.loading.text.marked import documents
from reconciler.loading.text.scalars import MAX_INTEGER
from reconciler.loading.text.sources import Source
from reconciler.model.values import Span

# What JSON allows inside a string but YAML does not is told by `test_forbidden_characters`.
TEXT = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\ufeff", include_characters="\n\t\x85"
    )
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.map(lambda key: key[:100]), inner, max_size=4),
    max_leaves=20,
)


def read(text: str) -> list[marked.Document]:
    return list(documents(Source("a.yaml", text)))


def data(text: str):
    (document,) = read(text)
    assert document.problems == []
    return document.data


@given(VALUES.filter(lambda value: value is not None))
def test_json_is_yaml(value):
    assert data(json.dumps(value, ensure_ascii=False)) == value


@given(VALUES.filter(lambda value: value is not None))
def test_json_of_ascii_only_is_yaml(value):
    """Characters beyond the first 65,536 are then two escapes, each of half a character."""
    assert data(json.dumps(value)) == value


@given(VALUES.filter(lambda value: value is not None), st.booleans())
def test_what_pyyaml_writes_is_read_back(value, flow):
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True, default_style='"')
    assert data(text.replace("!!", "!!")) == value


@given(VALUES.filter(lambda value: value is not None))
def test_every_scalar_is_found_where_it_stands(value):
    text = json.dumps(value, ensure_ascii=False, indent=2)
    (document,) = read(text)
    lines = text.split("\n")
    pending = [((), value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, dict):
            pending.extend(((*path, key), below) for key, below in item.items())
        elif isinstance(item, list):
            pending.extend(((*path, index), below) for index, below in enumerate(item))
        else:
            span = document.span(path)
            assert span.line == span.end_line
            assert lines[span.line - 1][span.column - 1 : span.end_column - 1] == json.dumps(item, ensure_ascii=False)


def test_the_words_of_yaml_1_1_are_text():
    assert data("[yes, no, on, off, 12:30:45, 2024-01-01, 007, 1_000]") == [
        *("yes", "no", "on", "off", "12:30:45", "2024-01-01", "007", "1_000")
    ]


def test_tags_of_the_core_schema():
    text = "[!!str 123, ! 45, !!int 3, !!float 3, !!float 2.5, !!bool true, !!null ~, !!str true, !!int 0x10]"
    assert data(text) == ["123", "45", 3, 3, 2.5, True, None, "true", 16]
    assert data("!!map {a: !!seq [x]}") == {"a": ["x"]}


def test_block_scalars_and_folding():
    assert data("a: |\n  x\n   y\nb: >-\n  x\n  y\nc: |+\n  z\n\n") == {"a": "x\n y\n", "b": "x y", "c": "z\n\n"}


def test_anchors_merges_and_their_order():
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na: {<<: *b, x: 9}\nb: {<<: [*b, *m]}\nc: {x: 5, <<: *b}\n"
    read_back = data(text)
    assert read_back["a"] == {"x": 9, "y": 2}
    assert read_back["b"] == {"x": 1, "y": 2, "z": 4}
    assert read_back["c"] == {"x": 5, "y": 2}


def test_a_quoted_merge_key_is_a_key():
    assert data('{"<<": {a: 1}}') == {"<<": {"a": 1}}


def test_an_anchor_may_be_set_again_and_ends_with_its_document():
    assert data("[&a x, *a, &a y, *a]") == ["x", "x", "y", "y"]
    first, second = read("- &a x\n---\n- *a\n")
    assert first.problems == []
    assert [problem.code for problem in second.problems] == ["yaml-alias"]


def test_an_alias_can_be_a_key():
    assert data("{a: &k name, *k : x}") == {"a": "name", "name": "x"}


def test_line_ends_and_byte_order_marks():
    assert [document.data for document in read("a: 1\r\n---\r\nb: |\r\n  x\r\n  y\r\n")] == [{"a": 1}, {"b": "x\ny\n"}]
    assert data("a: 1\rb: 2\r") == {"a": 1, "b": 2}
    (document,) = read("a: 1\r\nb: [x,\r\n  y]\r\n")
    assert document.span(("b", 1)) == Span("a.yaml", 3, 3, 3, 4)


def test_line_breaks_that_only_libyaml_sees():
    text = '# \u2028\na: "x\u2028y"\nb: z\x85z\nc: \u2029\n'
    assert data(text) == {"a": "x\u2028y", "b": "z\x85z", "c": "\u2029"}
    (document,) = read(text)
    assert document.span(("c",)).line == 4


def test_half_characters_are_escapes_in_double_quotes_only():
    text = r"""
a: "\ud83d\uDE00 \ud83d\ude00"
"\uD83D\ude00": '\ud83d\ude00'
b: [ \ud83d\ude00, "\\ud83d\\ude00", "\ue000" ]
c: |
  "\ud83d\ude00" \\uD83D\ude00
"""
    assert data(text) == {
        "a": "😀 😀",
        "😀": r"\ud83d\ude00",
        "b": [r"\ud83d\ude00", r"\ud83d\ude00", "\ue000"],
        "c": '"\\ud83d\\ude00" \\\\uD83D\\ude00\n',
    }
    (document,) = read(text)
    assert document.span(("b", 2)) == Span("a.yaml", 4, 38, 4, 46)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (r'a: "x\ud83d"', 8),
        (r'a: "\ude00\ud83d"', 7),
        (r'a: "\ud83d\ude00\ude00"', 19),
        (r'a: "\ud83d\\ude00"', 7),
        (r'a: "\\ud83d\ude00"', 14),
        (r'{"é": "\ud83d"}', 10),
    ],
)
def test_half_a_character_is_none(text, column):
    (document,) = read(text)
    (problem,) = document.problems
    assert problem.message == "this escape is only half a character"
    assert (problem.span.line, problem.span.column) == (1, column)


@pytest.mark.parametrize("character", ["\ue000", "\x85", "\u2028", "\uf8ff", "\U000f0000"])
def test_what_stands_in_for_something_else_stays_itself(character):
    code = f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"
    text = f'a: "{code}\\ud83d\\ude00\x85 \u2028 {character}"\nb: {character}x\n'
    assert data(text) == {"a": f"{character}😀\x85 \u2028 {character}", "b": f"{character}x"}


def test_blank_lines_may_have_tabs():
    assert data("a: 1\n\t\nb: [x,\n \t\n y]\n\t") == {"a": 1, "b": ["x", "y"]}
    first, second = read("a: 1\n---\n\t\nb: 2\n")
    assert (first.data, second.data) == ({"a": 1}, {"b": 2})
    assert second.span(("b",)).line == 4


@pytest.mark.parametrize(
    "text", ["a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "\ta: 1\n", "a: 1\n\t\nb: |\n x\n \t\n y\n", "a: b\n\t\n\tc: d\n"]
)
def test_tabs_indent_nothing(text):
    *_, document = read(text)
    (problem,) = document.problems
    assert "tab" in problem.message
    assert text.split("\n")[problem.span.line - 1].startswith(("\t", " \t"))


def test_tabs_elsewhere_are_blanks():
    assert data("a:\t1\nb: x\ty\t# z\nc: [x,\ty]\nd: 'x\ty'\ne: |\n  x\ty\n  \tz\n") == {
        "a": 1,
        "b": "x\ty",
        "c": ["x", "y"],
        "d": "x\ty",
        "e": "x\ty\n\tz\n",
    }


def test_the_last_line_may_lack_its_end():
    assert data("a: |\n  x") == data("a: |\n  x\n") == {"a": "x\n"}
    assert data("a: |-\n  x") == {"a": "x"}
    assert data("a: b") == {"a": "b"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[?x]", (1, 2)),
        ("{a: b, ?c : d}", (1, 8)),
        ("a: &b:c d", (1, 4)),
        ("a: x\ufeffy", (1, 5)),
        ("a: 1\n\ufeffb: 1", (2, 2)),
        ("é: \x07", (1, 4)),
        ("é: \x85\x07", (1, 5)),
    ],
)
def test_what_libyaml_would_misread_is_refused(text, place):
    (document,) = read(text)
    (problem,) = document.problems
    assert (problem.span.line, problem.span.column) == place
    assert document.root is None


def test_question_marks_that_mean_nothing():
    assert data("a: ?x\nb: what?y\nc: ['?x', x?y]\n? d\n: {? e : f}\n") == {
        "a": "?x",
        "b": "what?y",
        "c": ["?x", "x?y"],
        "d": {"e": "f"},
    }


def test_surprises_of_yaml_1_1():
    text = (
        "{a: =, b: '<<', on: 1, 190:20:30: 0o17, d: 0777, e: 1e5, f: 12e03, g: 0b11, h: 1_000, i: 2024-01-01 10:00:00}"
    )
    assert data(text) == {
        "a": "=",
        "b": "<<",
        "on": 1,
        "190:20:30": 15,
        "d": "0777",
        "e": "1e5",
        "f": "12e03",
        "g": "0b11",
        "h": "1_000",
        "i": "2024-01-01 10:00:00",
    }
    assert data("a: !!str <<\nb: [<<, =]\nc: !!str 1e5") == {"a": "<<", "b": ["<<", "="], "c": "1e5"}


def test_columns_count_characters():
    (document,) = read('{"é😀": "ü", b: 1}')
    assert document.span(("b",)) == Span("a.yaml", 1, 16, 1, 17)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\ufffe", "\uffff"])
def test_forbidden_characters(character):
    (document,) = read(f"a: 1\nb: x{character}y\n")
    (problem,) = document.problems
    assert problem.code == "yaml-syntax"


def test_empty_documents_are_left_out():
    assert read("") == []
    assert read("# nothing\n---\n---\n# more\n...\n") == []
    assert [document.index for document in read("---\n---\na: 1\n---\n")] == [1]


def test_spans_of_paths():
    (document,) = read("a:\n  b: [x, {c: d}]\n  e:\nf: |\n  long\n  text\n")
    assert document.span(()) == Span("a.yaml", 1, 1, 1, 3)
    assert document.span(("a", "b", 0)) == Span("a.yaml", 2, 7, 2, 8)
    assert document.span(("a", "b", 1)) == Span("a.yaml", 2, 10, 2, 16)
    assert document.span(("a", "b", 1, "c")) == Span("a.yaml", 2, 14, 2, 15)
    assert document.span(("a", "b", 1, "c"), key=True) == Span("a.yaml", 2, 11, 2, 12)
    assert document.span(("a", "b")) == Span("a.yaml", 2, 3, 2, 4)
    assert document.span(("a", "missing", "deeper"), key=True) == Span("a.yaml", 1, 1, 1, 2)
    assert document.span(("a", "e")) == Span("a.yaml", 3, 3, 3, 4)
    assert document.span(("f",)) == Span("a.yaml", 4, 4, 4, 5)
    assert document.span(("a", "b", 0, "below")) == Span("a.yaml", 2, 7, 2, 8)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{','.join(['*' + chr(97 + level)] * 10)}]\n" for level in range(12)
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(BOMB, "yaml-size", id="alias bomb"),
        pytest.param(f"a: &a {'x' * 100_000}\nb: [{'*a,' * 10_000}]", "yaml-size", id="big scalar, many aliases"),
        pytest.param(
            "a: &a {" + ",".join(f"k{n}: 1" for n in range(1_000)) + "}\nb:\n" + "- <<: *a\n" * 1_000,
            "yaml-size",
            id="merge bomb",
        ),
        pytest.param("[" * 1_000_000, "yaml-depth", id="deep flow lists"),
        pytest.param("{a: " * 100_000, "yaml-depth", id="deep flow mappings"),
        pytest.param("- " * 100_000, "yaml-depth", id="deep block lists"),
        pytest.param("".join(" " * n + "a:\n" for n in range(500)), "yaml-depth", id="deep block mappings"),
        pytest.param("? " * 100_000, "yaml-depth", id="deep keys"),
        pytest.param("[" + "a," * 500_000, "yaml-size", id="many scalars"),
        pytest.param("&a [*a]", "yaml-alias", id="an alias of itself"),
        pytest.param("%TAG !e! tag:e\n" * 101 + "--- a", "yaml-syntax", id="many directives"),
    ],
)
def test_hostile_documents(text, code):
    (document,) = read(text)
    assert [problem.code for problem in document.problems] == [code]
    assert document.root is None


def test_many_bombs_are_one():
    bomb = "a: &a [" + "x," * 900 + "]\nb: [" + "*a," * 100 + "]\n"
    found = read("---\n".join([bomb] * 100))
    assert len(found) < 10
    assert [problem.code for problem in found[-1].problems] == ["yaml-size"]
    assert [document.problems for document in found[:-1]] == [[]] * (len(found) - 1)


def test_many_documents():
    """Empty ones count too, though they are left out."""
    assert len(read("--- a\n" * budget.MAX_DOCUMENTS)) == budget.MAX_DOCUMENTS
    (document,) = read("---\n" * (budget.MAX_DOCUMENTS + 1))
    (problem,) = document.problems
    assert (problem.code, problem.span.line) == ("yaml-size", budget.MAX_DOCUMENTS + 1)


def test_problems_are_counted_too():
    (document,) = read("a: 1\n" * 5_000)
    assert len(document.problems) == 1_000


def test_the_text_of_a_document():
    assert [document.text for document in read("a: é\n---\nb: 2\n")] == ["a: é\n", "---\nb: 2\n"]
    assert "".join(document.text for document in read("--- a\n--- b\n--- c")) == "--- a\n--- b\n--- c"


def test_depth_up_to_the_limit():
    deep = "[" * budget.MAX_DEPTH + "]" * budget.MAX_DEPTH
    assert read(deep)[0].problems == []
    assert read(f"[{deep}]")[0].problems != []


@given(st.text(st.sampled_from("ab:-[]{},&*!|>'\"%@`#? \n\t\r~01.{}é\u2028\x85\ufeff\0")))
def test_any_text_gives_documents_with_places_in_it(text):
    source = Source("a.yaml", text)
    for document in documents(source):
        for problem in document.problems:
            assert problem.message
            assert 1 <= problem.span.column <= len(source.line(problem.span.line)) + 1
            assert (problem.span.line, problem.span.column) <= (problem.span.end_line, problem.span.end_column)
