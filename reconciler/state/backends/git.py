"""State in a git remote: nothing but a repository is needed, the one of the manifests for example.

`refs/reconciler/<project>/<environment>` is a line of commits, one for each batch: its tree holds the file `batch`, and
its message begins with `Position N of LOG`.  A log that was trimmed begins with a commit of a higher position.
`refs/reconciler-checkpoint/<project>/<environment>/<position>` is a commit without parents that holds `snapshot`: so
everybody sees how far it reaches before fetching it, and none of what it stands for has to be fetched.
Neither is a branch, so no clone has them.

Every push names the value of the ref that it replaces, so one of two writers is refused; a push that fails is looked up
before anything is said about it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from reconciler.model.errors import Conflict, StateError, Unreachable
from reconciler.state.backends.git_remote import Answer, Remote

_PAGE: Final = 200  # batches that are read at once
_TRIES: Final = 5  # how often others may append while the log is looked at or trimmed
_WHO: Final = "reconciler <reconciler@localhost>"


class Commit(NamedTuple):
    """One commit of a log, and the tree that holds its batch."""

    position: int
    name: str
    tree: str


class GitBackend:
    """One log in a git remote; a Backend.

    A log that has lost what this object saw of it, or all but its checkpoints, is refused.  Needs git 2.31.
    """

    def __init__(self, remote: str, log: str) -> None:
        name = "/".join(quote(part, safe="").replace(".", "%2E").replace("~", "%7E") for part in log.split("/"))
        self._ref = f"refs/reconciler/{name}"
        self._checkpoints = f"refs/reconciler-checkpoint/{name}/"
        self._remote = Remote(remote, [f"+{self._ref}:refs/log", f"+{self._checkpoints}*:refs/checkpoint/*"])
        self._subject = re.compile(f"Position ([1-9][0-9]{{0,8}}) of {re.escape(name)}")
        self._mine = re.compile(f"{re.escape(self._ref)}|{re.escape(self._checkpoints)}[1-9][0-9]{{0,8}}")
        self._name = name
        self._tip: Commit | None = None  # the end of the log, as it was seen

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says."""
        with self._remote.used():
            at, commits = self._look(self._refs(), after if after >= 0 else ~after, shorter=after >= 0)
            if at is None:
                return None, self._batches(self._remote.path, commits) if commits else ()
            (snapshot,) = self._remote.contents(self._remote.path, [f"refs/checkpoint/{at}:snapshot"])
            return (at, snapshot or b""), self._batches(self._remote.path, commits)

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the remote has said that it took the commit."""
        with self._remote.used():
            if self._tip is None or self._tip.position != position - 1 or not self._remote.fetched:
                self._look(self._refs(), position - 1)
            for _ in range(_TRIES):
                if (self._tip.position if self._tip else 0) != position - 1:
                    raise Conflict(f"Position {position} of the log in the {self._remote.shown} is not free.")
                old = self._tip.name if self._tip else ""
                made, blob = self._put(position, "Position", "batch", batch, old)
                answer = self._remote.push(f"{made.name}:{self._ref}", old=(self._ref, old))
                if answer.code == 0:
                    self._tip = made
                elif not self._is_there(made, old, answer):
                    continue  # somebody has appended or trimmed
                self._remote.sync(self._ref, made.name, made.tree, blob)
                return
        raise Unreachable(f"The {self._remote.shown} changes faster than it can be written.", "Try again.")

    def _is_there(self, made: Commit, old: str, answer: Answer) -> bool:
        """Whether a commit is in the log whose push failed; raises why it failed when the log is as it was."""
        try:
            refs = self._refs()
        except StateError as error:
            what = f"Nobody knows whether position {made.position} was taken: {error.message}"
            raise Unreachable(what, error.hint) from error
        if refs.get(self._ref, "") == old:
            raise self._remote.failure(f"did not take position {made.position}", answer)
        return made in self._look(refs, made.position - 1)[1][:1]

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        with self._remote.used():
            older = [f":{self._checkpoints}{at}" for at in self._positions(self._refs()) if at < position]
            made, _ = self._put(position, "Checkpoint", "snapshot", snapshot)
            answer = self._remote.push(f"+{made.name}:{self._checkpoints}{position}", *older)
            if answer.code:
                raise self._remote.failure("did not take a checkpoint", answer)
            self._remote.local("gc", "--auto", "--quiet")

    def trim(self, position: int) -> None:
        """As the port says: the commits from `position` on are made anew, the first of them without a parent."""
        with self._remote.used():
            for _ in range(_TRIES):
                commits = self._look(self._refs(), position - 1)[1]
                if not commits or commits[0].position != position:
                    return
                whole = ("--no-data", "--refspec=refs/log:refs/trimmed", f"--max-count={len(commits)}", "refs/log")
                self._remote.local("fast-import", "--quiet", "--force", said=self._remote.local("fast-export", *whole))
                tip = self._listed(1, "refs/trimmed")[0]
                answer = self._remote.push(f"{tip.name}:{self._ref}", old=(self._ref, commits[-1].name))
                if answer.code == 0:
                    self._remote.sync(self._ref, *(f"{number:02x}" for number in range(256)))
                    self._tip = tip
                    return
                failure = self._remote.failure("did not let go of what was archived", answer)
                if not isinstance(failure, Unreachable):
                    raise failure
        raise failure

    def close(self) -> None:
        """Remove what was fetched; it is fetched again if need be."""
        self._remote.discard()

    def _refs(self) -> Mapping[str, str]:
        """The refs of this log, as they are now."""
        return {ref: name for ref, name in self._remote.refs().items() if self._mine.fullmatch(ref)}

    def _positions(self, refs: Mapping[str, str]) -> Sequence[int]:
        """The positions of the checkpoints."""
        return [int(ref.rpartition("/")[2]) for ref in refs if ref != self._ref]

    def _look(
        self, refs: Mapping[str, str], after: int, *, shorter: bool = False
    ) -> tuple[int | None, Sequence[Commit]]:
        """The commits behind `after`, or (`shorter`) behind the newest checkpoint behind that, and which it is.

        Raises StateError when they are no line, or when batches that were seen are gone, and not by trimming.
        """
        seen = self._tip
        known = [at for at in self._positions(refs) if at > after] if shorter else []
        if self._ref not in refs:
            self._check(0, max([seen.position if seen else 0, *self._positions(refs)]))
            return None, ()
        depth = 1 if (after or known) and not self._remote.fetched else 0
        for _ in range(_TRIES):
            if depth or refs != self._remote.fetched:
                self._remote.fetch(depth)
                self._remote.fetched = refs
            (tip,) = self._listed(1)
            base = max([after, *(at for at in known if at <= tip.position)])
            first = min(base, tip.position, seen.position - 1 if seen else base)
            commits = self._listed(tip.position - first)
            if not commits or commits[0].position <= first + 1 or not self._remote.is_cut(commits[0].name):
                break
            depth = tip.position - first
        else:
            raise Unreachable(f"The {self._remote.shown} changes faster than it can be read.", "Try again.")
        self._check(tip.position, seen.position if seen else 0)
        if seen and any(commit.position == seen.position and commit.tree != seen.tree for commit in commits):
            raise self._wrong(f"has lost a part of the log: position {seen.position} is not what was seen there before")
        self._tip = tip
        wanted = [commit for commit in commits if commit.position > base]
        found = base in known and (not wanted or wanted[0].position == base + 1)
        return base if found else None, wanted

    def _listed(self, count: int, end: str = "refs/log") -> Sequence[Commit]:
        """The last commits, at most so many, in order."""
        line = ("rev-list", "--reverse", f"--max-count={count}", "--format=%H%x00%T%x00%P%x00%s", end)
        said = self._remote.local(*line).decode(errors="replace").split("\n")[1::2] if count else []
        commits: list[Commit] = []
        for name, tree, parents, subject in (each.split("\0", 3) for each in said):
            match = self._subject.fullmatch(subject)
            if match is None:
                raise self._wrong(f"holds no log: the commit {name[:12]} is none of its own")
            commit = Commit(int(match[1]), name, tree)
            if commits and (commit.position, parents) != (commits[-1].position + 1, commits[-1].name):
                raise self._wrong(f"holds a damaged log: the commit of position {commit.position} follows another one")
            commits.append(commit)
        if count and not commits:
            raise self._wrong(f"holds no log: {self._ref} leads to no commit")
        return commits

    def _check(self, end: int, seen: int) -> None:
        """Raise StateError when the log ends before what somebody has seen of it."""
        if end < seen:
            raise self._wrong(
                f"has lost a part of the log: it ends at position {end}, but position {seen} was seen there before"
            )

    def _batches(self, at: Path, commits: Sequence[Commit]) -> Iterator[tuple[int, bytes]]:
        """The batches of these commits, some at a time."""
        for start in range(0, len(commits), _PAGE):
            page = commits[start : start + _PAGE]
            with self._remote.used():
                found = self._remote.contents(at, [f"{commit.tree}:batch" for commit in page])
            for commit, batch in zip(page, found, strict=True):
                if batch is None:
                    raise self._wrong(f"holds a damaged log: position {commit.position} holds no batch")
                yield commit.position, batch

    def _put(self, position: int, what: str, file: str, content: bytes, parent: str = "") -> tuple[Commit, str]:
        """Write a commit whose tree is one file; returns it, and the name of the file's content."""
        blob = self._remote.put("blob", content)
        tree = self._remote.put("tree", b"100644 %s\0" % file.encode() + bytes.fromhex(blob))
        who = f"{_WHO} {int(time.time())} +0000"
        head = f"tree {tree}\n" + (f"parent {parent}\n" if parent else "") + f"author {who}\ncommitter {who}\n"
        # The same batch by somebody else must not look like ours.
        said = f"{head}\n{what} {position} of {self._name}\n\n{secrets.token_hex(16)}\n"
        return Commit(position, self._remote.put("commit", said.encode()), tree), blob

    def _wrong(self, what: str) -> StateError:
        hint = f"Nothing was changed. Put {self._ref} back as it was, from a copy."
        return StateError(f"The {self._remote.shown} {what}.", hint)
