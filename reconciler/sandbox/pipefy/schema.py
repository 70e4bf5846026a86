"""The schema with its resolvers: which function answers which field."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from ariadne import ObjectType, make_executable_schema
from graphql import GraphQLSchema

from reconciler.sandbox import exchange
from reconciler.sandbox.pipefy import exports, lookups, reports

_REPORT: Final[dict[str, Callable[..., Any]]] = {"color": reports.resolve_color, "filter": reports.resolve_filter}
_EXPORT: Final[dict[str, Callable[..., Any]]] = {
    "state": exports.resolve_state,
    "startedAt": exports.resolve_started_at,
    "finishedAt": exports.resolve_finished_at,
    "fileURL": exports.resolve_file_url,
    "requestedBy": exports.resolve_requested_by,
}
_RESOLVERS: Final[dict[str, dict[str, Callable[..., Any]]]] = {
    "Query": {
        "me": lookups.resolve_me,
        "organization": lookups.resolve_organization,
        "organizations": lookups.resolve_organizations,
        "pipe": lookups.resolve_pipe,
        "organizationReports": reports.resolve_organization_reports,
        "organizationReport": reports.resolve_organization_report,
        "organizationReportFilterableFields": lookups.resolve_filterable_fields,
        "organizationReportExport": exports.resolve_organization_export,
        "pipeReports": reports.resolve_pipe_reports,
        "pipeReportColumns": lookups.resolve_pipe_columns,
        "pipeReportFilterableFields": lookups.resolve_pipe_filterable_fields,
        "pipeReportExport": exports.resolve_pipe_export,
        "cardSearch": lookups.resolve_card_search,
    },
    "Mutation": {
        "createOrganizationReport": reports.resolve_create_organization,
        "updateOrganizationReport": reports.resolve_update_organization,
        "deleteOrganizationReport": reports.resolve_delete_organization,
        "exportOrganizationReport": exports.resolve_start_organization,
        "createPipeReport": reports.resolve_create_pipe,
        "updatePipeReport": reports.resolve_update_pipe,
        "deletePipeReport": reports.resolve_delete_pipe,
        "exportPipeReport": exports.resolve_start_pipe,
    },
    "OrganizationReport": {
        **_REPORT,
        "cardCount": reports.resolve_card_count,
        "repos": reports.resolve_repos,
    },
    "PipeReport": {
        **_REPORT,
        "cardCount": reports.resolve_pipe_card_count,
        "repo": reports.resolve_repo,
        "selectedFormulaFields": reports.resolve_formula_fields,
    },
    "OrganizationReportExport": {**_EXPORT, "report": exports.resolve_organization_export_report},
    "PipeReportExport": {**_EXPORT, "report": exports.resolve_pipe_export_report},
    "Organization": {
        "role": lookups.resolve_role,
        "membersCount": lookups.resolve_members_count,
        "pipesCount": lookups.resolve_pipes_count,
        "pipes": lookups.resolve_pipes,
    },
    "Pipe": {"reports": lookups.resolve_pipe_saved_reports},
    "User": {"organizations": lookups.resolve_user_organizations},
}


@cache
def executable() -> GraphQLSchema:
    """Return the schema with its resolvers; built once per process."""
    sdl = Path(__file__).with_name("schema.graphql").read_text(encoding="utf-8")
    bindables = []
    for name, resolvers in _RESOLVERS.items():
        bindable = ObjectType(name)
        for field, resolver in resolvers.items():
            bindable.set_field(field, _at_root(resolver) if name in ("Query", "Mutation") else _below(resolver))
        bindables.append(bindable)
    schema = make_executable_schema(sdl, *bindables)
    exchange.make_mutations_atomic(schema)
    return schema


def _at_root(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a resolver the context and the arguments (a mutation's: its input) as one object."""

    def resolve(_: Any, info: Any, **arguments: Any) -> Any:
        return resolver(info.context, arguments.get("input", arguments))

    return resolve


def _below(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a resolver the document and the context."""

    def resolve(doc: Any, info: Any, **arguments: Any) -> Any:
        return resolver(doc, info.context, **arguments)

    return resolve
