"""`reconciler state`: the recorded state, for operators."""

from __future__ import annotations

import click

from reconciler.cli.options import common, formats, settings


@click.group("state")
def command() -> None:
    """Look at the recorded state."""


@command.command("list")
@common
@formats("text", "json")
def list_(format_: str) -> None:
    """List every recorded resource and export."""
    from reconciler.app import state
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    click.echo(renderer("state", format_)(state.recorded(Wiring(settings()))), nl=False)


@command.command("show")
@common
@formats("text", "json")
@click.argument("address")
def show(address: str, format_: str) -> None:
    """Show everything that is recorded of one resource."""
    from reconciler.app import state
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    click.echo(renderer("resource", format_)(state.resource(Wiring(settings()), address)), nl=False)
