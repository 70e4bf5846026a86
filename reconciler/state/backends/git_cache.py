"""A bare repository of ours that holds what was fetched: it only saves time, and may be removed at any moment.

So the user's repository is never touched.  It lies where an untrusted branch could put a repository of its own (one
whose configuration runs commands), so it is used only when it was made on this very file system: its `stamp` names the
inode and the instant of the file `born`, which nobody can choose.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.model.errors import StateError, Unreachable
from reconciler.state.backends import shown
from reconciler.state.backends.git_remote import PATIENCE, Answer, Remote

_WAIT: Final = 10.0  # seconds that a process waits for the others before it makes a cache of its own
_RECENT: Final = 3600.0  # seconds in which not much can have been appended
_PACE: Final = 100_000.0  # bytes a second that the slowest line carries
_TICK: Final = 0.005


class Tip(NamedTuple):
    """One commit of a log, and the tree that holds its batch."""

    position: int
    commit: str
    tree: str


class Damaged(Exception):
    """The cache does not work; `error` is what it would mean if it happened again with a new one."""

    def __init__(self, error: StateError) -> None:
        super().__init__(error.message)
        self.error = error


class Cache:
    """The repository at a path, which need not be there; whoever has it holds the lock on it."""

    def __init__(self, remote: Remote, path: Path) -> None:
        self._remote = remote
        self._path = path
        self._pushing = path / "pushing"
        self._weight = 0
        self.written: list[str] = []  # the names of the objects that were put
        if os.path.lexists(path) and not self._is_ours():
            self.discard()
        self._wait_for_push()

    @property
    def exists(self) -> bool:
        """Whether it was made."""
        return self._path.exists()

    def ends_at(self, commit: str) -> bool:
        """Whether what comes before a commit was left on the remote."""
        try:
            return commit in (self._path / "shallow").read_text().split()
        except (OSError, ValueError):
            return False

    @property
    def is_recent(self) -> bool:
        """Whether little can be missing."""
        try:
            return abs(time.time() - (self._path / "tip").stat().st_mtime) < _RECENT
        except OSError:
            return False

    def make(self) -> None:
        """Make an empty repository with the remote's kind of names."""
        self.discard()
        made = self.run("init", "--bare", "--quiet", "--template=", f"--object-format={self._remote.algorithm}")
        if made.code:
            raise self._remote.failure(f"cannot be kept in {self._path}", made)
        (self._path / "born").touch()
        (self._path / "stamp").write_text(self._born())

    def discard(self) -> None:
        """Remove it."""
        if os.path.lexists(self._path):
            shutil.rmtree(self._path)

    @property
    def tip(self) -> Tip | None:
        """The end of the log as it was last seen, or None."""
        try:
            position, commit, tree = (self._path / "tip").read_text().split()
            return Tip(int(position), commit, tree)
        except (OSError, ValueError):
            return None

    @tip.setter
    def tip(self, tip: Tip) -> None:
        _replace(self._path / "tip", f"{tip.position} {tip.commit} {tip.tree}".encode())

    def run(self, *arguments: str, patience: float = PATIENCE) -> Answer:
        """Run git here."""
        return self._remote.run(*arguments, at=self._path, patience=patience)

    def push(self, *arguments: str) -> Answer:
        """Push; if this process ends before, the next one that uses the cache waits until the push is over."""
        held = os.open(self._pushing, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _locked(held)
            patience = PATIENCE + self._weight / _PACE
            return self._remote.run("push", *arguments, at=self._path, patience=patience, held=held)
        finally:
            self._pushing.unlink(missing_ok=True)
            os.close(held)

    def lines(self, *arguments: str) -> list[str]:
        """What a local command says; raises Damaged when it fails."""
        answer = self.run(*arguments)
        if answer.code:
            raise self.damage(answer.words)
        return answer.out.decode(errors="replace").split("\n")[:-1]

    def put(self, kind: str, content: bytes) -> str:
        """Write a loose object, as "gitformat-loose" describes it, and return its name."""
        tip = self.tip
        head, name = _named(_algorithm(tip.commit) if tip else self._remote.algorithm, kind.encode(), content)
        file = self._path / "objects" / name[:2] / name[2:]
        self.written.append(name)
        self._weight += len(content)
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            _replace(file, zlib.compress(head + content, 1))
        return name

    def contents(self, wanted: Sequence[str]) -> list[bytes | None]:
        """The objects that were asked for, None for those that are not there; each is checked against its name."""
        said = "".join(f"{name}\n" for name in wanted).encode()
        answer = self._remote.run("cat-file", "--batch", at=self._path, said=said)
        found: list[bytes | None] = []
        rest = memoryview(answer.out)
        for _ in wanted:
            head, _, _ = bytes(rest[:300]).partition(b"\n")
            fields = head.split()
            if len(fields) != 3 or not fields[2].isdigit():
                if not head.endswith(b" missing"):
                    raise self.damage(answer.words)
                found.append(None)
                rest = rest[len(head) + 1 :]
                continue
            content = bytes(rest[len(head) + 1 : len(head) + 1 + int(fields[2])])
            name = fields[0].decode()
            if _named(_algorithm(name), fields[1], content)[1] != name:
                raise self.damage(answer.words)
            found.append(content)
            rest = rest[len(head) + 2 + len(content) :]
        return found

    def damage(self, words: str) -> Damaged:
        """The error for what only a damaged cache says."""
        what = f"its copy in {self._path} was damaged, and was removed: {words}"
        return Damaged(Unreachable(f"The {self._remote.shown} cannot be read: {what}.", "Try again."))

    def _wait_for_push(self) -> None:
        """Wait for a push that has outlived the process which began it: git has the file open, and so the lock."""
        with suppress(FileNotFoundError):
            held = os.open(self._pushing, os.O_RDWR)
            try:
                _locked(held)
            finally:
                self._pushing.unlink()
                os.close(held)

    def _is_ours(self) -> bool:
        try:
            return not self._path.is_symlink() and (self._path / "stamp").read_text() == self._born()
        except (OSError, ValueError):
            return False

    def _born(self) -> str:
        state = os.lstat(self._path / "born")
        return f"{state.st_dev} {state.st_ino} {state.st_ctime_ns}"


class Place:
    """Where the caches of one log are: in `.reconciler/git`, below what was the working directory at first."""

    def __init__(self, remote: Remote, log: str) -> None:
        self._remote = remote
        self._log = log
        self._folder = remote.folder / ".reconciler" / "git"
        self._number = 0

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self._path.exists()

    @contextmanager
    def used(self) -> Iterator[Cache]:
        """A cache for nobody else as long as it is used; its folder is made if need be.

        Whoever meets one that stays in use, because a process was stopped or hangs, goes on with the next one.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(self._folder / ".gitignore"):
                (self._folder / ".gitignore").write_text("*\n")
            while True:
                lock = self._path.with_suffix(".lock")
                held = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
                try:
                    if _locked(held):
                        yield Cache(self._remote, self._path)
                        return
                finally:
                    os.close(held)
                self._number += 1
        except OSError as error:
            raise StateError(
                f"The {self._remote.shown} cannot be used: its cache in {self._folder} fails: {error.strerror}.",
                "Check that the folder may be written and that there is room, or remove it.",
            ) from error

    @property
    def _path(self) -> Path:
        """Another one for each remote and log."""
        where = f"{shown(self._remote.url)}\n{self._log}".encode(errors="surrogateescape")
        return self._folder / f"{hashlib.sha256(where).hexdigest()[:32]}-{self._number}.git"


def _locked(held: int) -> bool:
    """Get the lock on an open file, which ends with whoever has it; False when that takes too long."""
    if os.name != "posix":
        return True
    import fcntl

    until = time.monotonic() + _WAIT
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_TICK)


def _algorithm(name: str) -> str:
    """Which kind of names a repository has that has this one."""
    return "sha256" if len(name) == 64 else "sha1"


def _named(algorithm: str, kind: bytes, content: bytes) -> tuple[bytes, str]:
    """What stands before an object's content, and the object's name."""
    head = b"%s %d\0" % (kind, len(content))
    digest = hashlib.new(algorithm, head, usedforsecurity=False)
    digest.update(content)
    return head, digest.hexdigest()


def _replace(file: Path, content: bytes) -> None:
    beside = file.with_name(f"tmp_{os.urandom(8).hex()}")
    beside.write_bytes(content)
    beside.replace(file)
