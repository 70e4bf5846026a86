"""The group `state`, and what stands below it."""

from __future__ import annotations

import click

from reconciler.cli.options import common, format_before
from reconciler.cli.state import editing, moving, reading, rescue, settle, unlock, verifying


@click.group("state")
@common
@format_before
def command() -> None:
    """Look at the recorded state, correct it, check it, and move it."""


for below in (
    *(reading.list_, reading.show, settle.settle, unlock.unlock, editing.mv, editing.rm),
    *(verifying.verify, moving.export, moving.archive, moving.migrate, rescue.import_rescue),
):
    command.add_command(below)
