"""The options that commands share, and how settings come out of them."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.app.settings import Settings
from reconciler.model.errors import Usage

SETTLE_DELAY = "Seconds after a doubtful create until its absence is believed."

Command = TypeVar("Command", bound=Callable[..., Any])

_ROOT: ContextVar[click.Context] = ContextVar("root")  # for threads, which click does not tell


@dataclass(frozen=True, slots=True)
class _Given:
    value: Any
    source: ParameterSource | None


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a shared option, whether it stood before or after the command; the later one wins,
    and what was typed wins over the environment."""
    given = ctx.find_root().ensure_object(dict)
    name = str(param.name)
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE or name not in given:
        given[name] = _Given(value, source)
    if name == "color":
        ctx.color = {"always": True, "never": False}.get(given[name].value)


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """A click option that RECONCILER_<NAME> mirrors."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "RECONCILER_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


def _shared(*names: str, **settings: Any) -> Callable[[Command], Command]:
    return option(*names, callback=_remember, expose_value=False, is_eager=True, **settings)


_COMMON = (
    _shared("--dir", "dir", metavar="DIR", default="manifests", show_default=True, help="Folder with reconciler.yaml."),
    _shared("--env", "env", metavar="NAME", default="default", show_default=True, help="Environment to use."),
    _shared("--sandbox", is_flag=True, help="Use the embedded emulators: no account, no network."),
    _shared("--state", metavar="URL", default="", help="Where the log is, for example sqlite:PATH."),
    _shared("--set", "set_", metavar="KEY=VALUE", multiple=True, help="Set a value on top of the environment's file."),
    _shared("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour on a terminal."),
    _shared("-v", "--verbose", count=True, help="Say more on stderr."),
    _shared("-q", "--quiet", count=True, help="Say less on stderr."),
)


class Seconds(click.FloatRange):
    """A finite number of seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number of seconds.", param, ctx)
        return number


timeout = option(
    "--timeout", type=Seconds(min=0.001), metavar="S", default=30.0, show_default=True, help="Seconds for one request."
)

lock_timeout = _shared(
    "--lock-timeout",
    type=Seconds(min=0),
    metavar="S",
    default=0.0,
    show_default=True,
    help="Seconds to wait while somebody else holds the state.",
)

select = option(
    "--select",
    multiple=True,
    metavar="ADDR_OR_LABEL",
    help="Only these: an address, a glob, or a label, as key or key=value.",
)

retarget = option(
    "--retarget", is_flag=True, help="Believe that the recorded objects are where requests go now, under a new name."
)


def common(command: Command) -> Command:
    """Add the shared options; they may stand before or after the command."""
    for add in reversed(_COMMON):
        command = add(command)
    return command


def formats(*names: str) -> Callable[[Command], Command]:
    """Add --format with these choices, the first one the default; it may stand before the command too."""

    def chosen(ctx: click.Context, param: click.Parameter, value: str) -> str:
        before = ctx.find_root().ensure_object(dict).get("format")
        if before is None or ctx.get_parameter_source(str(param.name)) is not ParameterSource.DEFAULT:
            return value
        return str(param.type.convert(before.value, param, ctx))

    return option(
        "--format",
        "format_",
        type=click.Choice(names),
        default=names[0],
        show_default=True,
        callback=chosen,
        help="How results are written.",
    )


def format_before(command: Command) -> Command:
    """Add --format to a group of commands; which formats there are is up to the command."""

    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.find_root().ensure_object(dict)["format"] = _Given(value, ParameterSource.COMMANDLINE)

    return option("--format", metavar="FORMAT", callback=remember, expose_value=False, help="As of the command.")(
        command
    )


def given(name: str) -> Any:
    """The value of a shared option; also in threads that were started since `settings` was asked."""
    here = click.get_current_context(silent=True)
    root = _ROOT.get() if here is None else here.find_root()
    return root.obj[name].value


def settings() -> Settings:
    """What the shared options and the environment say; raises UsageError for a malformed --set."""
    root = click.get_current_context().find_root()
    _ROOT.set(root)
    said = root.obj
    stated = said["state"]
    # the sandbox has a log of its own: a RECONCILER_STATE meant for the real one does not count there
    ignored = given("sandbox") and stated.source is not ParameterSource.COMMANDLINE
    overrides = {}
    for text in given("set_"):
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--set {text!r} is not KEY=VALUE")
        overrides[key] = value
    return Settings(
        folder=Path(given("dir")),
        environment=given("env"),
        sandbox=given("sandbox"),
        state="" if ignored else stated.value,
        overrides=overrides,
        environ=dict(os.environ),
        lock_timeout=said["lock_timeout"].value if "lock_timeout" in said else 0.0,
    )


def settle_delay_of(said: float | None) -> float:
    """The delay in seconds; the embedded emulators die with whoever asked them, so there is none to wait for."""
    if said is not None:
        return said
    return 0.0 if given("sandbox") else 60.0


def colored(stream: Any) -> bool:
    """Whether to colour what goes to a stream."""
    choice = given("color")
    if choice != "auto":
        return bool(choice == "always")
    return bool(stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb")


def print_error(message: str, hint: str = "") -> None:
    """Say on stderr what went wrong and what to do, with control characters shown escaped."""
    from reconciler.render.escape import plain

    click.echo(f"error: {plain(message)}", file=sys.stderr)
    for line in hint.splitlines():
        click.echo(f"hint: {plain(line)}", file=sys.stderr)


def note(text: str) -> None:
    """Say on stderr what is found out or waited for."""
    from reconciler.render.escape import plain

    if not given("quiet"):
        click.echo(plain(text), err=True)


def confirmed(question: str) -> bool:
    """Ask on stderr; an answer may be piped in, but silence is not consent: raises Usage."""
    from reconciler.render.escape import plain

    click.echo(f"{plain(question)} [y/N]: ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer:
        click.echo(err=True)
        raise Usage(f"nobody answered the question: {question}", "pass --yes where nobody can be asked")
    return answer.strip().lower() in ("y", "yes")


def detail(text: str) -> None:
    """Say on stderr what only --verbose wants to know."""
    if given("verbose"):
        note(text)


def write_lines(lines: Sequence[str], format_: str, before: str = "") -> None:
    """Write texts to stdout: a line each, or one JSON list."""
    import json

    from reconciler.render.escape import plain

    if format_ == "json":
        click.echo(json.dumps(list(lines)))
        return
    for line in lines:
        click.echo(before + plain(line))
