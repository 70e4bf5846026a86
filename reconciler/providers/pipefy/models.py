"""What Pipefy manifests may say, field by field.

Field names and meanings are those of the pages 'Create / Update Organization Report' and 'Export
Organization Report'; `report`, `schedule`, `runOnCreate`, `deadline` and `allowEmptyColumns` are our own.
The limits stand here for editors; `report`, `export` and `filters` check them, with better sentences.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from reconciler.model.values import NAME, JSONObject
from reconciler.providers.pipefy import deadline
from reconciler.providers.pipefy.filters import known_operator, known_shape
from reconciler.providers.pipefy.grammar import DEEPEST, EXAMPLES, LONGEST, SUMMARY, Operator, Type
from reconciler.providers.pipefy.pattern import EXPRESSION
from reconciler.providers.pipefy.report import LARGEST_ID, no_name, normal_id
from reconciler.providers.schemas import (
    CRON,
    NOT_BLANK,
    Text,
    excludes,
    needs,
    needs_entries,
    nested,
    number_texts,
    possible,
)

_REFERENCE: Final = "https://api-docs.pipefy.com/reference/mutations/overview/"

# Declared under the service's own names: `pipe_ids` is written pipeIds.
_STRICT = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


_NO_ID: Final[JSONObject] = {"patternErrorMessage": f"Ids are numbers from 1 to {LARGEST_ID}."}

Id = Annotated[
    int,
    BeforeValidator(normal_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
                {"type": "string", "pattern": number_texts(LARGEST_ID), "maxLength": 19, **_NO_ID},
            ]
        }
    ),
]


PipeId = Annotated[Id, BeforeValidator(no_name)]


_NESTED: Final[JSONObject] = {"type": "array", "contains": {"type": ["array", "object"]}}


class FilterQuery(BaseModel):
    """One condition on a field of the cards."""

    model_config = {
        **_STRICT,
        "json_schema_extra": {"examples": [{"field": "status", "operator": "eq", "value": "in_progress"}]},
    }

    field: Text = Field(description="Internal name of the field, not its label.", examples=["status"])
    operator: Annotated[Operator, BeforeValidator(known_operator)] = Field(description="Comparison.", examples=["eq"])
    value: Any = Field(
        None,
        description="A text, number, true or false; a list with contains.",
        examples=["in_progress"],
        json_schema_extra={"type": ["string", "number", "boolean", "null", "array"], "not": _NESTED},
    )
    type: Type | None = Field(None, description="Sort of the field.", examples=["select"])
    label: str | None = Field(None, description="Display label kept by the web application.", examples=["Status"])
    id: int | None = Field(None, description="Numbering kept by the web application.", examples=[1])


class Filter(BaseModel):
    """A group of conditions, joined by its operator; groups nest, at most 10 levels deep."""

    model_config = _STRICT

    operator: Literal["and", "or"] = Field(description="How the conditions and groups are joined.", examples=["and"])
    queries: list[FilterQuery] | None = Field(
        None, description="Conditions.", examples=[[{"field": "status", "operator": "eq", "value": "in_progress"}]]
    )
    groups: list[Filter] | None = Field(
        None,
        description="Nested groups.",
        examples=[[{"operator": "or", "queries": [{"field": "due_date", "operator": "exists"}]}]],
    )
    id: int | None = Field(None, description="Numbering kept by the web application.", examples=[1])
    last_id: int | None = Field(None, description="Numbering kept by the web application.", examples=[1])

    @model_validator(mode="before")
    @classmethod
    def _known_shape(cls, value: Any) -> Any:
        """Name the most common wrong shapes instead of complaining about unknown keys."""
        return known_shape(value)


FilterExpression = Annotated[
    str,
    Field(
        description="A short expression.",
        examples=list(EXAMPLES),
        json_schema_extra={
            "pattern": EXPRESSION,
            "patternErrorMessage": f"This is not a filter expression such as: {EXAMPLES[0]}",
            "maxLength": LONGEST,
        },
    ),
]


class SortBy(BaseModel):
    """Order of the rows."""

    model_config = _STRICT

    field: Text = Field(description="Internal name of the column to sort by.", examples=["due_date"])
    direction: Literal["asc", "desc"] | None = Field(
        None, description="Ascending or descending; which one without it is up to the service.", examples=["asc"]
    )


class ReportReference(BaseModel):
    """Names a report of these manifests."""

    model_config = _STRICT

    ref: str = Field(
        description="Address of the report, pipefy/report/<name>.",
        examples=["pipefy/report/sales"],
        json_schema_extra={"pattern": f"^pipefy/report/{NAME.pattern}$"},
    )


_CRON: Final[JSONObject] = {
    "pattern": CRON,
    "patternErrorMessage": "Write five cron fields: minute, hour, day of month, month, day of week.",
    "maxLength": 200,
}


class Schedule(BaseModel):
    """When an export is due."""

    model_config = _STRICT

    cron: str = Field(
        description="Five cron fields: minute, hour, day of month, month, day of week.",
        examples=["15 7 * * 1"],
        json_schema_extra=_CRON,
    )
    timezone: str | None = Field(None, description="IANA time zone; the default is UTC.", examples=["Europe/Berlin"])


def _mapping(value: object) -> object:
    """A schedule may be written as its cron expression alone."""
    if not isinstance(value, str | dict | Schedule):
        raise ValueError('write a cron expression in quotes, "0 6 * * 1", or a mapping of cron and timezone')
    return {"cron": value} if isinstance(value, str) else value


DeclaredSchedule = Annotated[
    Schedule,
    BeforeValidator(_mapping),
    WithJsonSchema({"anyOf": [{"type": "string", **_CRON}, Schedule.model_json_schema()]}),
]

Deadline = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": deadline.SHORTEST, "maximum": deadline.LONGEST},
                {"type": "string", "pattern": deadline.PATTERN, "maxLength": 7},
            ]
        }
    ),
]


class Pipe(BaseModel):
    """Names a pipe."""

    model_config = _STRICT

    name: Text = Field(description="Exact name of a pipe; an error when several have it.", examples=["Sales Pipeline"])


_FILTER: Final[JSONObject] = {
    "operator": "and",
    "queries": [{"field": "status", "operator": "not_eq", "value": "done"}],
}


# What reports and exports have in common.
OrganizationId = Annotated[
    Id | None,
    Field(description="Number of the organization; must agree with the project.", examples=[300123456]),
]
Pipes = Annotated[
    list[Pipe] | None,
    Field(
        description="Pipes by name, beside those in pipeIds; looked up when applied.",
        examples=[[{"name": "Sales Pipeline"}]],
        json_schema_extra={"minItems": 1},
    ),
]
CardFilter = Annotated[
    Filter | FilterExpression | None,
    Field(
        description=f"Which cards go in; omitted means all. In the documented form, or as {SUMMARY}",
        examples=[EXAMPLES[0], _FILTER],
        json_schema_extra={"allOf": [nested("groups", DEEPEST)]},
    ),
]


class Report(BaseModel):
    """A saved report over pipes of the organization."""

    model_config = ConfigDict(
        **_STRICT,
        json_schema_extra={
            "documentation": f"Pipefy: 'Create / Update Organization Report', {_REFERENCE}",
            "anyOf": [possible("pipeIds"), possible("pipes")],
        },
    )

    organization_id: OrganizationId = None
    name: str = Field(
        description="Display name; must not be blank.", examples=["Sales by stage"], json_schema_extra=NOT_BLANK
    )
    pipe_ids: list[PipeId] | None = Field(
        None,
        description="Numbers of the pipes, at least one here or in pipes.",
        examples=[[301000001]],
        json_schema_extra={"minItems": 1},
    )
    pipes: Pipes = None
    fields: list[Text] | None = Field(
        None,
        description="Internal names of the columns, in order. Omitted: left as they are.",
        examples=[["title", "status", "due_date"]],
    )
    filter: CardFilter = None
    color: Literal["red", "blue", "green"] | None = Field(
        None, description="Colour in the list of reports. Omitted: left as it is.", examples=["blue"]
    )


class Export(BaseModel):
    """An XLSX file of cards, made when its schedule says so, or once for each content it is given."""

    model_config = ConfigDict(
        **_STRICT,
        json_schema_extra={
            "documentation": f"Pipefy: 'Export Organization Report', {_REFERENCE}",
            "examples": [
                {"pipeIds": [301000001], "columns": ["title", "status"], "schedule": "15 7 * * 1", "deadline": "45m"}
            ],
            "allOf": [
                excludes("organizationReportId", "report"),
                needs("runOnCreate", "schedule"),
                needs_entries(
                    "columns", (possible("report"), possible("organizationReportId"), possible("allowEmptyColumns"))
                ),
            ],
        },
    )

    organization_id: OrganizationId = None
    pipe_ids: list[PipeId] | None = Field(
        None,
        description="Numbers of the pipes. Without any here or in pipes: every pipe that can be reached.",
        examples=[[301000001]],
        json_schema_extra={"minItems": 1},
    )
    pipes: Pipes = None
    columns: list[Text] | None = Field(
        None,
        description="Internal names of the columns, in order. Omitted with a report: all available columns; omitted "
        "without one: no columns at all, which is an error unless allowEmptyColumns is true.",
        examples=[["title", "status", "due_date"]],
    )
    filter: CardFilter = None
    sort_by: SortBy | None = Field(
        None,
        description="Order of the rows; omitted: up to the service.",
        examples=[{"field": "due_date", "direction": "asc"}],
    )
    organization_report_id: Id | None = Field(
        None, description="Number of the saved report to start from; not together with report.", examples=[400001]
    )
    report: ReportReference | None = Field(
        None,
        description="Report of these manifests to start from; not together with organizationReportId.",
        examples=[{"ref": "pipefy/report/sales"}],
    )
    schedule: DeclaredSchedule | None = Field(
        None,
        description="A cron expression, or one with a time zone. Omitted: due once for each content.",
        examples=[{"cron": "15 7 * * 1", "timezone": "Europe/Berlin"}],
    )
    run_on_create: bool | None = Field(
        None,
        description="Whether a new scheduled export is due at once instead of at its first occurrence.",
        examples=[True],
    )
    deadline: Deadline | None = Field(
        None,
        description="How long its file is waited for, from 60 seconds to 24 hours: 90s, 45m, 2h or a number of "
        "seconds. Omitted: half an hour.",
        examples=["45m"],
    )
    allow_empty_columns: bool | None = Field(
        None, description="Whether a file without any column is what is wanted.", examples=[True]
    )
