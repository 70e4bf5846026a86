"""`state list` and `state show`."""

from __future__ import annotations

import click

from reconciler.cli.options import common, formats, note, settings
from reconciler.cli.show import show_doubts


@click.command("list")
@common
@formats("text", "json")
def list_(format_: str) -> None:
    """List every recorded resource and export."""
    from reconciler.app.state import reading
    from reconciler.app.state.resolving import open_doubts
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    wiring = Wiring(settings(), note)
    known = reading.recorded(wiring, note)
    click.echo(renderer("state", format_)(known), nl=False)
    if format_ == "text":
        show_doubts(open_doubts(known, wiring.settings, {}), err=False)


@click.command("show")
@common
@formats("text", "json")
@click.argument("address")
def show(address: str, format_: str) -> None:
    """Show everything that is recorded of one resource."""
    from reconciler.app.state import reading
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    click.echo(renderer("resource", format_)(reading.resource(Wiring(settings(), note), address, note=note)), nl=False)
