"""Runs the program in children of `killing.py` (or of a module that adds to it), which end at chosen moments."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

Moment = tuple[str, int]
"""Which of the moments of a kind; "" is a kind that every moment is of."""


@dataclass(frozen=True)
class Ran:
    """How a child ended (negative: the signal), what it wrote, and the moments that it passed."""

    code: int
    out: str = field(repr=False)
    err: str
    moments: Sequence[str] = field(repr=False)

    @property
    def last(self) -> str:
        """The moment at which it was killed, if it was."""
        return self.moments[-1]


@dataclass(frozen=True)
class Killer:
    process: subprocess.Popen[str]

    def __call__(self, arguments: Sequence[str], folder: Path, kill: Moment | None = None) -> Ran:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"arguments": arguments, "folder": str(folder), "kill": kill}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Ran(**json.loads(self.process.stdout.readline()))


@contextmanager
def killer(driver: ModuleType) -> Iterator[Killer]:
    """Its children have the environment as it is now."""
    assert driver.__file__ is not None
    command = [sys.executable, driver.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Killer(process)
