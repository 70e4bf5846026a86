"""Output that survives its reader."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class Patient:
    """A text stream that, once it cannot be written, takes everything and keeps nothing.

    What a command does must not depend on somebody reading about it.  `trouble` is the first error
    that is worth telling: a reader that has gone is not.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - lives as long as the process
        self.trouble: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or lose what cannot be written."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or lose what cannot be flushed."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self.trouble is None and error.errno != errno.EPIPE:
            self.trouble = error
        # the interpreter flushes once more at its end, and must not fail there
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def patient_streams() -> Iterator[Patient]:
    """Make stdout and stderr patient; yields stdout."""
    before = sys.stdout, sys.stderr
    out, err = Patient(before[0]), Patient(before[1])
    for stream in (out, err):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
