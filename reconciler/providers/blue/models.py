"""What a Blue report manifest may say, field by field.

Field names and meanings are those of the pages 'Create a Report' and 'Manage Report Access'.
The limits stand here for editors; `report` checks them, with better sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from reconciler.providers.blue.filters import GROUP_KEYS, JOINS, KEYS, OPERATORS
from reconciler.providers.blue.names import EMAIL
from reconciler.providers.schemas import NOT_BLANK, Text, excludes, possible

# Declared under the service's own names: `project_ids` is written projectIds.
_STRICT = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


Email = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": EMAIL,
            "patternErrorMessage": "This is not one e-mail address.",
        }
    ),
]


class Workspace(BaseModel):
    """Names a workspace, by exactly one of its slug and its name."""

    model_config = {
        **_STRICT,
        "json_schema_extra": {
            "allOf": [excludes("slug", "name")],
            "anyOf": [possible("slug"), possible("name")],
        },
    }

    slug: Text | None = Field(None, description="Slug of an active workspace, unique.", examples=["sales-emea"])
    name: Text | None = Field(
        None, description="Exact name of an active workspace; an error when several have it.", examples=["Sales EMEA"]
    )


def _by_sort(names: Iterable[str]) -> str:
    """Keys of a filter, a paragraph for each sort of value that they take."""
    sorts: dict[str, list[str]] = {}
    for name in names:
        sorts.setdefault((KEYS | GROUP_KEYS)[name].what, []).append(name)
    return "\n\n".join(f"{sort.capitalize()}: {', '.join(keys)}." for sort, keys in sorts.items())


_OPERATED = {"op": JOINS, "groupLinks": ("a list of AND", "OR"), "recordNameOp": OPERATORS}
_KEYS = "\n\n".join(
    (
        _by_sort(name for name in KEYS if name not in _OPERATED),
        *(f"{name}: {', '.join(words)}." for name, words in _OPERATED.items()),
        f"Only inside groups, beside which nothing else counts: {', '.join(k for k in GROUP_KEYS if k not in KEYS)}.",
    )
)


class DataSource(BaseModel):
    """A set of workspaces and a filter on their records."""

    model_config = {**_STRICT, "json_schema_extra": {"examples": [{"projectIds": ["cmws000000000000salesemea"]}]}}

    name: str | None = Field(None, description="Label of the data source.", examples=["EMEA"])
    source_type: Literal["TODOS"] | None = Field(
        None, description="What is aggregated; TODOS (records) is the default and the only value.", examples=["TODOS"]
    )
    project_ids: list[Text] | None = Field(
        None,
        description="Ids (not slugs) of the workspaces. Without any here or in projects: every workspace the creator "
        "of the report can reach; null and [] mean the same.",
        examples=[["cmws000000000000salesemea"]],
    )
    projects: list[Workspace] | None = Field(
        None,
        description="Workspaces by slug or name, beside those in projectIds; looked up when applied.",
        examples=[[{"slug": "sales-emea"}]],
    )
    filters: dict[str, Any] | None = Field(
        None,
        description=f"Filter on the records; omitted means all records.\n\n{_KEYS}",
        examples=[{"done": False, "excludeArchivedProjects": True}],
    )
    order: int | None = Field(None, description="Sort position; the default is the position in the list.", examples=[0])


class ReportUser(BaseModel):
    """A person the report is shared with, by exactly one of userId and email."""

    model_config = {
        **_STRICT,
        "json_schema_extra": {
            "allOf": [excludes("userId", "email")],
            "anyOf": [possible("userId"), possible("email")],
        },
    }

    user_id: Text | None = Field(
        None, description="Id of a member of the organization.", examples=["cmuser000000000000000sana"]
    )
    email: Email | None = Field(
        None,
        description="E-mail address of a member, in any case; looked up when applied. Only owners and admins are "
        "shown all addresses.",
        examples=["sana@acme.example"],
    )
    role: Literal["EDITOR", "VIEWER"] = Field(
        description="EDITOR may view and update, VIEWER may view.", examples=["VIEWER"]
    )


class Report(BaseModel):
    """A saved report over the records of one or more workspaces."""

    model_config = ConfigDict(
        **_STRICT, json_schema_extra={"documentation": "Blue: 'Create a Report', 'Manage Report Access'"}
    )

    title: str = Field(
        description="Display name; must not be blank.", examples=["Open deals"], json_schema_extra=NOT_BLANK
    )
    description: str | None = Field(
        None,
        description="Free text, at most 10,000 characters (UTF-16 code units). Omitted, null and an empty text all "
        "mean none.",
        examples=["Owned by revenue operations."],
        json_schema_extra={"maxLength": 10_000},
    )
    data_sources: list[DataSource] = Field(
        description="What the report draws from, at most 50; an empty list aggregates nothing.",
        examples=[[{"name": "EMEA", "projectIds": ["cmws000000000000salesemea"], "filters": {"done": False}}]],
        json_schema_extra={"maxItems": 50},
    )
    config: dict[str, Any] | None = Field(
        None,
        description="Display settings of the application, at most 102,400 bytes as JSON, replaced as a whole. "
        "Omitted: left as they are; {}: none. Only the keys given here are compared with the live report.",
        examples=[{"layout": "board", "groupBy": "assignee"}],
    )
    report_users: list[ReportUser] | None = Field(
        None,
        description="Everybody the report is shared with; people left out lose access. Omitted: left as it is; "
        "[]: nobody.",
        examples=[[{"userId": "cmuser000000000000000sana", "role": "VIEWER"}]],
    )
