from __future__ import annotations

import gc
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.values import Address, Reference, Span

REPORT = "apiVersion: blue/v1\nkind: Report\nmetadata: {name: a}\nspec: {title: T, dataSources: [{name: x}]}\n"


def export(name: str, spec: str = "pipeIds: [1]") -> str:
    return f"apiVersion: pipefy/v1\nkind: Export\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def environment(name: str, spec: str) -> str:
    return f"apiVersion: reconciler/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def told(loaded) -> list[str]:
    return [
        (f"{found.span.file}:{found.span.line}:{found.span.column} " if found.span else "") + found.code
        for found in loaded.diagnostics
    ]


def test_a_manifest_with_everything(workshop):
    workshop.write(
        {
            "environments/default.yaml": environment("default", "{values: {owner: revops, keep: true, n: 3}}"),
            "all.yaml": "apiVersion: pipefy/v1\nkind: Export\nmetadata:\n  name: 'weekly-{{ each.key }}'\n"
            "  labels: {owner: '{{ values.owner }}', env: '{{ env }}', project: '{{ project }}'}\n"
            "lifecycle: {protect: '{{ values.keep }}', onRemove: detach}\n"
            "forEach: {emea: 1, apac: 2}\n"
            "spec:\n  pipeIds: ['{{ each.value }}', '{{ values.n }}']\n  columns: ['{% raw %}{{ x }}{% endraw %}']\n"
            "  report: {ref: 'pipefy/report/{{ values.owner }}'}\n"
            "---\n" + export("revops").replace("Export", "Report"),
        }
    )
    loaded = workshop.load()
    assert loaded.diagnostics == ()
    assert loaded.resources == 3
    apac, emea, _ = loaded.desired.manifests
    assert (apac.address, emea.address) == (
        Address("pipefy", "export", "weekly-apac"),
        Address("pipefy", "export", "weekly-emea"),
    )
    assert emea.api_version == "pipefy/v1"
    assert emea.labels == {"owner": "revops", "env": "default", "project": "acme"}
    assert emea.lifecycle == Lifecycle(protect=True, on_remove=OnRemove.DETACH)
    assert emea.spec == {"pipeIds": [1, 3], "columns": ["{{ x }}"], "report": {"ref": "pipefy/report/revops"}}
    assert apac.spec["pipeIds"] == [2, 3]
    assert emea.references == (Reference(("report",), Address("pipefy", "report", "revops")),)
    assert emea.origin == Span("manifests/all.yaml", 4, 9, 4, 32)
    assert loaded.desired.environment == "default"
    assert loaded.desired.project.name == "acme"


def test_the_spec_is_what_was_declared(workshop):
    """Defaults of a model are not filled in."""
    workshop.write({"a.yaml": REPORT})
    assert workshop.load().desired.manifests[0].spec == {"title": "T", "dataSources": [{"name": "x"}]}


@pytest.mark.parametrize(
    ("for_each", "keys"),
    [
        ("[x, y]", ["x:x", "y:y"]),
        ("[1, 2]", ["1:1", "2:2"]),
        ("{x: 1, y: 2}", ["x:1", "y:2"]),
        ("'{{ values.list }}'", ["0:p", "k:q"]),
        ("'{{ values.map }}'", ["m:1"]),
        ("['{{ env }}']", ["default:default"]),
    ],
)
def test_for_each(workshop, for_each, keys):
    workshop.write(
        {
            "environments/default.yaml": environment(
                "default", "{values: {list: [{n: p}, {key: k, n: q}], map: {m: 1}}}"
            ),
            "a.yaml": "apiVersion: blue/v1\nkind: Report\nmetadata: {name: 'r-{{ each.key }}'}\n"
            f"forEach: {for_each}\n"
            "spec:\n  title: '{{ each.key }}:{{ each.value.n if each.value is mapping else each.value }}'\n"
            "  dataSources: [{name: x}]\n",
        }
    )
    loaded = workshop.load()
    assert loaded.diagnostics == ()
    assert [manifest.spec["title"] for manifest in loaded.desired.manifests] == keys


def test_what_for_each_makes_twice_is_said_at_both_entries_of_the_environment(workshop):
    workshop.write(
        {
            "environments/base.yaml": environment("base", "\n  values:\n    regions: [emea, apac, emea]"),
            "environments/default.yaml": environment("default", "{extends: base}"),
            "all.yaml": REPORT.replace("name: a", "name: 'r-{{ each.key }}'") + "forEach: '{{ values.regions }}'\n",
        }
    )
    loaded = workshop.load()
    assert told(loaded) == [
        "manifests/environments/base.yaml:6:15 duplicate-address",
        "manifests/environments/base.yaml:6:27 duplicate-address",
    ]
    assert loaded.diagnostics[0].hint == "remove one of the entries"


def test_what_is_made_twice_of_an_override_is_said_at_the_manifest(workshop):
    workshop.write(
        {
            "environments/default.yaml": environment("default", "{values: {of: {twice: [x, x]}}}"),
            "all.yaml": REPORT.replace("name: a", "name: 'r-{{ each.key }}'")
            + "forEach: '{{ values.of.twice + [1] }}'\n",
        }
    )
    assert told(workshop.load()) == ["manifests/all.yaml:5:10 duplicate-address"]


def test_for_each_has_limits(workshop):
    text = REPORT.replace("name: a", "name: 'a{{ each.key }}'").replace("spec:", "forEach: '{{ range(20000) }}'\nspec:")
    workshop.write({"a.yaml": text})
    assert told(workshop.load()) == ["manifests/a.yaml:4:10 for-each"]


def test_environments_extend_each_other(workshop):
    workshop.write(
        {
            "environments/base.yaml": environment("base", "{values: {a: 1, deep: {x: 1, y: 1}, list: [1]}}"),
            "environments/eu.yaml": environment("eu", "{extends: base, values: {deep: {y: 2, z: 2}, list: [2]}}"),
            "environments/prod.yaml": environment("prod", "{extends: eu, values: {deep: {z: 3}, own: {k: null}}}"),
            "a.yaml": REPORT.replace("T,", "'{{ values | tojson }}',"),
        }
    )
    (manifest,) = workshop.load("prod").desired.manifests
    expected = {"a": 1, "deep": {"x": 1, "y": 2, "z": 3}, "list": [2], "own": {"k": None}}
    assert json.loads(manifest.spec["title"]) == expected
    set_values = {"a": "007", "deep.x": "0x10", "new.er": "true", "list": "x y", "own.k": '"5"', "e": ""}
    (manifest,) = workshop.load("prod", overrides=set_values).desired.manifests
    assert json.loads(manifest.spec["title"]) == {
        "a": "007",
        "deep": {"x": 16, "y": 2, "z": 3},
        "list": "x y",
        "own": {"k": "5"},
        "new": {"er": True},
        "e": None,
    }


@pytest.mark.parametrize(
    ("files", "asked", "expected"),
    [
        ({}, "default", []),
        ({}, "prod", ["environment"]),
        ({}, "../../etc/passwd", ["environment"]),
        ({"default": "{extends: nobody}"}, "default", ["manifests/environments/default.yaml:4:17 environment"]),
        (
            {"a": "{extends: b}", "b": "{extends: a}"},
            "a",
            ["manifests/environments/b.yaml:4:17 environment"],
        ),
        ({"a": "{extends: a}"}, "a", ["manifests/environments/a.yaml:4:17 environment"]),
        ({"a": "{extend: b}"}, "a", ["manifests/environments/a.yaml:4:8 unknown-field"]),
        ({"a": "{values: [x]}"}, "a", ["manifests/environments/a.yaml:4:8 wrong-type"]),
        ({"a": "{values: {x: 1, x: 2}}"}, "a", ["manifests/environments/a.yaml:4:23 yaml-duplicate-key"]),
        ({"b": "[", "a": "{values: {x: 1}}"}, "a", []),
    ],
)
def test_environments_that_are_missing_or_wrong(workshop, files, asked, expected):
    workshop.write({f"environments/{name}.yaml": environment(name, spec) for name, spec in files.items()})
    workshop.write({"a.yaml": REPORT, "b.yaml": export("e")})
    assert told(workshop.load(asked)) == expected


def test_a_missing_environment_lists_those_there_are(workshop):
    workshop.write({"environments/prod.yaml": environment("prod", "{}"), "a.yaml": REPORT})
    (found,) = workshop.load("prd").diagnostics
    assert "prod" in found.hint


def test_an_environment_of_another_name(workshop):
    workshop.write({"environments/prod.yaml": environment("dev", "{}"), "a.yaml": REPORT})
    assert told(workshop.load("prod")) == ["manifests/environments/prod.yaml:3:18 wrong-name"]


def test_without_values_templates_are_not_blamed(workshop):
    workshop.write(
        {"a.yaml": REPORT.replace("T,", "'{{ values.x }}',"), "b.yaml": export("e", "report: {ref: blue/report/a}")}
    )
    assert told(workshop.load("prod")) == ["environment", "manifests/b.yaml:4:1 missing-field"]


@pytest.mark.parametrize("key", ["", ".", "a.", "a.b.c", "x" + ".x" * 100])
def test_overrides_that_cannot_be(workshop, key):
    workshop.write({"environments/default.yaml": environment("default", "{values: {a: {b: 1}}}"), "a.yaml": REPORT})
    assert told(workshop.load(overrides={key: "1"})) == ["override"]


def test_an_override_that_is_no_safe_number(workshop):
    workshop.write({"a.yaml": REPORT})
    assert told(workshop.load(overrides={"a": "12345678901234567890"})) == ["override"]


ORGANIZATION = (
    "{apiVersion: reconciler/v1, kind: Project, metadata: {name: a}, spec: {providers: {pipefy: {organization: 300}}}}"
)


@pytest.mark.parametrize(
    ("project", "given", "expected"),
    [
        (None, {}, ["manifests/b.yaml:4:38 organization"]),
        (ORGANIZATION, {}, ["manifests/b.yaml:4:38 organization"]),
        (ORGANIZATION, {"pipefy": ""}, ["manifests/b.yaml:4:38 organization"]),
        (ORGANIZATION, {"pipefy": "301"}, ["manifests/a.yaml:4:38 organization"]),
        (None, {"pipefy": "301"}, ["manifests/a.yaml:4:38 organization"]),
        (
            None,
            {"blue": "x", "pipefy": "9"},
            ["manifests/a.yaml:4:38 organization", "manifests/b.yaml:4:38 organization"],
        ),
    ],
)
def test_organizations_agree(workshop, project, given, expected):
    workshop.write({"reconciler.yaml": project} if project else {})
    workshop.write({"a.yaml": export("a", "pipeIds: [1], organizationId: 300")})
    workshop.write(
        {"b.yaml": export("b", "pipeIds: [1], organizationId: '301'"), "c.yaml": export("c"), "d.yaml": REPORT}
    )
    assert told(workshop.load(organizations=given)) == expected


def test_warnings_do_not_stop_anything(workshop, kinds, monkeypatch):
    found = Violation(("title",), "odd-title", "the title is odd", "change it", Severity.WARNING)
    monkeypatch.setattr(type(kinds[0]), "check", lambda kind, spec: [found])
    workshop.write({"a.yaml": REPORT})
    loaded = workshop.load()
    assert told(loaded) == ["manifests/a.yaml:4:15 odd-title"]
    assert loaded.desired.warnings == loaded.diagnostics


def test_one_violation_among_a_thousand(workshop):
    text = REPORT.replace("T,", "T, description: {},")
    workshop.write(
        {
            f"r/{n}.yaml": text.replace("name: a", f"name: r{n}").replace("{}", "x" * (101 if n == 617 else 100), 1)
            for n in range(1000)
        }
    )
    loaded = workshop.load()
    assert told(loaded) == ["manifests/r/617.yaml:4:31 limit"]
    assert loaded.desired is None
    assert loaded.resources == 1000
    (found,) = loaded.diagnostics
    assert found.address == Address("blue", "report", "r617")
    assert found.source[found.span.column - 1 : found.span.end_column - 1] == "x" * 101


def test_a_reference_to_a_manifest_with_a_mistake_is_no_mistake(workshop):
    workshop.write(
        {"a.yaml": export("a", "pipeIds: x"), "b.yaml": export("b", "pipeIds: [1], report: {ref: pipefy/export/a}")}
    )
    assert told(workshop.load()) == ["manifests/a.yaml:4:17 wrong-type"]


def test_the_collector_is_as_it_was(workshop):
    workshop.write({"a.yaml": REPORT})
    assert gc.isenabled()
    workshop.load()
    assert gc.isenabled()
    gc.disable()
    try:
        workshop.load()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_file_with_too_many_mistakes(workshop):
    workshop.write({"a.yaml": "".join(f"--- {n}\n" for n in range(5_000)), "b.yaml": "x"})
    loaded = workshop.load()
    assert len(loaded.diagnostics) == 1_001
    assert loaded.diagnostics[999].code == "too-many"
    assert loaded.diagnostics[1000].span.file == "manifests/b.yaml"


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=1, max_size=5, unique=True)


@settings(max_examples=30)
@given(NAMES, st.randoms(use_true_random=False), st.booleans())
def test_the_order_and_the_layout_of_files_do_not_matter(fresh_workshop, names, random, wrong):
    texts = [REPORT.replace("name: a", f"name: {name}") for name in names]
    if wrong:
        texts[0] = texts[0].replace("title", "titel")
    one, other = fresh_workshop(), fresh_workshop()
    one.write({"all.yaml": "---\n".join(texts)})
    random.shuffle(texts)
    other.write({f"{random.choice('abc')}/{n}.yml": text for n, text in enumerate(texts)})
    loaded = [one.load(), other.load(), one.load()]
    assert loaded[0] == loaded[2]
    assert loaded[0].resources == loaded[1].resources == len(names)
    if wrong:
        assert [[found.code for found in each.diagnostics] for each in loaded[:2]] == [
            ["missing-field", "unknown-field"]
        ] * 2
    else:
        first, second = ([(each.address, each.spec) for each in one.desired.manifests] for one in loaded[:2])
        assert first == second


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=30)
@given(VALUES)
def test_a_value_arrives_as_it_is(fresh_workshop, value):
    """Through the environment and one single expression, text with braces included."""
    workshop = fresh_workshop()
    workshop.write(
        {
            "environments/default.yaml": environment("default", json.dumps({"values": {"it": value}})),
            "a.yaml": REPORT.replace("T,", "T, config: {it: '{{ values.it }}'},"),
        }
    )
    (manifest,) = workshop.load().desired.manifests
    assert manifest.spec["config"] == {"it": value}
