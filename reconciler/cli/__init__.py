"""The command line: options in, a renderer out, an exit code.

Belongs here: one module per command, the options they share, prompts, and turning errors into
messages and exit codes.
Does not belong here: decisions; those are use cases in `app`, imported when a command runs, so that
`--help` loads nothing but click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and end the process with the exit code of the contract."""
    try:
        import gc

        if instruction := os.environ.get("_RECONCILER_COMPLETE"):
            from reconciler.cli.completing import answer

            sys.exit(answer(instruction))

        from reconciler.cli.program import run

        # a plan of thousands makes many small objects that all live: looking for garbage among them takes longer
        gc.set_threshold(100_000, 20, 100)
        code = run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:  # before anything has begun, or while it is ending
        code = 130
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: what Python tidies up now is nobody's business
    sys.exit(code)
