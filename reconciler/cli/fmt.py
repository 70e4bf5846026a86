"""`reconciler fmt`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import common, formats, note, option, settings, write_lines
from reconciler.model.errors import InvalidManifests

if TYPE_CHECKING:
    from reconciler.app.fmt import Report


@click.command("fmt")
@common
@formats("text", "json")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path, allow_dash=True))
@option("--check", is_flag=True, help="Write nothing; list what is not canonical and exit with 2.")
@option("--diff", is_flag=True, help="Write nothing; show what would change.")
@option("--upgrade", is_flag=True, help="Rewrite manifests of former versions as current ones.")
def command(files: tuple[Path, ...], format_: str, check: bool, diff: bool, upgrade: bool) -> int:
    """Give YAML files their canonical form; comments, anchors and meaning stay.

    Without FILE all files of the manifests folder; - reads stdin and writes stdout.  A file is left alone when its
    meaning could not be kept.  It needs valid YAML only, whatever else is wrong with the manifests.
    """
    from reconciler.app import fmt
    from reconciler.app.wiring import Wiring

    wiring = Wiring(settings())
    writes = not (check or diff)
    if Path("-") in files:
        if len(files) > 1 or (format_ == "json" and not check):
            raise click.UsageError("- stands alone, and writes text unless there is --check")
        text, report = fmt.format_text(wiring, _read_stdin(), diff=diff, upgrade=upgrade)
        if writes:
            _write_exactly(text)
    else:
        report = fmt.format_files(wiring, files, write=writes, diff=diff, upgrade=upgrade)
    if Path("-") not in files or not writes:
        _show(report, format_, diff=diff)
    for refused in report.refused:
        note(f"warning: {refused.file} is left as it is: {refused.reason}")
    if report.diagnostics:
        raise InvalidManifests(report.diagnostics)
    return 2 if check and report.changed else 0


def _show(report: Report, format_: str, *, diff: bool) -> None:
    if format_ == "json":
        _write_json(report, diff=diff)
    elif diff:
        click.echo(report.diff, nl=False)
    else:
        write_lines(report.changed, format_)


def _read_stdin() -> bytes:
    """All of stdin; its bytes where it has them, because it may be in any encoding."""
    stream = getattr(sys.stdin, "buffer", None)
    return bytes(stream.read()) if stream is not None else sys.stdin.read().encode()


def _write_exactly(text: str) -> None:
    """Write a text to stdout as a file would hold it."""
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr] # a stream of a test has none
    click.echo(text, nl=False)


def _write_json(report: Report, *, diff: bool) -> None:
    import json

    shown = {
        "format": "reconciler.fmt/1",
        "changed": report.changed,
        "unchanged": report.unchanged,
        "refused": [{"file": refused.file, "reason": refused.reason} for refused in report.refused],
    }
    click.echo(json.dumps(shown | ({"diff": report.diff} if diff else {}), indent=2, ensure_ascii=False))
