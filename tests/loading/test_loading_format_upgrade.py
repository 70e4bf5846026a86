"""Manifests of former versions, rewritten: what they then say is what the loader made of them before."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler import providers
from reconciler.loading.format.scan import Unsafe
from reconciler.loading.format.upgrade import upgraded
from reconciler.loading.kinds import Kinds
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Findings, Source
from reconciler.loading.versions import convert

KINDS = Kinds(providers.kinds(lambda *_: None))
HEAD = "apiVersion: blue/v1alpha1\nkind: Report\nmetadata: {name: a}\n"


def upgrade(text: str) -> str:
    findings = Findings()
    result = upgraded(Source("a.yaml", text), KINDS, findings)
    assert findings.sorted() == ()
    return result


def test_names_are_replaced_where_they_stand():
    text = (
        "# yaml-language-server: $schema=../schemas/blue.report.v1alpha1.schema.json\n"
        "kind:  Report # of sources and workspaceIds\n"
        "'apiVersion':   'blue/v1alpha1'   # blue/v1alpha1\n"
        "metadata: {name: sources}\n"
        "spec:\n"
        '    "name" : name\n'
        "    sources:   # sources\n"
        "    -  {name: sources, workspaceIds: [workspaceIds]}\n"
        "    # the second\n"
        "    -  name:  b\n"
        "       workspaceIds:\n"
        "       - x\n"
        "    sharedWith: []\r\n"
        "    config: {sources: 1}"
    )
    wanted = (
        text.replace("report.v1alpha1.schema", "report.v1.schema")
        .replace("'blue/v1alpha1'", "'blue/v1'")
        .replace('"name" :', '"title" :')
        .replace("    sources:", "    dataSources:")
        .replace("workspaceIds:", "projectIds:")
        .replace("sharedWith:", "reportUsers:")
    )
    assert upgrade(text) == wanted
    assert upgrade(wanted) == wanted


def test_other_documents_stay():
    other = (
        "apiVersion: blue/v1\nkind: Report\nspec: {sources: 1}\n---\n[apiVersion, blue/v1alpha1]\n---\nkind: Report\n"
    )
    old = HEAD + "spec: {name: x}\n"
    assert upgrade(f"{other}---\n{old}---\n{other}") == (
        f"{other}---\n{old.replace('v1alpha1', 'v1').replace('{name: x}', '{title: x}')}---\n{other}"
    )
    assert upgrade(HEAD.replace("Report", "Export")) == HEAD.replace("Report", "Export")


def test_names_inside_anchors_and_merges_are_replaced_once():
    text = HEAD + (
        "spec:\n"
        "  sources:\n"
        "    - &base\n"
        "      workspaceIds: &ids [a]   # these\n"
        "    - {<<: *base, name: b}\n"
        "    - *base\n"
        "    - {&k workspaceIds: *ids}\n"
    )
    wanted = text.replace("v1alpha1", "v1").replace("sources:", "dataSources:").replace("workspaceIds:", "projectIds:")
    assert upgrade(text) == wanted


@pytest.mark.parametrize(
    "spec",
    [
        "{config: {a: &a {workspaceIds: [x]}}, sources: [*a]}",
        "{config: {a: &a {workspaceIds: [x]}}, sources: [{<<: *a, workspaceIds: [y]}]}",
        "{config: &k name, *k : x}",
    ],
)
def test_a_name_that_means_two_things_is_left_alone(spec):
    with pytest.raises(Unsafe, match="in another sense too"):
        upgrade(f"{HEAD}spec: {spec}\n")


def test_both_names_at_once_are_shown_and_left():
    text = f"{HEAD}spec:\n  title: a\n  name: b\n---\n{HEAD}spec: {{name: c}}\n"
    findings = Findings()
    assert upgraded(Source("a.yaml", text), KINDS, findings) == text
    ((span, code),) = [(found.span, found.code) for found in findings.sorted()]
    assert code == "former-field"
    assert span is not None
    assert span.line == 6


IDS = st.lists(st.sampled_from("abc"), max_size=2)
SOURCES = st.fixed_dictionaries(
    {}, optional={"name": st.just("s"), "workspaceIds": IDS, "filters": st.just({"name": 1, "workspaceIds": []})}
)


@st.composite
def former_manifests(draw):
    """As a program writes them: what occurs twice has an anchor."""
    shared = draw(st.lists(SOURCES, min_size=1, max_size=3))
    spec = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "sources": st.lists(st.sampled_from(shared), max_size=4),
                "dataSources": st.lists(st.sampled_from(shared), max_size=2),
                "name": st.just("n"),
                "config": st.sampled_from([*shared, {"sources": [], "name": 1}]),
                "sharedWith": st.just([]),
            },
        )
    )
    data = {"apiVersion": "blue/v1alpha1", "kind": "Report", "metadata": {"name": "a"}, "spec": spec}
    text = yaml.dump(data, sort_keys=draw(st.booleans()), default_flow_style=draw(st.sampled_from([True, False, None])))
    lines = [f"# c{number}\n{line}" for number, line in enumerate(text.splitlines(keepends=True))]
    return "".join(lines) if draw(st.booleans()) else text


@settings(max_examples=300, deadline=None)
@given(former_manifests())
def test_what_is_upgraded_says_what_the_loader_made_of_it(text):
    (before,) = documents(Source("a.yaml", text))
    _, former = KINDS.find("blue/v1alpha1", "Report")
    assume(not convert(before.data, before.root, former))
    try:
        after = upgrade(text)
    except Unsafe:
        assert "*" in text
        assert "config" in text
        return
    (document,) = documents(Source("a.yaml", after))
    assert document.data == {**before.data, "apiVersion": "blue/v1"}
    assert re.findall(r"# c\d+", after) == re.findall(r"# c\d+", text)
    assert after.count("\n") == text.count("\n")
    assert upgrade(after) == after
