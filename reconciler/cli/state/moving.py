"""`state export`, `state archive` and `state migrate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.cli.options import common, formats, lock_timeout, note, option, settings

_FILE = click.Path(path_type=Path)


@click.command("export")
@common
@formats("text", "json")
@click.argument("file", type=_FILE)
@option("--force", is_flag=True, help="Replace FILE if it is there.")
def export(format_: str, file: Path, force: bool) -> None:
    """Write the whole log into FILE, or to stdout when FILE is -.

    Every batch is verified while it is written.  A log that is damaged ends with 5, and is exported up to there.
    `state verify FILE` checks such a file, `state migrate URL --from FILE` makes a log of it.
    """
    from reconciler.app.state import exporting
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    piped = str(file) == "-"
    write = (lambda line: sys.stdout.write(line.decode("ascii"))) if piped else None
    done, damage = exporting.export(Wiring(settings(), note), file, replace=force, write=write)
    click.echo(renderer("exported", format_)(done), nl=False, err=piped)
    if damage is not None:
        raise damage


@click.command("archive")
@common
@formats("text", "json")
@click.argument("file", type=_FILE)
@lock_timeout
def archive(format_: str, file: Path) -> None:
    """Put the log so far into FILE, and keep only the state that it made.

    The log gets short; what is recorded stays the same.  Nothing is dropped before FILE is on the disk and was read
    again.  When it was interrupted, do the same again.  `history --archive FILE` and `state verify --archive FILE` read
    it together with the log.
    """
    import asyncio

    from reconciler.app.state import exporting
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    done = asyncio.run(exporting.archive(Wiring(settings(), note), file, note=note))
    click.echo(renderer("archive", format_)(done), nl=False)


@click.command("migrate")
@common
@formats("text", "json")
@click.argument("url")
@option(
    "--from-log",
    "old",
    metavar="PROJECT/ENV",
    default="",
    help="Move the log of this name instead: of a project, or an environment, that was renamed.",
)
@option("--from", "file", type=_FILE, metavar="FILE", help="Make a log of what was exported to FILE.")
@lock_timeout
def migrate(format_: str, url: str, old: str, file: Path | None) -> None:
    """Move the log to another place, the state URL.

    Every batch is copied as it is and read again; then the old place gets a marker, and refuses to be written.  Let
    nobody use the new place before this has ended.  When it was interrupted, do the same again: it goes on where it
    stopped.  The place must be empty.
    """
    import asyncio

    from reconciler.app.state import moving
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    if file is not None and old:
        raise click.UsageError("--from and --from-log exclude each other")
    wiring = Wiring(settings(), note)
    if file is None:
        done = asyncio.run(moving.migrate(wiring, url, old=old, note=note))
    else:
        done = asyncio.run(moving.restore(wiring, url, file, note=note))
    click.echo(renderer("migration", format_)(done), nl=False)
