"""`state unlock`."""

from __future__ import annotations

import click

from reconciler.cli.options import common, confirmed, formats, note, option, settings


@click.command("unlock")
@common
@formats("text", "json")
@option("--yes", is_flag=True, help="Do not ask.")
def unlock(format_: str, yes: bool) -> None:
    """Take the state away from the run that holds it.

    Says whom that evicts, and asks.  The run stops before it sends anything more; what it had intended is then
    in doubt, and the next apply settles it.
    """
    import asyncio
    import json

    from reconciler.app.state import unlocking
    from reconciler.app.wiring import Wiring
    from reconciler.render.escape import plain

    def confirm(said: str) -> bool:
        if not yes:
            return confirmed(f"{said} Take it away?")
        note(said)
        return True

    lease = asyncio.run(unlocking.unlock(Wiring(settings(), note), confirm))
    if format_ == "json":
        click.echo(json.dumps({"format": "reconciler.unlock/1", "evicted": lease and unlocking.to_json(lease)}))
    elif lease is None:
        click.echo("Nobody holds the state.")
    else:
        click.echo(plain(f"Evicted {lease.holder.user} on {lease.holder.host}, run {lease.run}."))
        note("what it had intended and not recorded is in doubt: the next apply settles it")
