"""`reconciler show`, and how plans are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.plan import Plan

from collections.abc import Sequence

import click

from reconciler.cli.options import common, formats, settings


def write_plan(plan: Plan, warnings: Sequence[str], format_: str, *, color: bool, err: bool = False) -> None:
    """Write a plan to stdout (or stderr) in a format."""
    from reconciler.planning.codec import to_json
    from reconciler.render import renderer

    if format_ == "json":
        shown = renderer("plan", "json")(to_json(plan))
    else:
        shown = renderer("plan", format_)(plan, warnings=warnings, **({"color": color} if format_ == "text" else {}))
    click.echo(shown, nl=False, err=err)


@click.command("show")
@common
@formats("text", "json")
@click.argument("address")
def command(address: str, format_: str) -> None:
    """Show one resource: what is declared and what is recorded."""
    from reconciler.app import state
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    found = state.resource(Wiring(settings()), address, declared=True)
    click.echo(renderer("resource", format_)(found), nl=False)
