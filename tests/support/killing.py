"""A process that runs the program in children and kills them at chosen moments: `python killing.py`.

It reads and writes JSON lines.  Each request is `{"arguments", "folder", "kill": [KIND, N] or null}`; the answer is
`{"code", "out", "err", "moments"}`: the exit code (negative: the signal), what was written, and the moments that it
passed, of which the last is the one at which it was killed.  KIND is "" when all are counted.  Everything that leaves
a trace outside the process has moments: before and after each append to the log, and before and after each request to a
service, when the service has done it and its answer is not yet known.

Children are forked from one process that has everything imported, for a kill at every moment of a run needs hundreds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

ONE_OF_EACH = """
apiVersion: blue/v1
kind: Report
metadata: {name: a}
spec: {title: A, dataSources: [{filters: {done: true}}]}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: b}
spec: {pipeIds: [301000001], columns: [title]}
"""


KINDS = ("before append", "after append", "before request", "after request")


class Moments:
    """Notes moments, and ends the process at the one that was chosen: a kind, and which of its moments."""

    def __init__(self, chosen: tuple[str, int] | None, note: int) -> None:
        self.chosen = chosen
        self.count = Counter[str]()
        self.note = note
        self.one = threading.Lock()  # appends and requests are made by different threads

    def passes(self, kind: str, what: object = "") -> None:
        with self.one:
            self.count.update([kind, ""])
            os.write(self.note, f"{kind} {what}\n".encode())
            if self.chosen in [(kind, self.count[kind]), ("", self.count[""])]:
                os.kill(os.getpid(), signal.SIGKILL)


class KilledBackend:
    """A backend whose appends are moments."""

    def __init__(self, inner: Any, moments: Moments) -> None:
        self._inner = inner
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, position: int, batch: bytes) -> None:
        types = [entry["type"] for entry in json.loads(batch)["entries"]]
        self._moments.passes("before append", f"{position}: {types}")
        self._inner.append(position, batch)
        self._moments.passes("after append", f"{position}: {types}")


def arm(moments: Moments) -> None:
    from reconciler.sandbox import server
    from reconciler.state import backends

    opened, created = backends.open_backend, server.create_app

    def open_backend(url: str, log: str) -> Any:
        return KilledBackend(opened(url, log), moments)

    def create_app(*arguments: Any, **options: Any) -> Any:
        app = created(*arguments, **options)

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            parts: list[Any] = []

            async def keep(message: Any) -> None:
                parts.append(message)

            moments.passes("before request", scope["path"])
            await app(scope, receive, keep)
            moments.passes("after request", scope["path"])
            for part in parts:
                await send(part)

        return counted

    backends.open_backend = open_backend
    server.create_app = create_app  # type: ignore[assignment]


def child(arguments: list[str], folder: str, kill: tuple[str, int] | None, files: tuple[int, int, int]) -> int:
    """Run the program in a forked child; its exit code, negative for the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.chdir(folder)
            os.dup2(files[0], 1)
            os.dup2(files[1], 2)
            arm(Moments(kill, files[2]))
            from reconciler.cli.program import run

            code = run(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def warm(folder: str) -> None:
    """Import everything that a run needs, by running once."""
    from reconciler.cli.program import run

    os.chdir(folder)
    manifests = Path(folder) / "manifests"
    manifests.mkdir()
    (manifests / "reconciler.yaml").write_text("apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: warm}\n")
    (manifests / "one.yaml").write_text(ONE_OF_EACH)
    kept = os.dup(1)
    os.dup2(2, 1)
    code = run(["apply", "--sandbox", "--yes", "-q", "--poll-interval", "0.01"])
    sys.stdout.flush()
    os.dup2(kept, 1)
    if code:
        raise SystemExit(f"the first run failed with {code}")


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory() as folder:
        warm(folder)
        os.chdir("/")
    for line in sys.stdin:
        asked = json.loads(line)
        with (
            tempfile.TemporaryFile("w+") as told,
            tempfile.TemporaryFile("w+") as err,
            tempfile.TemporaryFile("w+") as at,
        ):
            files = (told.fileno(), err.fileno(), at.fileno())
            kill = tuple(asked["kill"]) if asked["kill"] else None
            answer: dict[str, Any] = {"code": child(asked["arguments"], asked["folder"], kill, files)}
            for name, file in (("out", told), ("err", err), ("moments", at)):
                file.seek(0)
                answer[name] = file.read()
            answer["moments"] = answer["moments"].splitlines()
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
