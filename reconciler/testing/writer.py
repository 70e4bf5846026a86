"""A process that appends to a log: `python -m reconciler.testing.writer OPENER URL LOG NAME LAST [SIZE]`.

It says `ready` and waits for a line, then tries to get every position from the end of the log up to LAST, with a batch
of at least SIZE bytes that begins with NAME and the position.  Each position that it got is a line `NAME POSITION`,
printed once the append was acknowledged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import cast

from reconciler.model.errors import Conflict, Unreachable
from reconciler.model.ports import Backend
from reconciler.state.backends import WHOLE

_TRIES = 100


def open_elsewhere(opener: str, url: str, log: str) -> Backend:
    """Return what the function `module:name` opens."""
    module, _, name = opener.partition(":")
    return cast("Backend", getattr(import_module(module), name)(url, log))


def content(name: str, position: int, size: int = 0) -> bytes:
    """The batch of a writer at a position: different for each."""
    said = f"{name} {position} ".encode()
    return said + b"." * (size - len(said))


def claim(backend: Backend, position: int, batch: bytes) -> bool:
    """Whether a position became this batch, as a careful writer finds out: it reads before it goes on."""
    for _ in range(_TRIES):
        try:
            backend.append(position, batch)
        except (Conflict, Unreachable):
            behind = dict(backend.read(position - 1)[1])
            if position in behind:
                return behind[position] == batch
        else:
            return True
    raise AssertionError(f"position {position} is neither free nor taken")


def claims(backend: Backend, name: str, last: int, size: int = 0) -> Iterator[int]:
    """Try to get every position from the end of the log up to the last one; gives those that it got."""
    end = max((position for position, _ in backend.read(WHOLE)[1]), default=0)
    for position in range(end + 1, last + 1):
        if claim(backend, position, content(name, position, size)):
            yield position


def _say(line: str) -> None:
    """Tell whoever started this; in one piece, however standard output is buffered."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Do as the module says."""
    opener, url, log, name, last, size = (*sys.argv[1:], "0")[:6]
    backend = open_elsewhere(opener, url, log)
    _say("ready")
    sys.stdin.readline()
    for position in claims(backend, name, int(last), int(size)):
        _say(f"{name} {position}")
    backend.close()


if __name__ == "__main__":
    main()
