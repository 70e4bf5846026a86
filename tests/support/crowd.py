"""A process that runs the program in many children at once, and kills some of them: `python crowd.py`.

It reads and writes JSON lines.  A request is a list of `Task`s, all of which are started at once; the answer is a list
of `Ended`s, given when the last of them is over.  The children are forked from one process that has everything
imported: starting sixteen interpreters takes longer than what is to be seen.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn


@dataclass(frozen=True, slots=True)
class Task:
    """One command line, in a folder; `begin` and `kill` are seconds from now, `lease` how long one lasts."""

    arguments: Sequence[str]
    folder: str
    variables: Mapping[str, str] = field(default_factory=dict)
    begin: float = 0.0
    kill: float | None = None
    lease: float = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to; the code is negative for the signal that ended it."""

    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return f"ended with {self.code} after {self.seconds:.1f} s\n{self.out}\n{self.err}"

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines that are whole: whoever is killed may leave half of one."""
        found = []
        for line in self.out.splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found


class Crowd:
    """The process that runs children, as whoever started it has it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, *tasks: Task) -> None:
        """Begin with all of them, and return at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([asdict(task) for task in tasks]) + "\n")
        self._process.stdin.flush()

    def ended(self) -> list[Ended]:
        """Wait for what was started last."""
        assert self._process.stdout is not None
        found = [Ended(**each) for each in json.loads(self._process.stdout.readline())]
        for each in found:
            assert "Traceback" not in each.err, each.err
            assert each.code != 1, each.err
        return found

    def __call__(self, *tasks: Task) -> list[Ended]:
        self.start(*tasks)
        return self.ended()


@contextmanager
def crowd() -> Iterator[Crowd]:
    """A new one, there as long as the context."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        yield Crowd(process)
        process.stdin.close()


@dataclass(slots=True)
class _Child:
    task: Task
    files: dict[str, Any]
    began: float
    pid: int = 0
    code: int | None = None
    seconds: float = 0.0


def _run(child: _Child) -> NoReturn:
    """Be the program; never returns."""
    code = 1
    try:
        os.dup2(child.files["out"].fileno(), 1)
        os.dup2(child.files["err"].fileno(), 2)
        os.chdir(child.task.folder)
        os.environ.update(child.task.variables)
        from reconciler.app import wiring
        from reconciler.cli.program import run

        class Hasty(wiring.Wiring):
            lease_seconds = child.task.lease

        wiring.Wiring = Hasty  # type: ignore[misc]
        code = run(child.task.arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _step(child: _Child, begun: float) -> None:
    """Start it, kill it or see that it is over, if it is time."""
    now = time.monotonic() - begun
    if child.pid == 0:
        if now >= child.task.begin:
            child.began = time.monotonic()
            child.pid = os.fork()
            if child.pid == 0:
                _run(child)
        return
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if pid:
        child.code = os.waitstatus_to_exitcode(status)
        child.seconds = time.monotonic() - child.began
    elif child.task.kill is not None and now >= child.task.kill:
        os.kill(child.pid, signal.SIGKILL)


def _answer(tasks: list[Task]) -> list[dict[str, Any]]:
    begun = time.monotonic()
    with ExitStack() as stack:
        children = [
            _Child(task, {name: stack.enter_context(tempfile.TemporaryFile("w+")) for name in ("out", "err")}, begun)
            for task in tasks
        ]
        while any(child.code is None for child in children):
            for child in children:
                if child.code is None:
                    _step(child, begun)
            time.sleep(0.005)
        return [_told(child) for child in children]


def _told(child: _Child) -> dict[str, Any]:
    said = {}
    for name, file in child.files.items():
        file.seek(0)
        said[name] = file.read()
    return {"code": child.code, "seconds": child.seconds, **said}


def _warm(folder: str) -> None:
    """Import everything that a run needs, by running once."""
    import killing
    import obstore.store
    import psycopg

    from reconciler.state.backends import git, objects, postgres

    assert obstore.store and psycopg and git and objects and postgres  # noqa: PT018 - they are only to be imported
    killing.warm(folder)


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory() as folder:
        _warm(folder)
        os.chdir("/")
    for line in sys.stdin:
        out.write(json.dumps(_answer([Task(**each) for each in json.loads(line)])) + "\n")
        out.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
