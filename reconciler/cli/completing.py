"""Answers to shells that want to know how a command line may go on; see `completion` for how they come to ask."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, shell_complete
from click.types import StringParamType

from reconciler.app import completion
from reconciler.app.wiring import Wiring
from reconciler.cli.completion import VARIABLE
from reconciler.cli.options import settings
from reconciler.cli.program import program


def answer(instruction: str) -> int:
    """Print how the command line in the environment may go on; nothing at all when something is wrong."""
    before = sys.stdout, sys.stderr
    types = [(parameter, parameter.type) for parameter in _parameters(program)]
    sys.stdout = told = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    sys.stderr = io.StringIO()
    try:
        for parameter, usual in types:
            parameter.type = _TYPES.get(str(parameter.name), usual)
        code: int = shell_complete(program, {}, "reconciler", VARIABLE, instruction)
    except (Exception, SystemExit):  # noqa: BLE001 - the middle of a line is no place for a message
        return 1
    finally:
        sys.stdout, sys.stderr = before
        for parameter, usual in types:
            parameter.type = usual
    click.echo(told.buffer.getvalue(), nl=False)
    return code


_BREAKS: Final = ("=", ":")


class _Bash(BashComplete):
    """Bash breaks words at `=` and `:`; here they are whole again."""

    name = "bash"
    _begun = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        for word in (*args, incomplete):
            if words and (word[:1] in _BREAKS or words[-1][-1:] in _BREAKS):
                words[-1] += word
            else:
                words.append(word)
        *args, self._begun = words
        return args, self._begun

    def format_completion(self, item: CompletionItem) -> str:
        if not self._begun.startswith("-"):
            before = max(map(self._begun.rfind, _BREAKS)) + 1
            item.value = item.value.removeprefix(self._begun[:before])
        return super().format_completion(item)


add_completion_class(_Bash)


class _Names(StringParamType):
    """A text; `source` finds those that would make sense."""

    def __init__(self, source: Callable[[Wiring, str], Sequence[str]]) -> None:
        self._source = source

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        with ctx.scope(cleanup=False):
            wiring = Wiring(settings())
        return [CompletionItem(name) for name in self._source(wiring, incomplete) if name.startswith(incomplete)]


_TYPES: Final[Mapping[str, Any]] = {
    "address": _Names(completion.addresses),
    "select": _Names(completion.selectors),
    "env": _Names(completion.environments),
    "topic": _Names(completion.topics),
    "switches": _Names(completion.switches),
    "settings": _Names(completion.switches),
    "name": _Names(completion.schemas),
    "fault": _Names(completion.faults),
    "dir": click.Path(file_okay=False),
}
"""What to offer, by the names of parameters: they mean the same in all commands."""


def _parameters(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _parameters(inner)
