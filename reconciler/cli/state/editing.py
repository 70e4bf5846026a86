"""`state mv` and `state rm`."""

from __future__ import annotations

import click

from reconciler.cli.options import common, formats, lock_timeout, note, settings


@click.command("mv")
@common
@formats("text", "json")
@click.argument("source")
@click.argument("target")
@lock_timeout
def mv(format_: str, source: str, target: str) -> None:
    """Record what is known of SOURCE as TARGET.

    For a manifest that got another name: the object in the service stays as it is, and is not made a second time.
    Only the name can change.  Doubts and export runs come along.  Says what to rename in the manifests.
    """
    import asyncio

    from reconciler.app.state import editing
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    done = asyncio.run(editing.move(Wiring(settings(), note), source, target, note=note))
    click.echo(renderer("edit", format_)(done), nl=False)


@click.command("rm")
@common
@formats("text", "json")
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@lock_timeout
def rm(format_: str, addresses: tuple[str, ...]) -> None:
    """Forget what is recorded of each ADDRESS, and what is in doubt there: all of them, or none.

    Nothing is sent: objects stay in their service, with the ids that are shown.  What a manifest still declares is
    made a second time by the next apply.
    """
    import asyncio

    from reconciler.app.state import editing
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    done = asyncio.run(editing.remove(Wiring(settings(), note), addresses, note=note))
    click.echo(renderer("edit", format_)(done), nl=False)
