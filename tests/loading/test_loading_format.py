"""Laws of the canonical form: nothing is lost, and once is enough."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from yaml_writer import Writer

from reconciler.loading.format import scan
from reconciler.loading.format.formatter import formatted
from reconciler.loading.format.proof import difference
from reconciler.loading.format.scan import Unsafe
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Source

CORPUS = {
    f"{file.stem}: {case.partition(chr(10))[0]}": case.partition("\n")[2].partition("--- expected ---\n")[0]
    for file in sorted(Path(__file__).with_name("corpus").glob("*.txt"))
    for case in file.read_text(encoding="utf-8").split("### ")[1:]
}
FRAGMENTS = (
    *(
        "a:",
        "b: 1",
        "- ",
        "-",
        "- x",
        "? k",
        ": v",
        "[",
        "]",
        "{",
        "}",
        "{a: 1, b: [2,3]}",
        ",",
        "# c",
        " # t",
        "#",
        "|",
    ),
    *(
        ">",
        "|-",
        "|+",
        ">2",
        "|2-",
        "text more",
        "'q q'",
        "'it''s'",
        '"d\\\\"',
        '"d \\\n  e"',
        "&a",
        "*a",
        "!!str",
        "!!map",
    ),
    *(
        "<<: *a",
        "---",
        "...",
        "--- # m",
        "--- x",
        "%YAML 1.2",
        "\n",
        "\n",
        "\n",
        "\n\n",
        "\n  ",
        "\n    ",
        "\n   ",
        "\n \n",
    ),
    *(" ", "  ", "\t", ": ", ":", "apiVersion: x", "kind: y", "spec:", "é", "\u2028", "x: |\n  t\n\n", "k: &a\n  s: 1"),
    *(
        "- &a\n  s: 1",
        "- - ",
        "\r\n",
        "'a\n  b'",
        '"a\n\n  b"',
        "p q\n   r s",
        "   # deep",
        "\n# zero\n",
        "\\ud83d\\ude00",
    ),
)


def read(text: str) -> list[object]:
    found = list(documents(Source("a.yaml", text)))
    assert not any(document.problems for document in found)
    return [document.data for document in found]


def is_right(text: str) -> bool:
    return not any(document.problems for document in documents(Source("a.yaml", text)))


def again(text: str) -> str:
    return formatted(Source("a.yaml", text))


def typed(value: object) -> object:
    """A value that is equal to those of the same types only."""
    if isinstance(value, dict):
        return [(key, typed(inner)) for key, inner in value.items()]
    return [typed(inner) for inner in value] if isinstance(value, list) else (type(value), repr(value))


def in_order(value: object) -> object:
    """The same for a document, whose keys may move."""
    return sorted(typed(value), key=lambda pair: pair[0]) if isinstance(value, dict) else typed(value)


def check_form(text: str) -> None:
    """What can be told from the text alone; texts over several lines keep their blank ones."""
    assert "\r" not in text
    assert text == "" or text.endswith("\n")
    assert not text.startswith(("\n", "---\n", "--- "))
    if not re.search(r"[|>][-+0-9]*(?:  +#.*)?$", text, re.MULTILINE):
        assert all(line == line.rstrip(" \t") or line.endswith("\\ ") for line in text.split("\n"))
        assert "\t" not in "".join(re.findall(r"^\s+", text, re.MULTILINE))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**48).map(lambda seed: Writer(Random(seed)).file()))
def test_laws(text):
    assume(is_right(text))
    before = read(text)
    after = again(text)
    assert [*map(in_order, read(after))] == [*map(in_order, before)]
    for pattern in (r"# c\d+[^\r\n]*?(?=[ \t]*[\r\n]|[ \t]*\Z)", r"&n\d+", r"\*n\d+", r"!!?\w*"):
        assert sorted(re.findall(pattern, after)) == sorted(re.findall(pattern, text))
    assert again(after) == after
    check_form(after)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_whatever_is_yaml_is_formatted_or_left_alone(text):
    assume(is_right(text))
    before = read(text)
    try:
        after = again(text)
    except Unsafe:
        assert "---" in text or "..." in text  # at the beginning of a value: it must not come to stand at a line's
        return
    assert [*map(in_order, read(after))] == [*map(in_order, before)]
    assert again(after) == after
    check_form(after)


@pytest.mark.parametrize("name", CORPUS)
def test_the_corpus(name):
    """Wrong manifests may be right YAML."""
    text = CORPUS[name]
    if not is_right(text):
        return
    after = again(text)
    assert [*map(in_order, read(after))] == [*map(in_order, read(text))]
    assert again(after) == after


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("a: 1\nb: x # c\n", "would change its anchors, aliases or tags"),
        ("a: 1\nb: &x y # c\n", "would change the values of its document 1"),
        ("a: 1.0\nb: &x x # c\n", "would change the values of its document 1"),
        ("b: &x x # c\na: 1\n", "would change the values of its document 1"),
        ("a: 1\nb: &x x\n", "would change its comments"),
        ("a: 1\nb: &x x # d\n", "would change its comments"),
        ("a: 1\nb: &y x # c\n", "would change its anchors, aliases or tags"),
        ("a: 1\nb: &x x # c\n---\nc: 1\n", "would break it"),
        ("a: [\n", "would break it"),
        ("a: 1\nb: &x x # c", ""),
    ],
)
def test_the_proof_sees_every_difference(other, reason):
    text = "a: 1\nb: &x 'x' # c\n"
    had = list(scan.marks(scan.pieces(text)))
    assert difference(read(text), had, other) == reason


def test_moved_keys_are_no_difference_where_they_may_move():
    text = "a: 1 # c\nb: {c: 1, d: 2}\n"
    had = list(scan.marks(scan.pieces(text)))
    assert difference(read(text), had, "b: {c: 1, d: 2}\na: 1 # c\n", moved=True) == ""
    assert difference(read(text), had, "b: {d: 2, c: 1}\na: 1 # c\n", moved=True) != ""


@pytest.mark.parametrize(
    "text",
    [
        "a: [" + "1, " * 90_000 + "]\n",
        "a: |\n" + "  x\n" * 400_000,
        "\n" * 1_000_000,
        "# c\n" * 400_000,
        "---\na: 1\n" * 40_000,
        "a: '" + "x\n " * 500_000 + "'\n",
    ],
    ids=["tokens", "text", "blank", "comments", "documents", "quoted"],
)
def test_what_takes_too_long_is_left_alone(text):
    with pytest.raises(Unsafe, match="takes too long"):
        again(text)


def test_a_text_that_would_begin_a_document_is_left_alone():
    with pytest.raises(Unsafe, match="would"):
        again("  --- x\n")
