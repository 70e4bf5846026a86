"""`validate --expand`: what is printed are manifests of the same meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.app.expand import expand
from reconciler.app.settings import Settings
from reconciler.app.wiring import Wiring
from reconciler.render import renderer

REPORT = "apiVersion: blue/v1\nkind: Report\nmetadata: {name: '%s'}\n%sspec: {title: Test T, dataSources: [{}]%s}\n"
PROJECT = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\nspec:\n"
DEFAULTS = (
    "  defaults:\n    blue/report:\n      metadata: {labels: {owner: revops}}\n      lifecycle: {protect: true}\n"
    "      spec: {description: 'All of {{ project }}'}\n"
)


def meaning(folder: Path) -> list[object]:
    desired = Wiring(Settings(folder=folder)).desired()
    return [
        (each.address, each.api_version, each.spec, dict(each.labels), each.lifecycle, each.references)
        for each in desired.manifests
    ]


def test_the_sample_project_expands_to_itself(company):
    ran = company("validate", "--expand")
    assert ran.code == 0
    assert ran.err.endswith("resources\n")
    assert "# blue/report/pipeline-emea  from manifests/blue/regional.yaml:5 (forEach emea)\n" in ran.out
    before = meaning(Path("manifests"))
    company.write("expanded/all.yaml", ran.out)
    company.write("expanded/reconciler.yaml", (company.folder / "manifests/reconciler.yaml").read_text())
    assert meaning(Path("expanded")) == before
    assert company("--dir", "expanded", "validate").out == "no errors in 14 resources\n", "opt-outs come along"
    again = company("--dir", "expanded", "validate", "--expand", "-q")
    assert again.err == ""
    assert [line for line in again.out.splitlines() if line[:1] != "#"] == [
        line.partition("  # default")[0] for line in ran.out.splitlines() if line[:1] != "#"
    ]


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    st.lists(
        st.sampled_from(["{{ x }}", "{% a", "{#", "{", "\n", "\r", " ", "yes", "\u2028", "\x85", "% }"]), max_size=6
    ).map("".join),
)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e30, 1e30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=3), st.lists(TEXTS, min_size=1, max_size=3))
def test_what_is_expanded_means_the_same(tmp_path_factory, config, titles):
    folder = tmp_path_factory.mktemp("m")
    values = json.dumps({"config": config, "titles": titles})
    (folder / "environments").mkdir()
    (folder / "reconciler.yaml").write_text(PROJECT + DEFAULTS)
    (folder / "environments/default.yaml").write_text(
        f"apiVersion: reconciler/v1\nkind: Environment\nmetadata: {{name: default}}\nspec: {{values: {values}}}\n"
    )
    (folder / "a.yaml").write_text(
        "apiVersion: blue/v1\nkind: Report\nmetadata: {name: 'r{{ each.key }}', "
        "labels: {t: '{{ each.value.title }}'}}\n"
        f"forEach: {json.dumps([{'title': f'T {title}'.replace('{', '(')} for title in titles])}\n"
        "spec: {title: 'T {{ values.titles[0] }}', dataSources: [{}], config: '{{ values.config }}'}\n"
    )
    wiring = Wiring(Settings(folder=folder))
    text = renderer("manifests", "text")(expand(wiring, wiring.desired(), loadable=True))
    before = meaning(folder)
    (folder / "environments/default.yaml").unlink()
    (folder / "a.yaml").write_bytes(text.encode())
    assert meaning(folder) == before


def test_defaults_say_where_they_come_from(cli):
    cli.declare(REPORT % ("a", "", ""), REPORT % ("b", "lifecycle: {protect: false}\n", ", description: null"))
    cli.write("manifests/reconciler.yaml", PROJECT + DEFAULTS)
    ran = cli("validate", "--expand")
    assert ran.code == 0
    one, other = ran.out.split("---\n")
    assert "    owner: revops  # default from manifests/reconciler.yaml:7\n" in one
    assert "  protect: true  # default from manifests/reconciler.yaml:8\n" in one
    assert "  description: All of acme  # default from manifests/reconciler.yaml:9\n" in one
    assert "  protect: false\n" in other
    assert "  description: null\n" in other
    found = json.loads(cli("validate", "--expand", "--format", "json").out)["manifests"][0]
    assert found["defaults"] == {
        "metadata.labels.owner": "manifests/reconciler.yaml:7",
        "lifecycle.protect": "manifests/reconciler.yaml:8",
        "spec.description": "manifests/reconciler.yaml:9",
    }
    assert found["origin"] == {"file": "manifests/all.yaml", "line": 3, "column": 18, "entry": None}


def test_as_json_text_is_what_it_is(cli):
    cli.declare(REPORT % ("a", "", ", description: '{% raw %}{{ x }}{% endraw %}'"))
    found = json.loads(cli("validate", "--expand", "--format", "json").out)
    assert found["format"] == "reconciler.diagnostics/1"
    assert found["summary"] == {"errors": 0, "warnings": len(found["diagnostics"]), "resources": 1}
    (manifest,) = found["manifests"]
    assert manifest["spec"]["description"] == "{{ x }}"
    assert (manifest["apiVersion"], manifest["kind"]) == ("blue/v1", "Report")
    assert manifest["lifecycle"] == {"protect": False, "onRemove": "delete"}


def test_wrong_manifests_are_not_expanded(cli):
    cli.declare(REPORT % ("a", "", ""), REPORT % ("b", "", ", titel: x"))
    ran = cli("validate", "--expand", "-q")
    assert (ran.code, ran.out) == (3, "")
    assert "did you mean title?" in ran.err
    ran = cli("validate", "--expand", "--format", "json")
    assert ran.code == 3
    assert "manifests" not in json.loads(ran.out)


@pytest.mark.parametrize("form", ["sarif", "github"])
def test_formats_that_hold_no_manifests(cli, form):
    cli.declare(REPORT % ("a", "", ""))
    ran = cli("validate", "--expand", "--format", form)
    assert ran.code == 64
    assert "--expand" in ran.err


def test_variables_of_the_process(cli):
    cli.declare(REPORT % ("a", "", ", description: '{{ variables.REGION }}'"))
    cli.write("manifests/reconciler.yaml", PROJECT + "  variables: [REGION]\n")
    assert "REGION is not set" in cli("validate").out
    assert "description: emea\n" in cli("validate", "--expand", REGION="emea").out
