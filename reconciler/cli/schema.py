"""`reconciler schema`."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import common, formats, option, settings, write_lines


@click.command("schema")
@common
@formats("json", "text")
@click.argument("name", required=False)
@option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write one file per kind into this folder.",
)
def command(name: str | None, format_: str, out: Path | None) -> None:
    """JSON Schemas of every kind, or of NAME alone, for editors; as text, their names.

    NAME is for example blue.report.v1, or `manifest` for all kinds, `project` or `environment`.
    """
    import json

    from reconciler.app.schema import files
    from reconciler.app.wiring import Wiring

    schemas = files.schemas(Wiring(settings()))
    if name is not None:
        if name not in schemas:
            raise click.UsageError(f"there is no schema {name!r}; there are {', '.join(schemas)}")
        schemas = {name: schemas[name]}
    if out is not None:
        write_lines([file.as_posix() for file in files.write(schemas, out)], format_)
    elif format_ == "json":
        shown = schemas if name is None else schemas[name]
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        write_lines(list(schemas), format_)
