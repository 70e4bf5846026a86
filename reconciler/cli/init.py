"""`reconciler init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from reconciler.cli.options import common, formats, given, settings


@click.command("init")
@common
@formats("text", "json")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=".")
def command(folder: Path, format_: str) -> None:
    """Write a small project into DIR that validates, plans and, with --sandbox, applies at once.

    Never replaces a file: if one is there and says something else, nothing is written.
    """
    import json

    from reconciler.app.init import project
    from reconciler.app.wiring import Wiring
    from reconciler.render.escape import plain

    made = project.write(Wiring(settings()), folder)
    option = "" if given("dir") == "manifests" else f" --dir {shlex.quote(given('dir'))}"
    steps = [f"reconciler {command}{option}" for command in ("validate", "plan --sandbox", "apply --sandbox")]
    if folder.resolve() != Path.cwd():
        steps.insert(0, f"cd {shlex.quote(str(folder))}")
    if format_ == "json":
        click.echo(json.dumps({"written": made.written, "kept": made.kept, "next": steps}))
        return
    for word, names in (("wrote", made.written), ("kept", made.kept)):
        for name in names:
            click.echo(plain(f"{word} {(folder / name).as_posix()}"))
    click.echo("\nNext, without an account:")
    for step in steps:
        click.echo(plain(f"  {step}"))
    click.echo("Then replace the ids and organizations; `reconciler explain` tells what a manifest can say.")
