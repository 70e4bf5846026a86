"""`reconciler plan`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.options import colored, common, detail, formats, note, option, settings
from reconciler.cli.options import retarget as retarget_option
from reconciler.cli.options import select as select_option
from reconciler.cli.options import timeout as timeout_option
from reconciler.cli.show import write_plan

if TYPE_CHECKING:
    from reconciler.app.plan import Planned


@click.command("plan")
@common
@formats("text", "json", "markdown")
@option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also save the plan for `apply FILE`.",
)
@option("--refresh", is_flag=True, help="Also read the live objects and report drift.")
@option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes or drift, files to fetch, or doubts."
)
@option("--rollback-to", metavar="RUN", help="Plan from what this run left behind, instead of from the manifests.")
@select_option
@retarget_option
@timeout_option
def command(
    format_: str,
    out: Path | None,
    refresh: bool,
    detailed_exitcode: bool,
    rollback_to: str | None,
    select: tuple[str, ...],
    timeout: float,
    retarget: bool,
) -> int:
    """Show what apply would do; sends nothing.

    Offline, without credentials, unless --refresh asks for the live objects.  --rollback-to takes a run that `history`
    shows; the plan is performed like any other: --out FILE, then `apply FILE`.
    """
    import asyncio

    from reconciler.app import plan as use_case
    from reconciler.app.wiring import Wiring

    wiring = Wiring(settings(), note)
    make: Callable[..., Coroutine[Any, Any, Planned]] = use_case.plan
    if rollback_to is not None:
        from reconciler.app import rollback

        make = partial(rollback.plan, text=rollback_to)
    planned = asyncio.run(make(wiring, refresh=refresh, select=select, timeout=timeout, retarget=retarget))
    detail(f"state: {planned.recorded.position} batches, {len(planned.recorded.resources)} resources")
    if out is not None:
        use_case.save(wiring, planned.plan, out)
    write_plan(planned.plan, planned.warnings, format_, color=colored(sys.stdout))
    made = planned.plan
    changed = bool(made.steps or made.drift or made.pending or made.in_doubt)
    return 2 if detailed_exitcode and changed else 0
