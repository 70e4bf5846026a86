"""What Pipefy manifests may say, field by field.

Field names and meanings are those of the pages 'Create / Update Organization Report' and 'Export
Organization Report'; `report`, `schedule`, `runOnCreate` and `allowEmptyColumns` are our own.
The limits stand here for editors; `report`, `export` and `filters` check them, with better sentences.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from reconciler.providers.pipefy.filters import PHASE_KEYS
from reconciler.providers.pipefy.report import normal_id

# Declared under the service's own names: `pipe_ids` is written pipeIds.
_STRICT = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


Id = Annotated[
    int,
    BeforeValidator(normal_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 2_147_483_647},
                {"type": "string", "pattern": "^[0-9]{1,10}$"},
            ]
        }
    ),
]


class FilterQuery(BaseModel):
    """One condition on a field of the cards."""

    model_config = _STRICT

    field: str = Field(description="Internal name of the field, not its label.")
    operator: Literal[
        "eq",
        "not_eq",
        "contains",
        "not_contains",
        "gt",
        "gte",
        "lt",
        "lte",
        "exists",
        "not_exists",
        "unknown",
        "period",
    ] = Field(description="Comparison.")
    value: Any = Field(None, description="A text, number, true or false; a list with contains.")
    type: Literal["email", "number", "string", "group_select", "select", "date", "boolean"] | None = Field(
        None, description="Sort of the field."
    )
    label: str | None = Field(None, description="Display label kept by the web application.")
    id: int | None = Field(None, description="Numbering kept by the web application.")


class Filter(BaseModel):
    """A group of conditions, joined by its operator; groups nest, at most 10 levels deep."""

    model_config = _STRICT

    operator: Literal["and", "or"] = Field(description="How the conditions and groups are joined.")
    queries: list[FilterQuery] | None = Field(None, description="Conditions.")
    groups: list[Filter] | None = Field(None, description="Nested groups.")
    id: int | None = Field(None, description="Numbering kept by the web application.")
    last_id: int | None = Field(None, description="Numbering kept by the web application.")

    @model_validator(mode="before")
    @classmethod
    def _no_phase_keys(cls, value: Any) -> Any:
        """Name the most common wrong shape instead of complaining about an unknown key."""
        if isinstance(value, dict) and (keys := PHASE_KEYS & value.keys()):
            raise PydanticCustomError(
                "filter_shape",
                "`{key}` is not a key of a filter; write queries: [{{field: current_phase, operator: eq, "
                "type: select, value: <phase id>}}]",
                {"key": min(keys)},
            )
        return value


class SortBy(BaseModel):
    """Order of the rows."""

    model_config = _STRICT

    field: str = Field(description="Internal name of the column to sort by.")
    direction: Literal["asc", "desc"] | None = Field(None, description="Ascending or descending.")


class ReportReference(BaseModel):
    """Names a report of these manifests."""

    model_config = _STRICT

    ref: str = Field(
        description="Address of the report, pipefy/report/<name>.",
        json_schema_extra={"pattern": "^pipefy/report/[a-z0-9]([a-z0-9._-]*[a-z0-9])?$"},
    )


class Schedule(BaseModel):
    """When an export is due."""

    model_config = _STRICT

    cron: str = Field(description="Five cron fields: minute, hour, day of month, month, day of week.")
    timezone: str | None = Field(None, description="IANA time zone; the default is UTC.")


def _mapping(value: object) -> object:
    """A schedule may be written as its cron expression alone."""
    return {"cron": value} if isinstance(value, str) else value


DeclaredSchedule = Annotated[
    Schedule,
    BeforeValidator(_mapping),
    WithJsonSchema({"anyOf": [{"type": "string"}, Schedule.model_json_schema()]}),
]


class Report(BaseModel):
    """A saved report over pipes of the organization."""

    model_config = _STRICT

    organization_id: Id | None = Field(None, description="Number of the organization; must agree with the project.")
    name: str = Field(description="Display name; must not be blank.", json_schema_extra={"minLength": 1})
    pipe_ids: list[Id] = Field(description="Numbers of the pipes, at least one.", json_schema_extra={"minItems": 1})
    fields: list[str] | None = Field(
        None, description="Internal names of the columns, in order. Omitted: left as they are."
    )
    filter: Filter | None = Field(None, description="Which cards go in; omitted means all.")
    color: Literal["red", "blue", "green"] | None = Field(
        None, description="Colour in the list of reports. Omitted: left as it is."
    )


class Export(BaseModel):
    """An XLSX file of cards, made when its schedule says so, or once for each content it is given."""

    model_config = _STRICT

    organization_id: Id | None = Field(None, description="Number of the organization; must agree with the project.")
    pipe_ids: list[Id] | None = Field(
        None,
        description="Numbers of the pipes; omitted means every pipe that can be reached.",
        json_schema_extra={"minItems": 1},
    )
    columns: list[str] | None = Field(
        None,
        description="Internal names of the columns, in order. Omitted with a report: all available columns; omitted "
        "without one: no columns at all, which is an error unless allowEmptyColumns is true.",
    )
    filter: Filter | None = Field(None, description="Which cards go in; omitted means all.")
    sort_by: SortBy | None = Field(None, description="Order of the rows.")
    organization_report_id: Id | None = Field(
        None, description="Number of the saved report to start from; not together with report."
    )
    report: ReportReference | None = Field(
        None, description="Report of these manifests to start from; not together with organizationReportId."
    )
    schedule: DeclaredSchedule | None = Field(
        None, description="A cron expression, or one with a time zone. Omitted: due once for each content."
    )
    run_on_create: bool | None = Field(
        None, description="Whether a new scheduled export is due at once instead of at its first occurrence."
    )
    allow_empty_columns: bool | None = Field(None, description="Whether a file without any column is what is wanted.")
