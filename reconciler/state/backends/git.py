"""State in a git remote: nothing but a repository is needed, the one of the manifests for example.

What a log looks like there stands in `git_history`.  Every push names the value of the ref that it replaces, so one of
two writers is refused; a push whose answer is lost is looked up before anything is said about it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import Final

from reconciler.model.errors import Conflict, StateError, Unreachable
from reconciler.state.backends.git_cache import Cache, Damaged, Place, Tip
from reconciler.state.backends.git_history import CHECKPOINTS, History, Wrong
from reconciler.state.backends.git_remote import LONG, NAME, Answer, Remote

_END: Final = 1 << 62  # behind every batch
_PAGE: Final = 200  # batches that are read at once
_TRIES: Final = 5  # how often others may append while the log is trimmed
_WHO: Final = "reconciler <reconciler@localhost>"
_FLUSHED: Final = "git -c core.fsync=all -c receive.autogc={} receive-pack"


class GitBackend:
    """One log in a git remote; a Backend.

    Reading an empty log creates nothing; else what was fetched is kept in `.reconciler/git`.  A log that has lost what
    was seen of it from there is refused.  Needs git 2.31.
    """

    def __init__(self, remote: str, log: str) -> None:
        self._remote = Remote(remote)
        self._history = History(self._remote, log)
        self._place = Place(self._remote, self._history.name)

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says; `after` below zero leaves the checkpoint out."""
        if not self._place.exists and not self._history.exists():
            return None, ()
        with self._used() as cache:
            view = self._history.look(cache, max(after, 0), shorter=after >= 0)
            if view.checkpoint is None:
                return None, self._batches(cache, view.commits)
            (snapshot,) = cache.contents([f"{CHECKPOINTS}{view.checkpoint}:snapshot"])
            if snapshot is not None:
                return (view.checkpoint, snapshot), self._batches(cache, view.commits)
            return None, self._batches(cache, self._history.look(cache, max(after, 0)).commits)  # it only saved time

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the remote has said that it took the commit."""
        said = _said(f"Position {position} of {self._history.name}")
        with self._used() as cache:
            answer = self._try(cache, position, batch, said)
            if answer is not None and not answer.rejected:
                cache.discard()  # it may be what fails
                answer = self._try(cache, position, batch, said)
        if answer is not None:
            raise self._remote.failure(f"did not take position {position}", answer)

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        with self._used() as cache:
            older = [f":{self._history.checkpoint(at)}" for at in self._history.checkpoints() if at < position]
            if not cache.exists:
                cache.make()
            commit, _ = _put(cache, "snapshot", snapshot, "", _said(f"Checkpoint {position} of {self._history.name}"))
            answer = self._push(cache, f"+{commit}:{self._history.checkpoint(position)}", *older, collect=True)
            if answer.code:
                raise self._remote.failure("did not take a checkpoint", answer)
            cache.run("gc", "--auto", "--quiet", patience=LONG)

    def trim(self, position: int) -> None:
        """As the port says: the commits from `position` on are made anew, the first of them without a parent."""
        with self._used() as cache:
            for _ in range(_TRIES):
                view = self._history.look(cache, position - 1)
                if view.tip is None or not view.commits or view.commits[0].position != position:
                    return
                commit = _without_parent(cache, view.commits)
                if commit is None:
                    return
                answer = self._push(cache, f"{commit}:{self._history.ref}", old=view.tip.commit, collect=True)
                if answer.code == 0:
                    self._remote.sync(self._history.ref, cache.written)
                    self._history.saw(cache, view.tip._replace(commit=commit))
                    return
                if answer.lasting:
                    break
            raise self._remote.failure("did not let go of what was archived", answer)

    def close(self) -> None:
        """Nothing is held between two calls."""

    @contextmanager
    def _used(self) -> Iterator[Cache]:
        with self._place.used() as cache:
            try:
                yield cache
            except Damaged as damaged:
                cache.discard()
                raise damaged.error from damaged

    def _try(self, cache: Cache, position: int, batch: bytes, said: str) -> Answer | None:
        """Append a batch; the answer to the push when the log is as it was before that.  Raises Conflict, and
        Unreachable when nobody knows."""
        old = cache.tip
        if old is None or old.position != position - 1:
            old = self._history.look(cache, _END).tip
        if (old.position if old else 0) != position - 1:
            raise self._conflict(position)
        if not cache.exists:
            cache.make()
        parent = old.commit if old else ""
        made = Tip(position, *_put(cache, "batch", batch, parent, said))
        answer = self._push(cache, f"{made.commit}:{self._history.ref}", old=parent)
        if answer.code == 0:
            self._remote.sync(self._history.ref, cache.written)
            self._history.saw(cache, made)
            return None
        try:
            view = self._history.look(cache, position - 1)
        except Wrong:
            raise
        except StateError as error:
            what = f"Nobody knows whether position {position} was taken: {error.message}"
            raise Unreachable(what, error.hint) from error
        if made in view.commits[:1]:
            return None
        if view.tip != old:
            raise self._conflict(position)
        return answer

    def _push(self, cache: Cache, *refs: str, old: str | None = None, collect: bool = False) -> Answer:
        """Push; `old` is the value that the log's ref must have, empty for none.  Only with `collect` may a remote
        on this machine collect its garbage."""
        options = [] if old is None else [f"--force-with-lease={self._history.ref}:{old}"]
        if self._remote.local is not None:
            options.append(f"--receive-pack={_FLUSHED.format(str(collect).lower())}")
        return cache.push("--porcelain", *options, NAME, *refs)

    def _batches(self, cache: Cache, commits: Sequence[Tip], *, again: bool = False) -> Iterator[tuple[int, bytes]]:
        """The batches of these commits, some at a time; from a new cache when the old one is gone or damaged."""
        for start in range(0, len(commits), _PAGE):
            page = commits[start : start + _PAGE]
            found: Sequence[bytes | None] = ()
            with suppress(Damaged):
                found = cache.contents([f"{commit.tree}:batch" for commit in page])
            whole = [batch for batch in takewhile(lambda batch: batch is not None, found) if batch is not None]
            yield from zip((commit.position for commit in page), whole, strict=False)
            if len(whole) < len(page):
                yield from self._anew(page[len(whole)].position, again=again)
                return

    def _anew(self, position: int, *, again: bool) -> Iterator[tuple[int, bytes]]:
        """The batches from a position on, which was not in the cache."""
        if again:
            raise self._history.damaged(f"position {position} holds no batch")
        with self._used() as cache:
            cache.discard()
            view = self._history.look(cache, position - 1)
        if not view.commits or view.commits[0].position != position:
            raise Unreachable(f"The {self._remote.shown} was trimmed while it was read.", "Try again.")
        yield from self._batches(cache, view.commits, again=True)

    def _conflict(self, position: int) -> Conflict:
        return Conflict(f"Position {position} of the log in the {self._remote.shown} is not free.")


def _said(subject: str) -> str:
    """The end of a commit: who and when, and a message that no other commit has, for the same batch by somebody else
    must not look like ours."""
    who = f"{_WHO} {int(time.time())} +0000"
    return f"author {who}\ncommitter {who}\n\n{subject}\n\n{secrets.token_hex(16)}\n"


def _put(cache: Cache, file: str, content: bytes, parent: str, said: str) -> tuple[str, str]:
    """Write a commit whose tree is one file; returns the names of both."""
    tree = cache.put("tree", b"100644 %s\0" % file.encode() + bytes.fromhex(cache.put("blob", content)))
    follows = f"parent {parent}\n" if parent else ""
    return cache.put("commit", f"tree {tree}\n{follows}{said}".encode()), tree


def _without_parent(cache: Cache, commits: Sequence[Tip]) -> str | None:
    """Write commits again, the first one without its parent, and return the last; None if it has none."""
    parent = b""
    for start in range(0, len(commits), _PAGE):
        for content in cache.contents([commit.commit for commit in commits[start : start + _PAGE]]):
            if content is None:
                raise cache.damage("a commit is missing")
            tree, _, rest = content.partition(b"\n")
            if not rest.startswith(b"parent "):
                return None
            said = rest.partition(b"\n")[2]
            parent = b"parent %s\n" % cache.put("commit", tree + b"\n" + parent + said).encode()
    return parent.split()[1].decode()
