"""The group `state`, and what stands below it."""

from __future__ import annotations

import click

from reconciler.cli.options import common, format_before
from reconciler.cli.state import reading, settle


@click.group("state")
@common
@format_before
def command() -> None:
    """Look at the recorded state, and settle what is in doubt."""


for below in (reading.list_, reading.show, settle.settle):
    command.add_command(below)
