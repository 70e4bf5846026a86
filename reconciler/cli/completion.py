"""`reconciler completion`."""

from __future__ import annotations

import click

from reconciler.cli.options import common, formats

VARIABLE = "_RECONCILER_COMPLETE"
"""Set by the shells' scripts: what is asked for instead of running a command."""


class _Shell(click.Choice[str]):
    """A shell; a missing one is asked for in one line."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return f"Choose one of {', '.join(map(str, self.choices))}."


@click.command("completion")
@common
@formats("text", "json")
@click.argument("shell", type=_Shell(["bash", "zsh", "fish"]))
def command(shell: str, format_: str) -> None:
    """Print a script that teaches a shell to complete commands, options and names.

    For bash and zsh put `eval "$(reconciler completion bash)"` into the shell's start-up file, for fish
    `reconciler completion fish | source`.
    """
    import json

    from click.shell_completion import get_completion_class

    from reconciler.cli.program import program

    made = get_completion_class(shell)
    if made is not None:
        script = made(program, {}, "reconciler", VARIABLE).source()
        click.echo(json.dumps({"shell": shell, "script": script}) if format_ == "json" else script)
