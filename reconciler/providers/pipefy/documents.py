"""The GraphQL documents sent to Pipefy.

Types and argument names are those of the pages 'Create / Update / Delete Organization Report', 'Get
Organization Report(s)', 'Organizations' and 'Export Organization Report'; the last two documents are that page's own.
"""

from __future__ import annotations

from typing import Final

_REPORT: Final = "{ id name color fields filter createdAt lastUpdatedAt repos { id } }"

REPORT: Final = f"""query OrganizationReport($id: ID!) {{
  organizationReport(id: $id) {_REPORT}
}}"""

REPORTS: Final = f"""query OrganizationReports($organizationId: ID!, $first: Int, $after: String) {{
  organizationReports(organizationId: $organizationId, first: $first, after: $after) {{
    edges {{ node {_REPORT} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""

PIPES: Final = """query Pipes($id: ID!) {
  organization(id: $id) { pipes { id name } }
}"""

CREATE: Final = f"""mutation CreateOrganizationReport($input: CreateOrganizationReportInput!) {{
  createOrganizationReport(input: $input) {{
    organizationReport {_REPORT}
  }}
}}"""

UPDATE: Final = f"""mutation UpdateOrganizationReport($input: UpdateOrganizationReportInput!) {{
  updateOrganizationReport(input: $input) {{
    organizationReport {_REPORT}
  }}
}}"""

DELETE: Final = """mutation DeleteOrganizationReport($input: DeleteOrganizationReportInput!) {
  deleteOrganizationReport(input: $input) { success }
}"""

EXPORT: Final = """mutation ExportOrganizationReport(
  $organizationId: Int!
  $pipeIds: [Int!]
  $columns: [String!]
  $filter: ReportCardsFilter
  $sortBy: ReportSortDirectionInput
  $organizationReportId: Int
) {
  exportOrganizationReport(
    input: {
      organizationId: $organizationId
      pipeIds: $pipeIds
      columns: $columns
      filter: $filter
      sortBy: $sortBy
      organizationReportId: $organizationReportId
    }
  ) {
    organizationReportExport {
      id
      state
      startedAt
      finishedAt
      fileURL
      requestedBy {
        id
        name
      }
    }
  }
}"""

EXPORT_STATUS: Final = """query OrganizationReportExport($id: ID!) {
  organizationReportExport(id: $id) {
    id
    state
    startedAt
    finishedAt
    fileURL
    requestedBy {
      id
      name
    }
    report {
      id
      name
    }
  }
}"""
