"""The GraphQL documents sent to Blue.

Types and argument names are those of the pages 'Create a Report', 'Manage Report Access', 'Duplicate &
Delete a Report', 'Query Reports', 'Query an Organization', 'List Workspaces' and 'List Users'.
"""

from __future__ import annotations

from typing import Final

_REPORT: Final = """{
    id
    title
    description
    config
    createdAt
    updatedAt
    dataSources { name sourceType projectIds filters order }
    reportUsers { user { id } role }
  }"""

COMPANY: Final = """query Company($id: String) {
  company(id: $id) { id slug }
}"""

WORKSPACES: Final = """query Workspaces($filter: ProjectListFilter!, $skip: Int, $take: Int) {
  projectList(filter: $filter, sort: [id_ASC], skip: $skip, take: $take) {
    items { id slug name }
    pageInfo { hasNextPage }
  }
}"""

PEOPLE: Final = """query People($id: String!, $skip: Int) {
  companyUserList(companyId: $id, skip: $skip) {
    users { id email fullName }
    pageInfo { hasNextPage }
  }
}"""

REPORT: Final = f"""query Report($id: String!) {{
  report(id: $id) {_REPORT}
}}"""

REPORTS: Final = f"""query Reports($filter: ReportFilter!, $skip: Int, $take: Int) {{
  reports(filter: $filter, skip: $skip, take: $take) {{
    items {_REPORT}
    totalCount
    hasNextPage
  }}
}}"""

CREATE: Final = f"""mutation CreateReport($input: CreateReportInput!) {{
  createReport(input: $input) {_REPORT}
}}"""

UPDATE: Final = f"""mutation UpdateReport($id: String!, $input: UpdateReportInput!) {{
  updateReport(id: $id, input: $input) {_REPORT}
}}"""

DELETE: Final = """mutation DeleteReport($id: String!) {
  deleteReport(id: $id)
}"""
