"""`reconciler schema`."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import common, formats, option, settings, write_lines


@click.command("schema")
@common
@formats("json", "text")
@option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write one file per kind into this folder.",
)
def command(format_: str, out: Path | None) -> None:
    """JSON Schemas of every kind, for editors; as text, their names."""
    import json

    from reconciler.app import schema
    from reconciler.app.wiring import Wiring

    schemas = schema.schemas(Wiring(settings()))
    if out is not None:
        write_lines([file.as_posix() for file in schema.write(schemas, out)], format_)
    elif format_ == "json":
        click.echo(json.dumps(schemas, indent=2, ensure_ascii=False))
    else:
        write_lines(list(schemas), format_)
