"""The simplest backend that keeps every promise, a file for each batch, and backends that break one promise each."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote

from reconciler.model.errors import Conflict, StateError, Unreachable
from reconciler.state import codec
from reconciler.state.backends import WHOLE

Row: TypeAlias = tuple[int, bytes]
Found: TypeAlias = tuple[Row | None, Iterable[Row]]

MUTE: Final = "mute"
"""A file of this name in the root: nothing answers any more, but everything happens."""


class FolderBackend:
    """A folder in `root` for each log; whoever looks or writes holds its lock."""

    def __init__(self, root: Path, log: str) -> None:
        self.root = root
        self.folder = root / self.place(log)

    def place(self, log: str) -> str:
        return quote(log, safe="")

    def read(self, after: int) -> Found:
        with self.locked() as there:
            if not there:
                return None, ()
            found = self.kept(after)
            behind = found[0] if found else max(after, ~after)
            return found, [(at, self.file(at).read_bytes()) for at in self.positions() if at > behind]

    def append(self, position: int, batch: bytes) -> None:
        with self.locked(make=position == 1) as there:
            if not there or position != self.end() + 1:
                raise Conflict(f"Position {position} is not free.")
            self.put(self.file(position), batch)

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        with self.locked():
            file = self.folder / "checkpoint"
            if not file.exists() or int(file.read_bytes().split(b" ")[0]) < position:
                self.put(file, b"%d %b" % (position, snapshot))

    def trim(self, position: int) -> None:
        with self.locked() as there:
            for at in self.positions() if there else []:
                if at < position:
                    self.file(at).unlink()

    def close(self) -> None:
        """Nothing is held."""

    def end(self) -> int:
        return max(self.positions(), default=0)

    def positions(self) -> list[int]:
        return sorted(int(file.name) for file in self.folder.iterdir() if file.name.isdecimal())

    def file(self, position: int) -> Path:
        return self.folder / str(position)

    def kept(self, after: int) -> Row | None:
        file = self.folder / "checkpoint"
        if after < 0 or not file.exists():
            return None
        position, _, snapshot = file.read_bytes().partition(b" ")
        return (int(position), snapshot) if after < int(position) <= self.end() else None

    def put(self, file: Path, content: bytes) -> None:
        made = file.with_suffix(".new")
        made.write_bytes(content)
        made.rename(file)

    @contextmanager
    def locked(self, *, make: bool = False) -> Iterator[bool]:
        """Alone with the log; False when there is none."""
        try:
            if make:
                self.folder.mkdir(exist_ok=True)
            elif not self.folder.exists():
                list(self.root.iterdir())
                yield False
                return
            with (self.folder / "lock").open("w") as lock:
                self.hold(lock.fileno())
                yield True
        except OSError as error:
            raise Unreachable(f"The folder {self.root} is out of reach.", "Try again.") from error
        if (self.root / MUTE).exists():
            raise Unreachable("The answer was lost.", "Read again, then try again.")

    def hold(self, lock: int) -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)


class NeverEmpty(FolderBackend):
    def read(self, after: int) -> Found:
        return super().read(after) if self.folder.exists() else (None, [(1, b"{}")])


class AsNames(FolderBackend):
    """Positions in the order in which `ls` shows them."""

    def positions(self) -> list[int]:
        return sorted(super().positions(), key=str)


class AsText(FolderBackend):
    def put(self, file: Path, content: bytes) -> None:
        super().put(file, content.strip())


class InFrames(FolderBackend):
    """Nothing is longer than 4 MB."""

    def put(self, file: Path, content: bytes) -> None:
        super().put(file, content[:4_000_000])


class InTwoSteps(FolderBackend):
    """Whoever is stopped between them leaves half a batch."""

    def put(self, file: Path, content: bytes) -> None:
        half = len(content) // 2
        file.write_bytes(content[:half])
        time.sleep(0.02)
        with file.open("r+b") as rest:
            rest.seek(half)
            rest.write(content[half:])


class OverwritesWhatIsThere(FolderBackend):
    def append(self, position: int, batch: bytes) -> None:
        with self.locked(make=True):
            self.put(self.file(position), batch)


class BeginsAnywhere(FolderBackend):
    def append(self, position: int, batch: bytes) -> None:
        with self.locked(make=True):
            if self.end() and position != self.end() + 1:
                raise Conflict(f"Position {position} is not free.")
            self.put(self.file(position), batch)


class CreatesIfAbsent(FolderBackend):
    """What was trimmed is free again."""

    def append(self, position: int, batch: bytes) -> None:
        with self.locked(make=True):
            if self.file(position).exists() or (position > 1 and position > self.end() + 1):
                raise Conflict(f"Position {position} is not free.")
            self.put(self.file(position), batch)


class SameIsFine(FolderBackend):
    def append(self, position: int, batch: bytes) -> None:
        try:
            super().append(position, batch)
        except Conflict:
            if not self.file(position).exists() or self.file(position).read_bytes() != batch:
                raise


class MixesLogs(FolderBackend):
    def place(self, log: str) -> str:
        return quote(log, safe="").replace("_", ".")


class GivesAllBatches(FolderBackend):
    """The checkpoint, and what it stands for as well."""

    def read(self, after: int) -> Found:
        return super().read(after)[0], super().read(WHOLE)[1]


class LastCheckpointWins(FolderBackend):
    def checkpoint(self, position: int, snapshot: bytes) -> None:
        self.put(self.folder / "checkpoint", b"%d %b" % (position, snapshot))


class FromTheFuture(FolderBackend):
    def kept(self, after: int) -> Row | None:
        file = self.folder / "checkpoint"
        if after < 0 or not file.exists():
            return None
        position, _, snapshot = file.read_bytes().partition(b" ")
        return (int(position), snapshot) if after < int(position) else None


class NoCheckpoints(FolderBackend):
    def kept(self, after: int) -> Row | None:
        return None


class ReadsItsCheckpoint(FolderBackend):
    def kept(self, after: int) -> Row | None:
        found = super().kept(after)
        if found is not None:
            codec.parse(found[1])
        return found


class CheckpointTrims(FolderBackend):
    """A checkpoint that cannot be trusted is all that is left."""

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        super().checkpoint(position, snapshot)
        self.trim(position + 1)


class ClosesOnce(FolderBackend):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise ValueError("closed twice")
        self.closed = True


class OfOneThread(FolderBackend):
    def __init__(self, root: Path, log: str) -> None:
        super().__init__(root, log)
        self.thread = threading.get_ident()

    def hold(self, lock: int) -> None:
        super().hold(lock)
        if threading.get_ident() != self.thread:
            raise Unreachable("Somebody else's handle.", "Use your own.")


class ReplaysEverything(FolderBackend):
    """Without a checkpoint it always begins at the beginning."""

    def read(self, after: int) -> Found:
        return super().read(max(after, WHOLE))


class Lazy(FolderBackend):
    """Looks for each batch when it is asked for, and takes those that are gone for never written."""

    def read(self, after: int) -> Found:
        found = super().read(after)[0]
        return found, self.one_by_one(found[0] if found else max(after, ~after))

    def one_by_one(self, at: int) -> Iterator[Row]:
        while at < (self.end() if self.folder.exists() else 0):
            at += 1
            if self.file(at).exists():
                yield at, self.file(at).read_bytes()


class OneReaderOnly(FolderBackend):
    """Reading ends in an error when somebody has written meanwhile."""

    def read(self, after: int) -> Found:
        found, batches = super().read(after)
        return found, self.guarded(list(batches))

    def guarded(self, batches: list[Row]) -> Iterator[Row]:
        for row in batches:
            if self.end() != batches[-1][0]:
                raise Conflict("Somebody wrote.", "Do not.")
            yield row


class LooksThenWrites(FolderBackend):
    """No lock at all."""

    def hold(self, lock: int) -> None:
        """Nobody waits."""

    def put(self, file: Path, content: bytes) -> None:
        time.sleep(0.002)
        made = file.with_suffix(f".{threading.get_ident()}")
        made.write_bytes(content)
        made.rename(file)


class AloneInItsProcess(LooksThenWrites):
    """A lock that other processes do not see."""

    mine = threading.Lock()

    @contextmanager
    def locked(self, *, make: bool = False) -> Iterator[bool]:
        with self.mine, super().locked(make=make) as there:
            yield there


class WritesBehind(FolderBackend):
    """Acknowledges a batch first, and writes it when it has the next one."""

    behind: Row | None = None

    def append(self, position: int, batch: bytes) -> None:
        if self.behind is not None:
            super().append(*self.behind)
        elif position != (self.end() if self.folder.exists() else 0) + 1:
            raise Conflict(f"Position {position} is not free.")
        self.behind = (position, batch)

    def read(self, after: int) -> Found:
        found, batches = super().read(after)
        return found, [*batches, *([self.behind] if self.behind else [])]

    def close(self) -> None:
        if self.behind is not None:
            super().append(*self.behind)
            self.behind = None


class EmptyWithoutNetwork(FolderBackend):
    def read(self, after: int) -> Found:
        try:
            return super().read(after)
        except Unreachable:
            return None, ()


class NeverInDoubt(FolderBackend):
    def append(self, position: int, batch: bytes) -> None:
        try:
            super().append(position, batch)
        except Unreachable:
            with suppress(OSError):
                self.file(position).unlink()
            raise


class TriesElsewhere(FolderBackend):
    """An append without an answer is made again, at the next position."""

    def append(self, position: int, batch: bytes) -> None:
        try:
            super().append(position, batch)
        except Unreachable:
            if (self.root / MUTE).exists():
                self.put(self.file(position + 1), batch)
            raise


class SkipsWhatItCannotRead(FolderBackend):
    def read(self, after: int) -> Found:
        found, batches = super().read(after)
        return found, [(at, batch) for at, batch in batches if self.readable(batch)]

    def readable(self, batch: bytes) -> bool:
        try:
            codec.unseal(codec.link(batch), batch)
        except (StateError, KeyError):
            return False
        return True


class CallsDamageTheNetwork(FolderBackend):
    def read(self, after: int) -> Found:
        found, batches = super().read(after)
        head = None
        for _, batch in batches:
            try:
                codec.unseal(head, batch)
            except StateError as error:
                raise Unreachable(error.message, error.hint) from error
            head = codec.sha256(batch)
        return found, batches


class StumblesOverGaps(FolderBackend):
    def positions(self) -> list[int]:
        found = super().positions()
        if found and found != list(range(found[0], found[-1] + 1)):
            raise KeyError(found[0])
        return found


class OnePage(FolderBackend):
    """Whatever comes after the first megabyte is on another page."""

    def read(self, after: int) -> Found:
        found, batches = super().read(after)
        page, size = [], 0
        for row in batches:
            page.append(row)
            size += len(row[1])
            if size > 1_000_000:
                break
        return found, page


class TrimsNothing(FolderBackend):
    def trim(self, position: int) -> None:
        """Space is cheap."""


class TrimsTooMuch(FolderBackend):
    def trim(self, position: int) -> None:
        super().trim(position + 1)


class TrimsLogsThatAreThere(FolderBackend):
    def trim(self, position: int) -> None:
        if not self.folder.exists():
            raise FileNotFoundError(self.folder)
        super().trim(position)


class TrimsCheckpoints(FolderBackend):
    def trim(self, position: int) -> None:
        super().trim(position)
        if self.folder.exists():
            (self.folder / "checkpoint").unlink(missing_ok=True)


MUTANTS: Final = {
    kind.__name__: kind
    for kind in (
        *(NeverEmpty, AsNames, AsText, InFrames, OverwritesWhatIsThere, BeginsAnywhere, CreatesIfAbsent, SameIsFine),
        *(
            MixesLogs,
            GivesAllBatches,
            ReplaysEverything,
            LastCheckpointWins,
            FromTheFuture,
            NoCheckpoints,
            ReadsItsCheckpoint,
        ),
        *(CheckpointTrims, ClosesOnce, OfOneThread, Lazy, OneReaderOnly, LooksThenWrites, AloneInItsProcess),
        *(WritesBehind, EmptyWithoutNetwork, NeverInDoubt, TriesElsewhere, SkipsWhatItCannotRead),
        *(CallsDamageTheNetwork, StumblesOverGaps, OnePage, TrimsNothing, TrimsTooMuch, TrimsLogsThatAreThere),
        *(TrimsCheckpoints, InTwoSteps),
    )
}


def open_folder(url: str, log: str) -> FolderBackend:
    """Open `NAME:ROOT`: the backend of that name, without one the good one."""
    name, _, root = url.partition(":")
    return MUTANTS.get(name, FolderBackend)(Path(root), log)


class FolderStorage:
    """Logs in folders, as `testing.backends.Storage` wants them."""

    def __init__(self, root: Path, name: str = "") -> None:
        self.root = root
        self.url = f"{name}:{root}"
        root.mkdir()

    def open(self, log: str = "acme/default") -> FolderBackend:
        return open_folder(self.url, log)

    def overwrite(self, position: int, batch: bytes, log: str = "acme/default") -> None:
        self._file(str(position), log).write_bytes(batch)

    def remove(self, position: int, log: str = "acme/default") -> None:
        self._file(str(position), log).unlink()

    def overwrite_checkpoint(self, snapshot: bytes, log: str = "acme/default") -> None:
        file = self._file("checkpoint", log)
        file.write_bytes(file.read_bytes().split(b" ")[0] + b" " + snapshot)

    def _file(self, name: str, log: str) -> Path:
        file = self.open(log).folder / name
        assert file.exists()
        return file

    @contextmanager
    def cut(self) -> Iterator[None]:
        away = self.root.with_suffix(".away")
        self.root.rename(away)
        self.root.touch()
        try:
            yield
        finally:
            self.root.unlink()
            away.rename(self.root)

    @contextmanager
    def lose_answers(self) -> Iterator[None]:
        mute = self.root / MUTE
        mute.touch()
        try:
            yield
        finally:
            mute.unlink()
