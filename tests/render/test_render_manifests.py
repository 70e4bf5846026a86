from __future__ import annotations

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.manifest import Lifecycle, Manifest
from reconciler.model.values import Address, Span
from reconciler.render import renderer
from reconciler.render.escape import plain

WORDS = "yes No off Y n 2024-01-01 12:30 1e5 0x10 0o7 1_000 .5 .inf - ? ~ null << = !x &a *a %x @a {{ | >"
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.lists(
        st.sampled_from(
            [
                " ",
                "\n",
                "a",
                "# ",
                ": ",
                "- ",
                "word " * 30,
                "w" * 1_100,
                "\t",
                "\x85",
                "\u2028",
                "\r",
                "é",
                "'",
                '"',
                "\\",
            ]
        ),
        max_size=9,
    ).map("".join),
    st.sampled_from(WORDS.split(" ")),
)
SCALARS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
PLACE = Span("manifests/blue/regional.yaml", 4, 9, 4, 13)


def manifest(name: str = "emea", **more: object) -> Manifest:
    return Manifest(Address("blue", "report", name), "blue/v1", {}, PLACE, **more)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), st.booleans())
def test_every_reader_reads_what_was_written(data, inherited):
    """YAML 1.1 too; loading's own reader is asked where manifests are expanded."""
    notes = {(key,): PLACE for key in data} if inherited else {}
    text = renderer("manifests", "text")([(manifest(inherited=notes), data)] * 2)
    assert repr(list(yaml.safe_load_all(text))) == repr([data, data])
    assert all(plain(line) == line for line in text.split("\n"))


def examples(evil: str) -> list[tuple[Manifest, dict[str, object]]]:
    project = Span("manifests/reconciler.yaml", 12, 9, 12, 20)
    data = {
        "apiVersion": "blue/v1",
        "kind": "Report",
        "metadata": {"name": "emea", "labels": {"owner": "revops", "on": "yes"}},
        "lifecycle": {"protect": True, "onRemove": "delete"},
        "spec": {
            "title": "007",
            "description": "Every open record.\n\nWith a second paragraph: # and so on.\n",
            "trailing": "kept\n\n",
            "indented": "  two blanks\nthen none",
            "long": "A sentence that goes on and on, " * 8 + "until it ends.",
            "unbroken": "x" * 130,
            "evil": evil,
            "lines": f"one\n{evil}",
            "texts": [
                "yes",
                "No",
                "null",
                "12:30",
                "2024-01-01",
                "1e5",
                "1.5",
                "~",
                "",
                " ",
                "a: b",
                "a #b",
                "http://a/b",
            ],
            "values": [True, None, 5, 1.5, 1e16, -2.5e-07, [], {}, [[1], [{"a": 1, "b": [2]}]]],
            "a key: with # signs": {"": 1, "true": 2, evil: 3},
        },
    }
    inherited = {
        ("metadata", "labels", "owner"): project,
        ("lifecycle", "protect"): Span(f"manifests/{evil}.yaml", 3, 1, 3, 2),
        ("spec", "description"): project,
        ("spec", "long"): project,
        ("spec", "texts"): project,
        ("spec", "title"): project,
    }
    small = {"apiVersion": "blue/v1", "kind": "Report", "metadata": {"name": "apac"}, "spec": {}}
    return [
        (manifest(inherited=inherited, lifecycle=Lifecycle(protect=True)), data),
        (manifest("apac", entry=evil), small),
    ]


def test_manifests_as_text(golden, evil):
    golden("manifests.yaml", renderer("manifests", "text")(examples(evil)))


def test_manifests_as_json(golden, evil, diagnostics):
    text = renderer("manifests", "json")(examples(evil), diagnostics[-1:], resources=2)
    golden("manifests.json", text)
    found = json.loads(text)
    alone = json.loads(renderer("diagnostics", "json")(diagnostics[-1:], resources=2))
    assert {key: value for key, value in found.items() if key != "manifests"} == alone


def test_no_manifests():
    assert renderer("manifests", "text")([]) == ""
