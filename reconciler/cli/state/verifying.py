"""`state verify`."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import common, formats, note, option, settings


@click.command("verify")
@common
@formats("text", "json")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@option(
    "--archive",
    "archives",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check that the log goes on where this archive ends; may be said several times.",
)
def verify(format_: str, file: Path | None, archives: tuple[Path, ...]) -> None:
    """Check the log from its beginning to its end: every batch, what they fold to, and its checkpoint.

    With FILE: an exported log or an archive instead.  Exits with 5 for a log that is damaged, and says where; with 64
    for one that does not exist.
    """
    from reconciler.app.state import verifying
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    found, damage = verifying.verify(Wiring(settings(), note), file, archives)
    click.echo(renderer("verification", format_)(found), nl=False)
    if damage is not None:
        raise damage
