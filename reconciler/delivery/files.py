"""Stores export files in a folder."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from reconciler.delivery import content
from reconciler.model.outcome import Delivered
from reconciler.model.ports import Undeliverable
from reconciler.model.values import Address


class Folder:
    """A Deliverer: `<root>/<name>-<stamp>.xlsx` (or `.csv`), created with its folder when missing.

    A file appears under its name only when it is complete, verified and durable.  No file is ever
    overwritten: where another content has the name, `-2`, `-3` and so on is added; the same content is left
    as it is, so that delivering twice is harmless.  The location is relative to the working directory
    when below it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def __call__(self, address: Address, stamp: str, chunks: AsyncIterator[bytes]) -> Delivered:
        """Store one file; raises Undeliverable, and what `chunks` raises; then nothing is left behind."""
        name = f"{address.name}-{re.sub(r'[^0-9A-Za-z]', '', stamp)}"
        with self._part(name) as part:
            async for chunk in chunks:
                with _told(part.path):
                    part.write(chunk)
            return await asyncio.to_thread(self._place, part, name)

    @contextlib.contextmanager
    def _part(self, name: str) -> Iterator[_Part]:
        path = self._root / f".{name}.{secrets.token_hex(4)}.part"
        with _told(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            part = _Part(path)
        try:
            yield part
        finally:
            part.close()
            with _told(path):
                path.unlink(missing_ok=True)

    def _place(self, part: _Part, name: str) -> Delivered:
        with _told(self._root):
            part.finish()
            suffix = content.suffix(part.path)
            number = 1
            target = self._root / f"{name}{suffix}"
            while not (_claim(part.path, target) or _holds(target, part)):
                number += 1
                target = self._root / f"{name}-{number}{suffix}"
            _sync_folder(self._root)
        return Delivered(_location(target), part.sha256.hexdigest(), part.size)


class _Part:
    """A file in the making, counted and digested as it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._file = path.open("xb")

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.sha256.update(chunk)
        self.size += len(chunk)

    def finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a full disk has been told of by the write that met it
            self._file.close()


def _claim(path: Path, target: Path) -> bool:
    """Give a complete file its name unless something has it already; at once and never over another file."""
    try:
        os.link(path, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            return False
        path.rename(target)
    return True


def _holds(target: Path, part: _Part) -> bool:
    """Whether the file that has the name already is the same."""
    try:
        if target.stat().st_size != part.size:
            return False
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == part.sha256.digest()
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _location(target: Path) -> str:
    absolute = target.absolute()
    here = Path.cwd()
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else absolute).as_posix()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn a failure of the disk into a sentence."""
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise Undeliverable(f"{where}: the file cannot be stored: {error.strerror or error}") from error
