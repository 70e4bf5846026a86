"""`reconciler validate`."""

from __future__ import annotations

import sys

import click

from reconciler.cli.options import colored, common, formats, settings


@click.command("validate")
@common
@formats("text", "json", "sarif", "github")
def command(format_: str) -> int:
    """Check every manifest; show everything that is wrong at once.

    Needs no network, no credentials and no state.
    """
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    loaded = Wiring(settings()).load()
    shown = renderer("diagnostics", format_)(
        loaded.diagnostics, resources=loaded.resources, **({"color": colored(sys.stdout)} if format_ == "text" else {})
    )
    click.echo(shown, nl=False)
    return 0 if loaded.desired is not None else 3
