"""`reconciler apply`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import (
    SETTLE_DELAY,
    Seconds,
    colored,
    common,
    confirmed,
    formats,
    given,
    lock_timeout,
    note,
    option,
    settings,
    settle_delay_of,
)
from reconciler.cli.options import retarget as retarget_option
from reconciler.cli.options import select as select_option
from reconciler.cli.options import timeout as timeout_option
from reconciler.cli.show import show_doubts, write_plan
from reconciler.model.event import Emit, Event, EventType

if TYPE_CHECKING:
    from reconciler.model.plan import Plan


@click.command("apply")
@common
@formats("text", "json")
@click.argument("planfile", required=False, type=click.Path(dir_okay=False, path_type=Path))
@option("--yes", is_flag=True, help="Do not ask.")
@option(
    "--allow-deletes",
    type=click.IntRange(min=0),
    metavar="N",
    help="Let up to N deletes (or replacements of what is gone) through.",
)
@option("--accept-drift", is_flag=True, help="Do not mind what was changed outside; only --refresh undoes it.")
@option("--refresh", is_flag=True, help="Look at the live objects first, and put right what was changed outside.")
@option("--no-wait", is_flag=True, help="Leave started exports in flight for the next apply.")
@option(
    "--concurrency", type=click.IntRange(1, 200), metavar="N", default=10, show_default=True, help="Requests at a time."
)
@timeout_option
@option(
    "--poll-interval",
    type=Seconds(min=0.001),
    metavar="S",
    show_default="2, in the sandbox 0.1",
    help="Seconds until a running export is first asked about; later ones are further apart.",
)
@option(
    "--settle-delay",
    type=Seconds(min=0),
    metavar="S",
    show_default="60, in the sandbox 0",
    help=SETTLE_DELAY,
)
@lock_timeout
@select_option
@retarget_option
def command(
    format_: str,
    planfile: Path | None,
    yes: bool,
    allow_deletes: int | None,
    accept_drift: bool,
    refresh: bool,
    no_wait: bool,
    concurrency: int,
    timeout: float,
    poll_interval: float | None,
    settle_delay: float | None,
    select: tuple[str, ...],
    retarget: bool,
) -> int:
    """Make what is declared real: plan and ask, or perform exactly the plan saved in PLANFILE."""
    from reconciler.app.apply import Conversation, Orders, apply
    from reconciler.app.wiring import Wiring
    from reconciler.engine.options import Options

    if planfile is not None and (select or refresh or retarget):
        raise click.UsageError("a saved plan is performed as it is: no --select, --refresh or --retarget")
    chosen = settings()
    options = Options(
        concurrency=concurrency,
        wait=not no_wait,
        poll_interval=poll_interval if poll_interval is not None else (0.1 if chosen.sandbox else 2.0),
        settle_delay=settle_delay_of(settle_delay),
        accept_drift=accept_drift,
    )
    orders = Orders(
        options=options,
        saved=planfile,
        timeout=timeout,
        allow_deletes=allow_deletes,
        select=select,
        retarget=retarget,
        refresh=refresh,
    )
    with _reporter(format_) as emit:

        def show(plan: Plan, warnings: Sequence[str]) -> None:
            if format_ == "text" and not (yes and given("quiet")):
                write_plan(plan, warnings, "text", color=colored(sys.stdout))

        talk = Conversation(
            show=show, confirm=lambda: yes or confirmed("Perform this plan?"), emit=emit, note=note, doubts=show_doubts
        )
        return apply(Wiring(chosen, note), orders, talk)


@contextlib.contextmanager
def _reporter(format_: str) -> Iterator[Emit]:
    """What shows the events: JSON lines on stdout; or a live display on a terminal, else plain lines, on
    stderr, and the counts on stdout."""
    from reconciler.render import renderer

    if format_ == "json":
        write = renderer("events", "jsonl")
        yield lambda event: click.echo(write(event), nl=False)
        return
    last: dict[EventType, Event] = {}

    def keeping(emit: Emit) -> Emit:
        def emit_and_keep(event: Event) -> None:
            last[event.type] = event
            if event.type is EventType.STEP_SETTLED:  # a note has said so
                return
            # what never started needs no line that it finished: an error says why, or the plan that there is nothing
            if event.type is not EventType.RUN_FINISHED or EventType.RUN_STARTED in last:
                emit(event)

        return emit_and_keep

    try:
        if given("quiet"):
            yield keeping(lambda event: None)
        elif colored(sys.stderr) and sys.stderr.isatty():
            with renderer("events", "rich")() as live:
                yield keeping(live)
        else:
            line = renderer("events", "text")
            yield keeping(lambda event: click.echo(line(event), nl=False, err=True))
    finally:
        if EventType.RUN_STARTED in last and EventType.RUN_FINISHED in last:
            click.echo(renderer("events", "summary")(last[EventType.RUN_FINISHED]), nl=False)
