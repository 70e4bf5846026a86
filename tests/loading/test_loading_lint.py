"""What is permitted but seldom meant, to the column; and what projects and manifests make of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus import compare, read_corpus

import reconciler
from reconciler import providers
from reconciler.loading.linting.rules import registry
from reconciler.loading.load import Loaded, load
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.schedule import cron, year

CORPUS = Path(__file__).with_name("lint")
PROJECT = """apiVersion: reconciler/v1
kind: Project
metadata: {name: acme}
spec:
  lint: {requiredLabels: [owner]}
"""
ENVIRONMENT = """apiVersion: reconciler/v1
kind: Environment
metadata: {name: default}
spec: {values: {region: emea}}
"""
KINDS = providers.kinds(cron.check)
RULES = registry(KINDS)

EVERYTHING = """apiVersion: blue/v1
kind: Report
metadata: {name: a}
spec:
  title: Everything
  dataSources: [{name: All}]
"""
OFTEN = """apiVersion: pipefy/v1
kind: Export
metadata: {name: a}
spec:
  columns: [title]
  deadline: 1h
  schedule: "*/30 * * * *"
"""


ALL = read_corpus(CORPUS)


def loaded(workshop, text: str, project: str = PROJECT) -> Loaded:
    workshop.write({"reconciler.yaml": project, "environments/default.yaml": ENVIRONMENT, "case.yaml": text})
    return load(workshop.folder, "default", KINDS, calendar=year)


def told(found: Diagnostic) -> str:
    assert found.span is not None
    mark = "error " if found.severity is Severity.ERROR else ""
    hint = f" ({found.hint})" if found.hint else ""
    return f"{found.span.line}:{found.span.column} {mark}{found.code}: {found.message}{hint}\n"


@pytest.mark.parametrize("name", ALL)
def test_lint(workshop, name):
    text, _ = ALL[name]
    found = loaded(workshop, text).diagnostics
    said = "".join(map(told, found))
    lines = text.splitlines()
    for each in found:
        assert each.source.startswith(lines[each.span.line - 1])
        assert each.severity is Severity.ERROR or each.code in RULES
    compare(CORPUS, name, said)


def test_every_rule_is_broken_and_kept_somewhere():
    by_case = {name: set(re.findall(r"^\d+:\d+ (?:error )?([a-z-]+):", said, re.M)) for name, (_, said) in ALL.items()}
    broken = set().union(*by_case.values())
    elsewhere = {"override-unknown", "description-length"}  # about the command line; and below
    assert RULES.keys() - broken == elsewhere
    assert set() in by_case.values()


def project(lint: str, settings: str = "{}") -> str:
    head = PROJECT.partition("  lint:")[0]
    return f"{head}  lint: {lint}\n  providers: {settings}\n"


@pytest.mark.parametrize(
    ("word", "severity"), [("error", Severity.ERROR), ("warning", Severity.WARNING), ("off", None)]
)
@pytest.mark.parametrize("rule", ["implicit-every-workspace", "missing-label", "unused-ignore", "duplicate-title"])
def test_a_project_says_how_bad_it_is(workshop, rule, word, severity):
    twice = EVERYTHING + "---\n" + EVERYTHING.replace("name: a}", "name: b}\nlint: {ignore: {repeated-order: x}}")
    found = loaded(workshop, twice, project(f"{{rules: {{{rule}: {word}}}, requiredLabels: [owner]}}"))
    assert {each.severity for each in found.diagnostics if each.code == rule} == ({severity} if severity else set())


def test_a_rule_that_is_off_makes_no_opt_out_useless(workshop):
    text = EVERYTHING.replace("spec:", "lint: {ignore: {implicit-every-workspace: yes}}\nspec:")
    for off in ("implicit-every-workspace", "duplicate-title"):
        assert loaded(workshop, text, project(f"{{rules: {{{off}: off}}}}")).diagnostics == ()


def test_an_unknown_rule_in_the_project_file(workshop):
    (found,) = [
        each
        for each in loaded(workshop, EVERYTHING, project("{rules: {duplicate-titel: off}}")).diagnostics
        if each.severity is Severity.ERROR
    ]
    assert (found.span.file, found.span.line, found.span.column) == ("manifests/reconciler.yaml", 5, 18)
    assert found.hint == "did you mean duplicate-title?"


@pytest.mark.parametrize(("quota", "count"), [(10, 1), (47, 1), (48, 0), (50, 0)])
def test_the_projects_quota_wins(workshop, quota, count):
    found = loaded(workshop, OFTEN, project("{}", f"{{pipefy: {{quota: {quota}}}}}")).diagnostics
    assert len(found) == count
    assert all(
        each.message == f"the schedule fires up to 48 times in 24 hours; the project file gives a quota of {quota}"
        for each in found
    )


def test_warnings_stop_nothing_and_errors_do(workshop):
    assert loaded(workshop, EVERYTHING, project("{}")).desired is not None
    assert loaded(workshop, EVERYTHING, project("{rules: {implicit-every-workspace: error}}")).desired is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 10_000, []),
        ("é" * 5_000, []),
        ("é" * 5_000 + "x", ["warning description-length"]),
        ("😀" * 5_000, ["warning description-length"]),
        ("😀" * 5_001, ["error description-too-long"]),
    ],
)
def test_a_description_whose_length_is_a_matter_of_counting(workshop, text, said):
    report = EVERYTHING.replace("{name: All}", "{projectIds: [p]}") + f"  description: {text}\n"
    found = loaded(workshop, report, project("{}")).diagnostics
    assert [f"{each.severity} {each.code}" for each in found] == said


def test_files_know_of_each_other(workshop):
    workshop.write({"b.yaml": EVERYTHING.replace("name: a", "name: b")})
    found = loaded(workshop, EVERYTHING, project("{rules: {implicit-every-workspace: off}}")).diagnostics
    assert [each.message for each in found] == [
        "the title 'Everything' is also that of blue/report/b (manifests/b.yaml:3)"
    ]
    assert [(each.span.file, each.span.line, each.span.column) for each in found] == [("manifests/case.yaml", 5, 10)]


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:1]])
def test_rules_have_documentation(kinds):
    found = registry(kinds)
    assert list(found) == sorted(found)
    for name, rule in found.items():
        assert rule.id == name
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", name)
        assert 20 < len(rule.summary) < 100
        assert len(rule.why) > 80


def test_no_two_rules_share_an_id():
    rules = {id(rule): rule.id for kind in KINDS for rule in kind.rules}
    assert len(set(rules.values())) == len(rules)


def literals() -> Iterator[tuple[str, str, bool]]:
    """Every code that some source gives a violation: file, code, and whether as a warning."""
    root = Path(reconciler.__file__).parent
    for file in root.glob("*/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in ("warning", "Violation") or len(node.args) < 2:
                continue
            code = node.args[1]
            lint = node.func.id == "warning" or "Severity.WARNING" in ast.unparse(node)
            if isinstance(code, ast.Constant):
                yield file.relative_to(root).as_posix(), code.value, lint
            else:
                assert not lint or file.name == "values.py", f"{file}: {ast.unparse(node)}"


def test_every_warning_is_a_rule_and_no_error_is():
    found = list(literals())
    assert {code for _, code, lint in found if lint} - RULES.keys() == set()
    across = {
        f"loading/linting/{name}.py" for name in ("together", "schedules", "rules")
    }  # here the linter says how bad it is
    assert {code for file, code, lint in found if not lint and file not in across} & RULES.keys() == set()
