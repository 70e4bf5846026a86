"""`state settle`."""

from __future__ import annotations

import click

from reconciler.cli.options import (
    SETTLE_DELAY,
    Seconds,
    common,
    formats,
    lock_timeout,
    note,
    option,
    settings,
    settle_delay_of,
)
from reconciler.cli.options import timeout as timeout_option
from reconciler.cli.show import show_doubts


@click.command("settle")
@common
@formats("text", "json")
@click.argument("address", required=False)
@option("--as", "verdict", metavar="ID|applied|absent", help="What you know to have happened.")
@timeout_option
@option("--settle-delay", type=Seconds(min=0), metavar="S", show_default="60, in the sandbox 0", help=SETTLE_DELAY)
@lock_timeout
def settle(format_: str, address: str | None, verdict: str | None, timeout: float, settle_delay: float | None) -> int:
    """Resolve what is in doubt: by looking, or for one ADDRESS by what you know.

    --as ID says that it happened and made the object (or export) with this id, --as applied that it
    happened, --as absent that it never did.  For an export in flight, applied gives up its file, and
    absent has it run again.  Shows the state then; exits with 7 while something is in doubt.
    """
    import asyncio

    from reconciler.app.state import reading, settling
    from reconciler.app.state.resolving import Candidates, open_doubts
    from reconciler.app.wiring import Wiring
    from reconciler.engine.options import Options
    from reconciler.render import renderer

    if (address is None) != (verdict is None):
        raise click.UsageError("ADDRESS and --as belong together; without both, everything is looked up")
    wiring = Wiring(settings(), note)
    candidates: Candidates = {}
    if address is not None and verdict is not None:
        asyncio.run(settling.decide(wiring, address, verdict, note=note))
    else:
        options = Options(settle_delay=settle_delay_of(settle_delay))
        candidates = asyncio.run(settling.look(wiring, options, timeout=timeout, note=note))
    known = reading.recorded(wiring)
    click.echo(renderer("state", format_)(known), nl=False)
    if format_ == "text":
        show_doubts(open_doubts(known, wiring.settings, candidates), err=False)
    return reading.exit_code(known)
