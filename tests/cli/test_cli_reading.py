"""The commands that only read: validate, plan, show, state, schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from samples import EXPORT

BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales, labels: {owner: me}}
spec:
  title: Test sales
  dataSources: [{filters: {done: false}}]
"""
WRONG = BLUE.replace("sales", "wrong").replace("Test wrong", '"Test wrong"\n  descriptoin: x')
PLAN = {
    *("format", "digest", "created", "expires", "tool", "environment", "targets", "base", "source"),
    *("steps", "drift", "unchanged", "summary"),
}
STEP = {"address", "action", "id", "reason", "changes", "remote_digest", "occurrence", "warnings"}
SUMMARY = {"create", "update", "delete", "adopt", "move", "forget", "export", "unchanged"}
DIAGNOSTIC = {
    *("severity", "code", "message", "file", "line", "column"),
    *("end_line", "end_column", "address", "hint"),
}
HOSTILE = '"Test \\e[31mred\\e[0m \\u202e \\u0007 \\r\\n end"'


def test_validate_says_how_many_are_right(company: Any) -> None:
    ran = company("validate")
    assert (ran.code, ran.err) == (0, "")
    assert "14 resources" in ran.out
    found = company("validate", "--format", "json").json
    assert found == {
        "format": "reconciler.diagnostics/1",
        "diagnostics": [],
        "summary": {"errors": 0, "warnings": 0, "resources": 14},
    }
    assert not (company.folder / ".reconciler").exists()


def test_validate_shows_every_mistake_at_its_place(cli: Any) -> None:
    project = """apiVersion: reconciler/v1
kind: Project
metadata: {name: acme}
spec: {lint: {rules: {implicit-every-workspace: off, export-without-deadline: off}}}
"""
    without = EXPORT.replace("  columns: [priority, title, due_date]\n", "")
    cli.declare(BLUE, WRONG, without, project=project)
    ran = cli("validate")
    assert (ran.code, ran.err) == (3, "")
    assert re.search(r"^manifests/all\.yaml:13:3: error\[", ran.out, re.MULTILINE)
    assert "^" in ran.out
    found = cli("validate", "--format", "json")
    assert found.code == 3
    assert {frozenset(diagnostic) for diagnostic in found.json["diagnostics"]} == {frozenset(DIAGNOSTIC)}
    assert found.json["summary"]["errors"] == len(found.json["diagnostics"]) == 2
    assert [diagnostic["address"] for diagnostic in found.json["diagnostics"]] == [
        "blue/report/wrong",
        "pipefy/export/cards",
    ]
    github = cli("validate", "--format", "github")
    assert github.code == 3
    assert github.out.startswith("::error file=manifests/all.yaml,line=13,")
    sarif = cli("validate", "--format", "sarif")
    assert sarif.code == 3
    assert len(sarif.json["runs"][0]["results"]) == 2


def test_validate_colours_when_told(cli: Any) -> None:
    cli.declare(WRONG)
    assert "\x1b[" in cli("validate", "--color", "always").out
    assert "\x1b" not in cli("validate").out
    assert "\x1b" not in cli("validate", "--color", "never").out


def test_a_plan_as_json_has_the_keys_of_the_contract(company: Any) -> None:
    plan = company("plan", "--sandbox", "--format", "json").json
    assert plan.keys() >= PLAN
    assert plan["format"] == "reconciler.plan/1"
    assert plan["summary"].keys() == SUMMARY
    assert plan["base"].keys() == {"lineage", "position"}
    assert plan["source"].keys() == {"tree", "commit"}
    assert {frozenset(target) for target in plan["targets"].values()} == {frozenset({"endpoint", "organization"})}
    for step in plan["steps"]:
        assert step.keys() >= STEP
        assert {frozenset(change) for change in step["changes"]} <= {frozenset({"path", "before", "after"})}
    counts = {name: sum(step["action"] == name for step in plan["steps"]) for name in SUMMARY - {"unchanged"}}
    assert plan["summary"] == {**counts, "unchanged": 0}
    instant = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(instant, plan["created"])
    assert re.fullmatch(instant, plan["expires"])


def test_a_plan_needs_no_credentials_and_makes_nothing(company: Any) -> None:
    assert company("plan").code == 0
    assert company("plan", "--format", "markdown").out.startswith("### Plan: ")
    assert not (company.folder / ".reconciler").exists()


def test_the_saved_plan_is_the_shown_plan(company: Any) -> None:
    ran = company("plan", "--sandbox", "--format", "json", "--out", "p.json")
    saved = json.loads((company.folder / "p.json").read_text(encoding="utf-8"))
    assert saved == ran.json
    assert sorted(file.name for file in company.folder.iterdir()) == ["manifests", "p.json"]


def test_a_text_plan_lists_deletes_first_and_counts_last(cli: Any) -> None:
    cli.declare(BLUE, BLUE.replace("sales", "old"))
    assert cli("apply", "--sandbox", "--yes").code == 0
    cli.declare(BLUE.replace("Test sales", "Test more"), BLUE.replace("sales", "new"))
    shown = cli("plan", "--sandbox").out
    order = [
        shown.index(text) for text in ("delete blue/report/old", "create blue/report/new", "update blue/report/sales")
    ]
    assert order == sorted(order)
    assert shown.rstrip().splitlines()[-1] == "Plan: 1 to delete, 1 to create, 1 to update; 0 unchanged."


def test_what_widens_is_said(cli: Any) -> None:
    narrow = BLUE.replace("[{filters", "[{projectIds: [cmws000000000000salesemea], filters")
    cli.declare(narrow)
    assert cli("apply", "--sandbox", "--yes").code == 0
    cli.declare(BLUE)
    assert "every workspace" in cli("plan", "--sandbox").out
    (step,) = cli("plan", "--sandbox", "--format", "json").json["steps"]
    assert step["warnings"]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (["blue/report/sales"], {"blue/report/sales"}),
        (["blue/*"], {"blue/report/sales", "blue/report/other"}),
        (["owner=me"], {"blue/report/sales"}),
        (["owner=me", "pipefy/export/cards"], {"blue/report/sales", "pipefy/export/cards"}),
    ],
)
def test_select_narrows_a_plan_and_an_apply(cli: Any, select: list[str], expected: set[str]) -> None:
    cli.declare(BLUE, BLUE.replace("sales", "other").replace("me}", "you}"), EXPORT)
    options = [part for item in select for part in ("--select", item)]
    plan = cli("plan", "--sandbox", "--format", "json", *options).json
    assert {step["address"] for step in plan["steps"]} == expected
    assert cli("apply", "--sandbox", "--yes", *options).code == 0
    state = cli("state", "list", "--sandbox", "--format", "json").json
    assert {kept["address"] for kept in (*state["resources"], *state["exports"])} == expected


def test_hostile_names_are_shown_escaped_everywhere(cli: Any) -> None:
    cli.declare(BLUE.replace("Test sales", HOSTILE))
    said = [
        cli("plan", "--sandbox"),
        cli("plan", "--sandbox", "--format", "markdown"),
        cli("show", "blue/report/sales"),
    ]
    said.append(cli("apply", "--sandbox", "--yes"))
    said += [cli("state", "show", "blue/report/sales", "--sandbox"), cli("state", "list", "--sandbox")]
    for ran in said:
        assert ran.code == 0
        assert not set("\x1b\u202e\x07\r") & set(ran.out + ran.err)
    assert "\\u202e" in said[0].out
    (report,) = cli.live()
    assert report["title"] == "Test \x1b[31mred\x1b[0m \u202e \x07 \r\n end"
    cli.declare(BLUE.replace("title:", '"ti\\e[31mtle":'))
    assert "\x1b" not in cli("validate").out + cli("validate", "--format", "github").out
    assert not set("\x1b\x07") & set(cli("show", "a\x1b[31m\x07").err)


def test_verbose_says_more_and_quiet_wins(cli: Any) -> None:
    cli.declare(BLUE)
    cli("apply", "--sandbox", "--yes")
    assert cli("plan", "--sandbox").err == ""
    assert "1 resource" in cli("plan", "--sandbox", "-v").err
    assert cli("plan", "--sandbox", RECONCILER_VERBOSE="1").err != ""
    assert cli("plan", "--sandbox", "-v", "-q").err == ""
    assert cli("plan", "--sandbox", "-v").out.splitlines()[1:] == cli("plan", "--sandbox").out.splitlines()[1:]


def test_long_values_are_never_wrapped(cli: Any) -> None:
    words = "word " * 60
    cli.declare(BLUE.replace("Test sales", f"Test {words}end"))
    cli("apply", "--sandbox", "--yes")
    (line,) = [line for line in cli("show", "blue/report/sales").out.splitlines() if "title" in line]
    assert line.endswith(f"{words}end")
    assert "\x1b" not in cli("plan", "--sandbox").out


def test_show_tells_what_is_declared_and_what_is_recorded(cli: Any) -> None:
    cli.declare(BLUE, EXPORT)
    before = cli("show", "blue/report/sales", "--sandbox", "--format", "json").json
    assert before["declared"]["spec"]["title"] == "Test sales"
    assert (before["recorded"], before["export"], before["in_doubt"]) == (None, None, [])
    cli("apply", "--sandbox", "--yes")
    (live,) = cli.live()
    after = cli("show", "blue/report/sales", "--sandbox", "--format", "json").json
    assert after["recorded"]["id"] == live["id"]
    assert str(live["id"]) in cli("show", "blue/report/sales", "--sandbox").out
    recorded = cli("state", "show", "blue/report/sales", "--sandbox", "--format", "json").json
    assert (recorded["declared"], recorded["recorded"]) == (None, after["recorded"])
    export = cli("show", "pipefy/export/cards", "--sandbox", "--format", "json").json["export"]
    assert export["run"]["state"] == "delivered"
    assert "delivered" in cli("show", "pipefy/export/cards", "--sandbox").out


def test_show_of_what_nobody_knows_names_what_is_known(cli: Any) -> None:
    cli.declare(BLUE)
    assert "nothing is recorded yet" in cli("show", "blue/report/nobody", "--sandbox").err
    cli("apply", "--sandbox", "--yes")
    assert "blue/report/sales" in cli("state", "show", "blue/report/nobody", "--sandbox").err
    assert cli("state", "show", "pipefy/export/cards", "--sandbox").code == 64


def test_the_state_list_has_the_keys_of_the_contract(cli: Any) -> None:
    cli.declare(BLUE + "lifecycle: {protect: true}\n", EXPORT)
    empty = cli("state", "list", "--sandbox", "--format", "json").json
    assert (empty["lineage"], empty["position"], empty["resources"]) == (None, 0, [])
    cli("apply", "--sandbox", "--yes")
    state = cli("state", "list", "--sandbox", "--format", "json").json
    assert state.keys() == {"format", "lineage", "position", "resources", "in_doubt", "exports"}
    assert state["format"] == "reconciler.state/1"
    (resource,) = state["resources"]
    assert resource.keys() == {"address", "id", "protected", "applied_at"}
    assert resource["protected"] is True
    (export,) = state["exports"]
    assert export.keys() >= {"address", "last_occurrence", "state", "location", "sha256", "bytes"}
    text = cli("state", "list", "--sandbox").out
    assert "1 resource, 1 export, 0 in doubt" in text
    assert resource["id"] in text


class _Yaml12(yaml.SafeLoader):
    """YAML in which dates are text, as the manifests mean them."""


_Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith("timestamp")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _schemas(cli: Any) -> dict[str, Any]:
    assert cli("schema", "--out", ".schemas").code == 0
    files = (cli.folder / ".schemas").iterdir()
    return {file.name.removesuffix(".schema.json"): json.loads(file.read_text(encoding="utf-8")) for file in files}


def test_every_manifest_of_the_repository_satisfies_the_schemas(company: Any) -> None:
    schemas = _schemas(company)
    own = {"manifest", "project", "environment"}
    assert schemas.keys() - own == {"blue.report.v1", "blue.report.v1alpha1", "pipefy.report.v1", "pipefy.export.v1"}
    assert own < schemas.keys()
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    checked = 0
    for file in sorted(Path("manifests").rglob("*.yaml")):
        if file.name == "reconciler.yaml" or file.parent.name == "environments":
            continue
        for document in yaml.load_all(file.read_text(encoding="utf-8"), _Yaml12):
            name = f"{document['apiVersion'].replace('/v1', '')}.{document['kind'].lower()}.v1"
            for schema in (schemas["manifest"], schemas[name]):
                jsonschema.Draft202012Validator(schema).validate(document)
            checked += 1
    assert checked == 12


def _blue(**more: Any) -> dict[str, Any]:
    spec = {"title": "x", "dataSources": [{"filters": {"done": False}}], **more}
    return {"apiVersion": "blue/v1", "kind": "Report", "metadata": {"name": "x"}, "spec": spec}


def _export(**more: Any) -> dict[str, Any]:
    spec = {"pipeIds": [1], "columns": ["title"], **more}
    return {"apiVersion": "pipefy/v1", "kind": "Export", "metadata": {"name": "x"}, "spec": spec}


RIGHT = [
    _blue(),
    _blue(projectIds=None) | {"spec": {"title": "{{ values.x }}", "dataSources": "{{ values.sources }}"}},
    _blue(dataSources=[{"projectIds": ["{{ values.x }}"]}, {"projectIds": None}, {"projectIds": []}]),
    _blue() | {"lifecycle": {"protect": True, "onRemove": "detach"}},
    _blue() | {"metadata": {"name": "x-{{ each.key }}"}, "forEach": {"a": 1}},
    _export(),
    _export(pipeIds=["{{ values.pipes.sales }}", 2, "3"]),
    _export(columns=["{{ values.column }}", "title"]),
    _export(filter={"operator": "and", "queries": [{"field": "a", "operator": "eq", "value": "{{ values.x }}"}]}),
    _export(schedule="0 6 * * 1"),
    _export(schedule={"cron": "0 6 * * 1", "timezone": "Europe/Berlin"}, runOnCreate=True),
    _export(report={"ref": "pipefy/report/x"}),
]
WRONG_ONES = [
    _blue(nope=1),
    _blue(title=3),
    _blue(title=None),
    _blue(description="x" * 10_001),
    _blue(dataSources=[{}] * 51),
    _blue(dataSources=[{"nope": 1}]),
    _blue(dataSources=[{"projectIds": [1, {}]}]),
    _blue(reportUsers=[{"userId": "a", "role": "OWNER"}]),
    _blue() | {"metadata": {}},
    _blue() | {"metadata": {"name": "No Spaces"}},
    _blue() | {"lifecycle": {"onRemove": "keep"}},
    _blue() | {"extra": 1},
    _blue() | {"apiVersion": "blue/v2"},
    _blue() | {"kind": "Export"},
    _export(filter={"operator": "xor"}),
    _export(filter={"operator": "and", "queries": [{"field": "a", "operator": "like", "value": 1}]}),
    _export(sortBy={"field": "a", "direction": "up"}),
    _export(schedule=5),
    _export(schedule={"timezone": "UTC"}),
    _export(columns=[1]),
    _export(report={"ref": 1}),
]


def test_the_schemas_tell_right_from_wrong(cli: Any) -> None:
    schema = jsonschema.Draft202012Validator(_schemas(cli)["manifest"])
    for document in RIGHT:
        assert [error.message for error in schema.iter_errors(document)] == [], document
    assert [document for document in WRONG_ONES if schema.is_valid(document)] == []


def test_schemas_are_printed_or_written(cli: Any) -> None:
    printed = cli("schema").json
    assert printed == _schemas(cli)
    names = cli("schema", "--format", "text").out.split()
    assert set(names) == printed.keys()
    files = cli("schema", "--out", "deep/er").json
    assert all((cli.folder / file).is_file() for file in files)
    assert cli("schema", "--out", "deep/er", "--format", "text").out.split() == files
    assert cli("schema", "manifest").json == printed["manifest"]
    assert cli("schema", "project", "--out", "one").json == ["one/project.schema.json"]
    assert cli("schema", "blue").code == 64
    cli.write("file", "")
    assert cli("schema", "--out", "file").code == 64
    assert cli("schema", "--out", "file/under").code == 1
