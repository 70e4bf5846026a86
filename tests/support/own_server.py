"""A server that is a program: started on loopback until it answers, killed, and gone with its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

_PATIENCE: Final = 60.0


class OwnServer(ABC):
    """One process with a folder of its own, at `port` once it was started."""

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _launch(self) -> None:
        """Begin on ports that are free."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether it takes what the tests will ask for."""

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        for _ in range(5):
            self._launch()
            if self._answers():
                return
            self.stop()  # somebody else took one of the ports meanwhile
        raise RuntimeError((self._folder / "told").read_text())

    def stop(self) -> None:
        """End it at once; asked to stop it would take its time."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def crash(self) -> None:
        """End it at once and start it again, on the same ports and with what it has on its disk."""
        assert self._process is not None
        command: Any = self._process.args
        self.stop()
        self._begin(command)
        assert self._answers(), (self._folder / "told").read_text()

    def _begin(self, command: list[str], **variables: str) -> None:
        with (self._folder / "told").open("wb") as told:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, "HOME": str(self._folder), **variables},
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
            )

    def _answers(self) -> bool:
        until = time.monotonic() + _PATIENCE
        while self._process is not None and self._process.poll() is None and time.monotonic() < until:
            if self._ready():
                return True
            time.sleep(0.02)
        return False


S = TypeVar("S", bound=OwnServer)


@contextmanager
def started(make: Callable[[Path], S]) -> Iterator[S]:
    """A new server, there as long as the context."""
    folder = Path(tempfile.mkdtemp(prefix="own-"))
    server = make(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
