"""`reconciler history`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import colored, common, formats, given, note, option, settings

if TYPE_CHECKING:
    from reconciler.app.history.query import Query
    from reconciler.app.wiring import Wiring


@click.command("history")
@common
@formats("text", "json")
@option("--address", multiple=True, metavar="ADDR|GLOB", help="Only what concerns these.")
@option("--run", "runs", multiple=True, metavar="RUN", help="Only this run; how it begins is enough.")
@option("--since", metavar="T", help="Only runs that went on at T or later.")
@option("--until", metavar="T", help="Only runs that had begun at T.")
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N runs.")
@option("--reverse", is_flag=True, help="The oldest run first.")
@option("--as-of", metavar="T", help="Show the state as it was at T; one --address shows everything about that.")
@option(
    "--archive",
    "archives",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read what was archived into FILE before the log.",
)
def command(
    format_: str,
    address: tuple[str, ...],
    runs: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int | None,
    reverse: bool,
    as_of: str | None,
    archives: tuple[Path, ...],
) -> None:
    """Show who did what and when, from which commit, what changed, and what the service answered.

    The newest run comes first.  T is an instant (2026-11-23T06:00:00Z), a day in UTC (2026-11-23), or how long ago
    (90m, 2h, 7d).  -v also shows leases, and every change however many they are; json has all values in full.
    """
    from reconciler.app.history.query import Query, moment
    from reconciler.app.wiring import Wiring

    wiring = Wiring(settings(), note)
    now = wiring.clock.wall()
    query = Query(
        addresses=address,
        runs=runs,
        since=None if since is None else moment(since, now),
        until=None if until is None else moment(until, now, end=True),
        limit=limit,
        reverse=reverse,
    )
    if as_of is None:
        _history(wiring, query, archives, format_)
    elif query == Query(addresses=address[:1]):
        _past(wiring, moment(as_of, now, end=True), query, archives, format_)
    else:
        raise click.UsageError("--as-of goes with nothing but one --address, and --archive.")


def _history(wiring: Wiring, query: Query, archives: tuple[Path, ...], format_: str) -> None:
    from reconciler.app.history.tell import history
    from reconciler.render import renderer

    look = {"color": colored(sys.stdout), "everything": given("verbose") > 0} if format_ == "text" else {}
    with history(wiring, query, archives) as found:
        for piece in renderer("history", format_)(found.about, found.runs, **look):
            click.echo(piece, nl=False)


def _past(wiring: Wiring, moment: datetime, query: Query, archives: tuple[Path, ...], format_: str) -> None:
    from reconciler.app.history.past import as_of, resource
    from reconciler.render import renderer

    past = as_of(wiring, moment, archives)
    told = resource(past, query.addresses[0]) if query.addresses else None
    click.echo(renderer("past", format_)(past.recorded, past.about, told), nl=False)
