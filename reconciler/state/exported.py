"""An exported log: a file that holds a log, or the beginning of one, batch by batch.  Format `reconciler.export/1`.

Lines of ASCII, each with a line end: a header, the batches as they are stored (see `codec`), and what they come to:

    {"format":"reconciler.export/1","log":L,"first":P}
    {"format":"reconciler.log/1",...}
    {"last":Q,"head":H,"sum":S}

- `log`: the name of the log;
- `first`, `last`: the positions of the first and the last batch, counted from the first batch that ever was;
- `head`: hexadecimal SHA-256 of the last batch;
- `sum`: hexadecimal SHA-256 of all bytes before the last line, so that a file that was cut off or changed is found.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final, NoReturn, TypeVar

from reconciler.model.errors import Broken, StateError, Usage
from reconciler.state import records
from reconciler.state.codec import compact, parse, sha256
from reconciler.state.records import damaged, newer

FORMAT: Final = "reconciler.export/1"

_BEGIN: Final = b'{"format":"reconciler.export/'
_END: Final = b'{"last":'
_AGAIN: Final = (
    "It is not the log that is damaged: take another copy of the file, or export again what the log still holds."
)


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of the file."""

    format: str
    log: str
    first: int


@dataclass(frozen=True, slots=True)
class Footer:
    """The last line of the file."""

    last: int
    head: str
    sum: str


Line = TypeVar("Line", Header, Footer)


class Writer:
    """Writes the lines of an exported log; `bytes` counts them."""

    def __init__(self, write: Callable[[bytes], object], log: str) -> None:
        self.bytes = 0
        self._write = write
        self._log = log
        self._digest = hashlib.sha256()
        self._last: tuple[int, bytes] | None = None

    def add(self, position: int, batch: bytes) -> None:
        """Write the batch of a position, which counts from the first batch that ever was."""
        if not batch.isascii() or b"\n" in batch:
            raise damaged(f"the batch at position {position} is not one line of ASCII")
        if self._last is None:
            self._line(_encode(Header(FORMAT, self._log, position)))
        self._line(batch)
        self._last = position, batch

    def end(self) -> None:
        """Write the last line; a file without it passes for one that was cut off.  Nothing added, nothing written."""
        if self._last is not None:
            last, batch = self._last
            self._line(_encode(Footer(last, sha256(batch), self._digest.hexdigest())))

    def _line(self, line: bytes) -> None:
        line += b"\n"
        self._write(line)
        self._digest.update(line)
        self.bytes += len(line)


class ExportedLog:
    """An exported log; a Backend that can be read and nothing else.

    Positions count from the first batch that ever was.  Reading streams, and ends in a StateError unless the file ends
    as it was written.  Nothing is opened before the first use; a file that cannot be opened is Usage, one that cannot
    be read Broken.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    @cached_property
    def header(self) -> Header:
        """The first line; raises StateError when this is no exported log, or one of a newer version."""
        with self._opened() as lines:
            line = lines.readline(1_000_000)
        if line.startswith(_BEGIN) and not line.startswith(_BEGIN + b'1"'):
            raise newer(f"{self.file} has a format of which this version reads {FORMAT!r}")
        if not line.startswith(_BEGIN):
            raise StateError(f"{self.file} is no exported log.", "`state export` and `state archive` write such files.")
        return self._decode(Header, line)

    def read(self, after: int) -> tuple[None, Iterator[tuple[int, bytes]]]:
        """As the port says; there are no checkpoints."""
        return None, self._batches(self.header, max(after, ~after))

    def append(self, position: int, batch: bytes) -> NoReturn:
        self._refuse()

    def checkpoint(self, position: int, snapshot: bytes) -> NoReturn:
        self._refuse()

    def trim(self, position: int) -> NoReturn:
        self._refuse()

    def close(self) -> None:
        """Nothing is held."""

    def blamed(self, error: StateError) -> StateError:
        """What is wrong with a batch of this file, said of the file and not of the log."""
        message = error.message.replace("The log ", f"The exported log {self.file} ", 1)
        return StateError(message, _AGAIN if error.hint == damaged("").hint else error.hint)

    def _batches(self, header: Header, after: int) -> Iterator[tuple[int, bytes]]:
        digest, position, batch = hashlib.sha256(), header.first - 1, b""
        with self._opened() as lines:
            digest.update(lines.readline())
            for line in lines:
                if line.startswith(_END):
                    self._check(self._decode(Footer, line), Footer(position, sha256(batch), digest.hexdigest()))
                    if lines.read(1):
                        raise self._damaged("it goes on behind its last line")
                    return
                if not line.endswith(b"\n"):
                    break
                digest.update(line)
                position, batch = position + 1, line.removesuffix(b"\n")
                if position > after:
                    yield position, batch
        raise self._damaged(f"it was cut off behind position {position}")

    def _check(self, said: Footer, found: Footer) -> None:
        if said != found:
            raise self._damaged("what it holds is not what its last line says")

    def _decode(self, kind: type[Line], line: bytes) -> Line:
        try:
            found = records.decode(kind, parse(line))
        except ValueError as error:
            raise self._damaged("a line of it is not JSON") from error
        except StateError as error:
            raise self.blamed(error) from error
        if _encode(found) + b"\n" != line:
            raise self._damaged("a line of it is not as it was written")
        return found

    def _damaged(self, what: str) -> StateError:
        return StateError(f"The exported log {self.file} is damaged: {what}.", _AGAIN)

    def _refuse(self) -> NoReturn:
        raise StateError(
            f"{self.file} is an exported log, and is not written to.", "Restore it: `state migrate --from`."
        )

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            lines = self.file.open("rb")
        except OSError as error:
            raise Usage(f"{self.file} cannot be opened: {error.strerror}", "name a file that was exported") from error
        with lines:
            try:
                yield lines
            except OSError as error:
                raise Broken(f"{self.file} cannot be read: {error.strerror}", "check the disk") from error


class Kept:
    """A file in the making: it gets its name when it is whole and on the disk, at once.

    Only its owner may read it.  Leaving the context without `finish` leaves nothing behind.
    """

    def __init__(self, file: Path, *, replace: bool = False) -> None:
        """Raise Usage for a file that is there already (unless it may be replaced), or that cannot be made."""
        self.file = file.resolve()
        self._replace = replace
        if self.file.exists() and not (replace and self.file.is_file()):
            known = "" if self.file.is_file() else ", and no file"
            raise Usage(f"{file} is there already{known}", "name another file")
        self._beside = self.file.with_name(f".{self.file.name}.{secrets.token_hex(4)}.part")

    def __enter__(self) -> Kept:
        try:
            descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Usage(f"{self.file} cannot be written: {error.strerror}", "name another file") from error
        self._stream = os.fdopen(descriptor, "wb")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a full disk has been told of by the write that met it
            self._stream.close()
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Write behind what is there; raises Broken when the disk does not take it."""
        with self._told():
            self._stream.write(data)

    def sync(self) -> None:
        """Return when everything that was written is on the disk."""
        with self._told():
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def finish(self) -> None:
        """Give the file its name; raises Usage when somebody has made one of that name meanwhile."""
        self.sync()
        with self._told():
            if self._replace:
                self._beside.replace(self.file)
            elif not _claim(self._beside, self.file):
                raise Usage(f"{self.file} has appeared meanwhile", "name another file")
            _sync_folder(self.file.parent)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Broken(f"{self.file} cannot be written: {error.strerror}", "name another file") from error


def _encode(line: Header | Footer) -> bytes:
    return compact(records.encode(line))


def _claim(beside: Path, file: Path) -> bool:
    """Give a file its name unless there is one of that name."""
    try:
        os.link(beside, file)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(file):
            return False
        beside.rename(file)
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
