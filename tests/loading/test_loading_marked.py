from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.text import marked
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
    ],
)
def test_hostile_documents(text, code):
    (document,) = read(text)
    assert [problem.code for problem in document.problems] == [code]
    assert document.root is None


def test_depth_up_to_the_limit():
    deep = "[" * marked.MAX_DEPTH + "]" * marked.MAX_DEPTH
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
