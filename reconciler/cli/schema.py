"""`reconciler schema`."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import common, option, settings


@click.command("schema")
@common
@option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write one file per kind into this folder.")
def command(out: Path | None) -> None:
    """JSON Schemas of every kind, for editors."""
    import json

    from reconciler.app import schema
    from reconciler.app.wiring import Wiring

    schemas = schema.schemas(Wiring(settings()))
    if out is None:
        click.echo(json.dumps(schemas, indent=2, ensure_ascii=False))
        return
    for file in schema.write(schemas, out):
        click.echo(file.as_posix())
