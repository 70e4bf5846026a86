"""`reconciler validate`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import colored, common, formats, given, option, settings

if TYPE_CHECKING:
    from reconciler.app.wiring import Wiring
    from reconciler.loading.load import Loaded


@click.command("validate")
@common
@formats("text", "json", "sarif", "github")
@option("--expand", is_flag=True, help="Print the final manifests, with where they come from.")
def command(format_: str, expand: bool) -> int:
    """Check every manifest; show everything that is wrong at once.

    Needs no network, no credentials and no state.
    """
    from reconciler.app.wiring import Wiring

    if expand and format_ not in ("text", "json"):
        raise click.UsageError(f"--expand is written as text or json, not as {format_}.")
    wiring = Wiring(settings())
    loaded = wiring.load()
    if expand:
        _expand(wiring, loaded, format_)
    else:
        _diagnose(loaded, format_)
    return 0 if loaded.valid else 3


def _diagnose(loaded: Loaded, format_: str, *, err: bool = False) -> None:
    from reconciler.render import renderer

    color = {"color": colored(sys.stderr if err else sys.stdout)} if format_ == "text" else {}
    shown = renderer("diagnostics", format_)(loaded.diagnostics, resources=loaded.resources, **color)
    click.echo(shown, nl=False, err=err)


def _expand(wiring: Wiring, loaded: Loaded, format_: str) -> None:
    """Print the manifests; where they are wrong, only what is wrong.  As text, stdout has nothing but YAML."""
    from reconciler.app.expand import expand
    from reconciler.render import renderer

    text = format_ == "text"
    if loaded.desired is None or (text and not given("quiet")):
        _diagnose(loaded, format_, err=text)
    if loaded.desired is None:
        return
    manifests = expand(wiring, loaded.desired, loadable=text)
    about = {} if text else {"diagnostics": loaded.diagnostics, "resources": loaded.resources}
    click.echo(renderer("manifests", format_)(manifests, **about), nl=False)
