"""A filter written as an expression: the rows it gives, the plan it makes, the place of what is wrong in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openpyxl
from running import Program

EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {{name: cards}}
spec:
  columns: [title, status, priority, amount, due_date]
  filter: {}
"""
EXPRESSION = """>-
    status in (in_progress, review) and (priority = high or amount:number >= 50000)
    and due_date not exists"""
DOCUMENTED: dict[str, Any] = {
    "operator": "and",
    "queries": [{"field": "due_date", "operator": "not_exists"}],
    "groups": [
        {
            "operator": "or",
            "queries": [
                {"field": "status", "operator": "eq", "value": "in_progress"},
                {"field": "status", "operator": "eq", "value": "review"},
            ],
        },
        {
            "operator": "or",
            "queries": [
                {"field": "priority", "operator": "eq", "value": "high"},
                {"field": "amount", "operator": "gte", "value": "50000", "type": "number"},
            ],
        },
    ],
}


def rows(program: Program) -> list[tuple[Any, ...]]:
    file = max((program.folder / "exports").iterdir(), key=lambda each: each.stat().st_mtime_ns)
    return list(openpyxl.load_workbook(file).active.iter_rows(min_row=2, values_only=True))


def passes(row: tuple[Any, ...]) -> bool:
    _, status, priority, amount, due = row
    wanted = priority == "high" or (amount is not None and float(amount) >= 50_000)
    return status in ("in_progress", "review") and wanted and due is None


def test_the_rows_of_an_export_are_those_that_its_expression_lets_through(project: Callable[[str], Program]) -> None:
    program = project(EXPORT.format("null"))
    assert program("apply", "--sandbox", "--yes").code == 0
    expected = [row for row in rows(program) if passes(row)]
    assert len(expected) > 3
    program.write("manifests/all.yaml", EXPORT.format(EXPRESSION))
    assert program("apply", "--sandbox", "--yes").code == 0
    assert sorted(map(str, rows(program))) == sorted(map(str, expected))


def test_a_plan_shows_the_documented_form_and_takes_both_for_the_same(project: Callable[[str], Program]) -> None:
    program = project(EXPORT.format(EXPRESSION))
    plan = program("plan", "--sandbox", "--format", "json").json
    (step,) = plan["steps"]
    assert {change["path"]: change["after"] for change in step["changes"]}["filter"] == DOCUMENTED
    assert "not_exists" in program("plan", "--sandbox").out
    assert program("apply", "--sandbox", "--yes").code == 0
    program.write("manifests/all.yaml", EXPORT.format(DOCUMENTED))
    assert program("plan", "--sandbox", "--format", "json").json["steps"] == []


def test_what_is_wrong_in_an_expression_is_shown_where_it_stands(project: Callable[[str], Program]) -> None:
    program = project(EXPORT.format(EXPRESSION.replace("not exists", "not exsits") + " or a == b"))
    ran = program("validate")
    assert ran.code == 3
    assert "all.yaml:8:22: error[filter-expression]" in ran.out + ran.err
    assert "all.yaml:8:34: error[filter-expression]" in ran.out + ran.err
