"""The files of a new project, as texts.

Ids are those of the sandbox's invented world, so that everything can be tried before anything is real.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from reconciler.app.schema import plain

SCHEMAS: Final = ".schemas"
WORKFLOW: Final = ".github/workflows/reconciler.yml"
IGNORED: Final = (".reconciler/", "exports/")
"""What git should not see: the state and the sandbox's data, and downloads."""

_PROJECT: Final = """\
# The project file: what these manifests are called, and whose they are.
apiVersion: reconciler/v1
kind: Project
metadata:
  name: @NAME@
spec:
  # Where the log is, which records what exists: for everybody in the remote of this repository, in a ref that no branch
  # and no clone holds, as the workflow has it.  Without this it is a file on this machine.
@STORES@  # state: git:origin
  providers:
    blue:
      organization: acme  # the sandbox's; replace it with yours, or set BLUE_ORG_ID
    pipefy:
      organization: 300123456  # the sandbox's; replace it with yours, or set PIPEFY_ORG_ID
  safety:
    maxDeletes: 5  # more deletes in one apply need --allow-deletes
  lint:
    requiredLabels: [owner]  # every manifest says whose it is
"""

_ENVIRONMENT: Final = """\
# Values of the default environment; manifests use them as {{ values.… }}.
# Another environment is another file beside this one, chosen with --env.
apiVersion: reconciler/v1
kind: Environment
metadata:
  name: default
spec:
  values:
    # These ids are the sandbox's; replace them with those of your workspaces and pipes.
    regions:
      emea: {title: EMEA, workspace: cmws000000000000salesemea}
      apac: {title: APAC, workspace: cmws000000000000salesapac}
    pipes:
      sales: 301000001
"""

_BLUE: Final = """\
# One Blue report per region; `reconciler explain blue/report` says what else a report can have.
apiVersion: blue/v1
kind: Report
metadata:
  name: pipeline-{{ each.key }}  # the identity, never sent to Blue: another name is another report
  labels: {owner: revops}  # for people, and for --select owner=revops
forEach: "{{ values.regions }}"  # one report per entry, see environments/default.yaml
spec:
  title: "{{ each.value.title }} pipeline"
  description: Open records of the {{ each.value.title }} sales workspace.
  dataSources:
    - name: "{{ each.value.title }}"
      projectIds: ["{{ each.value.workspace }}"]  # without it: every workspace you can reach
      filters: {done: false}
"""

_PIPEFY_REPORT: Final = """\
# A saved Pipefy report, and an export of it that is due every Monday.
apiVersion: pipefy/v1
kind: Report
metadata:
  name: sales
  labels: {owner: revops}
spec:
  name: Sales pipeline
  pipeIds: ["{{ values.pipes.sales }}"]
  fields: [title, status, assignee, due_date]
  filter:
    operator: and
    queries:
      - {field: status, operator: not_eq, value: done}
"""

_PIPEFY_EXPORT: Final = """\
apiVersion: pipefy/v1
kind: Export
metadata:
  name: weekly-sales
  labels: {owner: revops}
spec:
  report: {ref: pipefy/report/sales}  # the report above, by its address: provider/kind/name
  sortBy: {field: due_date, direction: asc}
  schedule: {cron: "0 6 * * 1", timezone: Europe/Berlin}
  runOnCreate: true  # the first file at once, not only on Monday
  deadline: 45m  # how long its file is waited for
"""

_WORKFLOW: Final = """\
# Checks every pull request, and applies what was merged.
name: reconciler
on:
  pull_request:
  push:
  schedule:
    - cron: "17 * * * *" # exports that have become due are run
permissions:
  contents: read
env:
  # Where pip finds this program, for example git+https://HOST/OWNER/reconciler@TAG, the repository it is kept in:
  # a package of this name in a public registry may be somebody else's.
  RECONCILER_SOURCE: ${{ vars.RECONCILER_SOURCE }}
@DIR@jobs:
  check:
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    steps:
      - name: It is said where the program comes from
        run: >-
          test -n "$RECONCILER_SOURCE" || { echo "::error::set the repository variable RECONCILER_SOURCE to where pip
          finds this program, such as git+https://HOST/OWNER/reconciler@TAG"; exit 1; }
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install "reconciler @ $RECONCILER_SOURCE"
      - run: reconciler validate --format github
      # Offline and without credentials of the services: compared with what the log says that there is.
      - run: reconciler plan --format markdown >> "$GITHUB_STEP_SUMMARY"
        env:
          RECONCILER_STATE: ${{ vars.RECONCILER_STATE || 'git:origin' }}
  apply:
    if: >-
      github.event_name == 'schedule' ||
      (github.event_name == 'push' && github.ref_name == github.event.repository.default_branch)
    runs-on: ubuntu-latest
    permissions:
      contents: write # for the log, when it is kept in this repository
    concurrency:
      group: reconciler-apply
      cancel-in-progress: false
    env:
      BLUE_TOKEN_ID: ${{ secrets.BLUE_TOKEN_ID }}
      BLUE_TOKEN_SECRET: ${{ secrets.BLUE_TOKEN_SECRET }}
      PIPEFY_CLIENT_ID: ${{ secrets.PIPEFY_CLIENT_ID }}
      PIPEFY_CLIENT_SECRET: ${{ secrets.PIPEFY_CLIENT_SECRET }}
      # Where it is recorded what exists.  It must be one place that every run reaches and that outlives them all:
      # a run that does not find the record of the last one would create everything again.  The variable is for both
      # jobs; a URL with a password belongs into the secret, which pull requests do not get.
      RECONCILER_STATE: ${{ secrets.RECONCILER_STATE || vars.RECONCILER_STATE || 'git:origin' }}
    steps:
      - name: It is said where the program comes from
        run: >-
          test -n "$RECONCILER_SOURCE" || { echo "::error::set the repository variable RECONCILER_SOURCE to where pip
          finds this program, such as git+https://HOST/OWNER/reconciler@TAG"; exit 1; }
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install "reconciler @ $RECONCILER_SOURCE"
      - run: reconciler apply --yes --lock-timeout 600
      - name: The files of exports
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: exports
          path: exports/
          if-no-files-found: ignore
"""


def project(name: str, folder: str, schemas: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of a project called `name`, by paths with `/`; `folder` is where its manifests are, `schemas`
    are the files of the schemas."""
    manifests = PurePosixPath(folder)
    settings = "" if folder == "manifests" else f"  RECONCILER_DIR: {json.dumps(folder)}\n"
    workflow = _WORKFLOW.replace("@DIR@", settings)
    told = _PROJECT.replace("@NAME@", _scalar(name)).replace("@STORES@", _commented(plain.stores(), 2))
    export = _headed(manifests / "pipefy", "manifest", _PIPEFY_EXPORT)
    files = {
        manifests / "reconciler.yaml": _headed(manifests, "project", told),
        manifests / "environments/default.yaml": _headed(manifests / "environments", "environment", _ENVIRONMENT),
        manifests / "blue/pipeline.yaml": _headed(manifests / "blue", "manifest", _BLUE),
        manifests / "pipefy/sales.yaml": _headed(manifests / "pipefy", "manifest", _PIPEFY_REPORT) + "---\n" + export,
        PurePosixPath(WORKFLOW): workflow,
        **{PurePosixPath(SCHEMAS) / file: text for file, text in schemas.items()},
    }
    return {path.as_posix(): text for path, text in files.items()}


def _commented(text: str, margin: int) -> str:
    return "".join(f"{' ' * margin}# {line}\n" for line in textwrap.wrap(text, 110 - margin))


def _headed(place: PurePosixPath, schema: str, text: str) -> str:
    """A text below the comment that tells editors its schema, relative to the file's folder."""
    way = PurePosixPath(os.path.relpath(f"{SCHEMAS}/{schema}.schema.json", place)).as_posix()
    return f"# yaml-language-server: $schema={way}\n{text}"


def _scalar(name: str) -> str:
    """A name as YAML, in quotes where it would be a number or another word of YAML's own."""
    return name if name[0].isalpha() and name not in ("true", "false", "null") else json.dumps(name)
