"""What a Blue report manifest may say, field by field.

Field names and meanings are those of the pages 'Create a Report' and 'Manage Report Access'.
The limits stand here for editors; `report` checks them, with better sentences.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

# Declared under the service's own names: `project_ids` is written projectIds.
_STRICT = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


class DataSource(BaseModel):
    """A set of workspaces and a filter on their records."""

    model_config = _STRICT

    name: str | None = Field(None, description="Label of the data source.")
    source_type: Literal["TODOS"] | None = Field(
        None, description="What is aggregated; TODOS (records) is the default and the only value."
    )
    project_ids: list[str] | None = Field(
        None,
        description="Ids (not slugs) of the workspaces. Omitted, null and [] all mean every workspace the creator "
        "of the report can reach.",
    )
    filters: dict[str, Any] | None = Field(
        None, description="Filter on the records, with the keys of the records filter; omitted means all records."
    )
    order: int | None = Field(None, description="Sort position; the default is the position in the list.")


class ReportUser(BaseModel):
    """A person the report is shared with."""

    model_config = _STRICT

    user_id: str = Field(description="Id of a member of the organization.")
    role: Literal["EDITOR", "VIEWER"] = Field(description="EDITOR may view and update, VIEWER may view.")


class Report(BaseModel):
    """A saved report over the records of one or more workspaces."""

    model_config = _STRICT

    title: str = Field(description="Display name; must not be blank.", json_schema_extra={"minLength": 1})
    description: str | None = Field(
        None,
        description="Free text, at most 10,000 characters (UTF-16 code units). Omitted, null and an empty text all "
        "mean none.",
        json_schema_extra={"maxLength": 10_000},
    )
    data_sources: list[DataSource] = Field(
        description="What the report draws from, at most 50; an empty list aggregates nothing.",
        json_schema_extra={"maxItems": 50},
    )
    config: dict[str, Any] | None = Field(
        None,
        description="Display settings of the application, at most 102,400 bytes as JSON, replaced as a whole. "
        "Omitted: left as they are; {}: none. Only the keys given here are compared with the live report.",
    )
    report_users: list[ReportUser] | None = Field(
        None,
        description="Everybody the report is shared with; people left out lose access. Omitted: left as it is; "
        "[]: nobody.",
    )
