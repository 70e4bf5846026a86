"""`state import-rescue`."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import common, formats, lock_timeout, note, settings


@click.command("import-rescue")
@common
@formats("text", "json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@lock_timeout
def import_rescue(format_: str, file: Path) -> None:
    """Record what a run had done and could not record, from the FILE that it wrote then.

    Only what is still open is told: what was settled, decided by a person or superseded meanwhile stays as it is.
    Doing it again changes nothing.
    """
    import asyncio
    import json

    from reconciler.app.state import rescue
    from reconciler.app.wiring import Wiring
    from reconciler.render.escape import plain

    made = asyncio.run(rescue.take(Wiring(settings(), note), file, note=note))
    if format_ == "json":
        click.echo(json.dumps(made.to_json()))
        return
    for said in made.skipped:
        click.echo(plain(f"Skipped: {said}."))
    click.echo(plain(f"Recorded {len(made.recorded)} of {made.total} entries of run {made.run}."))
