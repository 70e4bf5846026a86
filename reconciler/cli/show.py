"""`reconciler show`, and how plans are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import common, formats, given, note, settings

if TYPE_CHECKING:
    from reconciler.model.plan import Plan
    from reconciler.model.values import JSONObject


def write_plan(plan: Plan, warnings: Sequence[str], format_: str, *, color: bool) -> None:
    """Write a plan to stdout in a format."""
    from reconciler.planning.codec import to_json
    from reconciler.render import renderer

    if format_ == "json":
        shown = renderer("plan", "json")(to_json(plan))
    else:
        shown = renderer("plan", format_)(plan, warnings=warnings, **({"color": color} if format_ == "text" else {}))
    click.echo(shown, nl=False)


def show_doubts(doubts: Sequence[JSONObject], *, err: bool = True) -> None:
    """Write what is in doubt, and how a person resolves it."""
    from reconciler.render import renderer

    if doubts and not (err and given("quiet")):
        click.echo(renderer("doubts", "text")(doubts), nl=False, err=err)


@click.command("show")
@common
@formats("text", "json")
@click.argument("address")
def command(address: str, format_: str) -> None:
    """Show one resource: what is declared and what is recorded."""
    from reconciler.app.state import reading
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    found = reading.resource(Wiring(settings(), note), address, declared=True, note=note)
    click.echo(renderer("resource", format_)(found), nl=False)
