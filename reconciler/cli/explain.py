"""`reconciler explain`."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import click

from reconciler.cli.options import colored, common, formats, settings


@click.command("explain")
@common
@formats("text", "json")
@click.argument("topic", nargs=-1, metavar="[KIND[.FIELD]...|RULE]")
def command(topic: tuple[str, ...], format_: str) -> None:
    """Say what a kind, a field or a lint rule means, with an example.

    For example `blue/report`, `blue/report.dataSources.filters`, `filter`, `project.safety`, `environment`,
    `templates`, `lint` or the id of a rule; without anything, what there is to explain.  Needs no project.
    """
    from reconciler.app.explain import explain
    from reconciler.app.wiring import Wiring
    from reconciler.render import renderer

    told = explain(Wiring(settings()), " ".join(topic))
    shown: dict[str, Any] = {}
    if format_ == "text":
        shown = {"color": colored(sys.stdout), "width": shutil.get_terminal_size((100, 24)).columns}
    click.echo(renderer("explanation", format_)(told, **shown), nl=False)
