"""`reconciler sandbox`: the embedded emulators of both services."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from reconciler.cli.options import common, format_before, formats, note, option, write_lines

_data = option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    show_default=".reconciler/sandbox.db",
    help="File that holds the emulators' memory.",
)


@click.group("sandbox")
@common
@format_before
def command() -> None:
    """Serve, break and reset the embedded emulators."""


@command.command("serve")
@common
@formats("text", "json")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=8585,
    show_default=True,
    help="0 takes any free port.",
)
@option("--host", default="127.0.0.1", metavar="ADDRESS", show_default=True, help="Address to listen on.")
@option("--switch", "switches", multiple=True, metavar="NAME=VALUE", help="Set a behaviour switch.")
@_data
def serve(format_: str, port: int, host: str, switches: tuple[str, ...], data: Path | None) -> None:
    """Serve both emulators over HTTP until interrupted.

    Prints one KEY=value line per variable that a client needs, then serves:
    Pipefy at /graphql and /oauth/token, Blue at /blue/graphql.
    """
    from reconciler.app import sandbox

    def announce(variables: Mapping[str, str]) -> None:
        if format_ == "json":
            click.echo(json.dumps(dict(variables)))
            return
        for name, value in variables.items():
            click.echo(f"{name}={shlex.quote(value)}")

    sandbox.serve(host=host, port=port, data=data, switches=switches, announce=announce)


@command.command("reset")
@common
@formats("text", "json")
def reset(format_: str) -> None:
    """Forget everything the sandbox was told: its data and its log."""
    from reconciler.app import sandbox

    removed = [file.as_posix() for file in sandbox.reset()]
    write_lines(removed, format_, "removed ")
    if not removed:
        note("there was nothing to forget")


@command.command("switches")
@common
@formats("text", "json")
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
@_data
def switches(format_: str, settings: tuple[str, ...], data: Path | None) -> None:
    """Set behaviour switches; list them all, with their values and what they settle."""
    from reconciler.app import sandbox

    write_lines(sandbox.switches(data, settings), format_)


@command.group("faults")
@common
@format_before
def faults() -> None:
    """Make the emulators fail on purpose.

    A fault is SERVICE:OPERATION:KIND[=ARGUMENT][@FIRST][*TIMES], for example
    blue:createReport:drop_after or pipefy:*:status=429;retry-after=1*3.
    """


@faults.command("add")
@common
@formats("text", "json")
@click.argument("fault")
@_data
def add(format_: str, fault: str, data: Path | None) -> None:
    """Arm a fault; shows what is armed then."""
    from reconciler.app import sandbox

    sandbox.add_fault(fault, data)
    write_lines(sandbox.list_faults(data), format_)


@faults.command("list")
@common
@formats("text", "json")
@_data
def list_(format_: str, data: Path | None) -> None:
    """List the faults that are still to come."""
    from reconciler.app import sandbox

    write_lines(sandbox.list_faults(data), format_)


@faults.command("clear")
@common
@formats("text", "json")
@_data
def clear(format_: str, data: Path | None) -> None:
    """Disarm every fault; shows what is armed then: nothing."""
    from reconciler.app import sandbox

    sandbox.clear_faults(data)
    write_lines(sandbox.list_faults(data), format_)
