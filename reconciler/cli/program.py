"""The program: its commands, and how every failure becomes a message and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import click

from reconciler import __version__
from reconciler.cli import apply, completion, explain, fmt, history, init, plan, sandbox, schema, show, validate
from reconciler.cli.options import common, format_before, print_error
from reconciler.cli.state import group as state
from reconciler.cli.streams import patient_streams
from reconciler.model.errors import InvalidManifests, ReconcilerError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 bug or broken disk, 2 changes (where asked for), 3 manifests wrong, "
    "4 credentials, 5 state, 6 saved plan refused, 7 failed or in doubt, 8 safety rail, 64 usage, 130 interrupted. "
    "A variable RECONCILER_<OPTION> in the environment stands for any option, for example RECONCILER_DIR.",
)
@click.version_option(__version__, prog_name="reconciler")
@common
@format_before
def program() -> None:
    """Blue reports and Pipefy report exports as code: declare, plan, apply."""


for command in (init, validate, plan, apply, show, history, state, explain, fmt, schema, sandbox, completion):
    program.add_command(command.command)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code.  Never raises for what a user can fix."""
    with patient_streams() as out:
        code = _run(arguments)
        out.flush()
        if out.trouble is not None:
            print_error(f"the output could not be written: {out.trouble.strerror}", "what was done is recorded")
    return code if out.trouble is None else code or 1


def _run(arguments: Sequence[str]) -> int:
    try:
        # not `main`, which ends the process itself when a pipe is closed
        with program.make_context("reconciler", list(arguments)) as ctx:
            return int(program.invoke(ctx) or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence: a bug must be told as one
        return _report(error)


def _report(error: BaseException) -> int:
    """Say what went wrong, and return its exit code."""
    match error:
        case InvalidManifests():
            _print_diagnostics(error)
        case ReconcilerError():
            print_error(error.message, error.hint)
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            print_error("interrupted; everything done is recorded")
            return 130
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return 64
        case click.ClickException():
            where = getattr(error, "ctx", None)
            print_error(error.format_message(), f"see {where.command_path} --help" if where else "")
            return 64
        case _:
            traceback.print_exception(error, file=sys.stderr)
            print_error("this is a defect of reconciler, not of your manifests; everything done is recorded")
    return error.exit_code if isinstance(error, ReconcilerError) else 1


def _print_diagnostics(error: InvalidManifests) -> None:
    from reconciler.render import renderer

    click.echo(renderer("diagnostics", "text")(error.diagnostics), err=True, nl=False)
