"""What a log in a git remote looks like, and looking at it: fetched, verified, and compared with what was seen before.

`refs/reconciler/<project>/<environment>` is a line of commits, one for each batch: its tree holds the file `batch`, and
its message begins with `Position N of LOG`.  A log that was trimmed begins with a commit of a higher position.
`refs/reconciler-checkpoint/<project>/<environment>/<position>` is a commit without parents that holds `snapshot`: so
everybody sees how far it reaches before fetching it, and none of what it stands for has to be fetched.
Neither is a branch, so no clone has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import quote

from reconciler.model.errors import StateError, Unreachable
from reconciler.state.backends.git_cache import Cache, Damaged, Tip
from reconciler.state.backends.git_remote import LONG, NAME, PATIENCE, Remote

CHECKPOINTS: Final = "refs/checkpoint/"  # in the cache, as the next
_LOG: Final = "refs/log"
_TRIES: Final = 5  # how often the log may change while it is looked at


class View(NamedTuple):
    """A log as it was seen: its end, the commits that were asked for, and the checkpoint that they follow."""

    tip: Tip | None = None
    commits: Sequence[Tip] = ()
    checkpoint: int | None = None


class Wrong(StateError):
    """What the remote holds is not a log, or not the one that was there."""


class History:
    """One log of a remote; `seen` is what its end was, as far as this object knows."""

    def __init__(self, remote: Remote, log: str) -> None:
        self.name = "/".join(quote(part, safe="").replace(".", "%2E").replace("~", "%7E") for part in log.split("/"))
        self.ref = f"refs/reconciler/{self.name}"
        self.seen: Tip | None = None
        self._checkpoints = f"refs/reconciler-checkpoint/{self.name}/"
        self._subject = re.compile(f"Position ([1-9][0-9]{{0,8}}) of {re.escape(self.name)}")
        self._remote = remote

    def exists(self) -> bool:
        """Ask the remote; raises StateError when the log was there before."""
        there = self.ref in self._remote.refs()
        if not there:
            self._check(self.seen, 0)
        return there

    def checkpoint(self, position: int) -> str:
        """The ref of a checkpoint."""
        return f"{self._checkpoints}{position}"

    def checkpoints(self) -> Sequence[int]:
        """The positions of those that the remote has."""
        return _positions(self._remote.refs(), self._checkpoints)

    def look(self, cache: Cache, after: int, *, shorter: bool = False) -> View:
        """The commits behind `after`, or (`shorter`) behind the newest checkpoint behind that.

        Raises StateError when they are no line, or when batches that were seen before are gone, and not by trimming.
        """
        try:
            return self._look(cache, after, shorter)
        except Damaged:
            cache.discard()
        return self._look(cache, after, shorter)

    def saw(self, cache: Cache, tip: Tip) -> None:
        """Remember the end of the log, so that it is missed when it is gone."""
        self.seen = cache.tip = tip

    def damaged(self, what: str) -> Wrong:
        """The error for commits that this program cannot have written."""
        hint = f"Nothing was changed. Restore {self.ref} from a copy."
        return Wrong(f"The {self._remote.shown} holds a damaged log: {what}.", hint)

    def _look(self, cache: Cache, after: int, shorter: bool) -> View:
        known = [tip for tip in (cache.tip, self.seen) if tip is not None]
        missing = 0
        for _ in range(_TRIES):
            if not self._fetch(cache, after, shorter, missing):
                for seen in known:
                    self._check(seen, 0)
                return View()
            tip, checkpoints = self._heads(cache)
            near = [at for at in checkpoints if after < at <= tip.position] if shorter else []
            base = min(max(near, default=after), tip.position)
            missing = tip.position - base
            commits = self._listed(cache, tip, min([base, *(seen.position - 1 for seen in known if seen != tip)]))
            if missing and commits[0].position > base + 1 and cache.ends_at(commits[0].commit):
                continue
            for seen in known:
                self._check(seen, tip.position)
                self._compare(cache, seen, commits)
            self.saw(cache, tip)
            wanted = commits[-missing:] if missing else ()
            follows = near and (not wanted or wanted[0].position == base + 1)
            return View(tip, wanted, base if follows else None)
        raise Unreachable(f"The {self._remote.shown} changes faster than it can be read.", "Try again.")

    def _fetch(self, cache: Cache, after: int, shorter: bool, depth: int) -> bool:
        """Bring the cache up to date, with `depth` commits if it has only the last ones; False when there is no log.
        A new cache gets the last one only, unless that is sure to be too little."""
        if not cache.exists:
            refs = self._remote.refs()
            if self.ref not in refs:
                return False
            cache.make()
            depth = 1 if after or (shorter and _positions(refs, self._checkpoints)) else 0
        answer = cache.run(
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--prune"),
            *([f"--depth={depth}"] if depth else []),
            *(NAME, f"+{self.ref}:{_LOG}", f"+{self._checkpoints}*:{CHECKPOINTS}*"),
            patience=PATIENCE if cache.is_recent and not depth else LONG,
        )
        if answer.code == 0:
            return True
        if self.ref not in self._remote.refs():
            return False
        raise Damaged(self._remote.failure("cannot be read", answer))

    def _heads(self, cache: Cache) -> tuple[Tip, Sequence[int]]:
        """The last commit of what was fetched, and the positions of the checkpoints."""
        lines = cache.lines("for-each-ref", "--format=%(refname) %(objectname) %(tree) %(contents:subject)")
        heads = {line.split(" ", 1)[0]: line for line in lines}
        if _LOG not in heads:
            raise cache.damage(f"{_LOG} is missing")
        _, commit, tree, subject = heads[_LOG].split(" ", 3)
        return self._tip(commit, tree, subject), _positions(heads, CHECKPOINTS)

    def _listed(self, cache: Cache, tip: Tip, after: int) -> Sequence[Tip]:
        """The commits behind a position, as far as they were fetched, in order."""
        if after >= tip.position:
            return ()
        wanted = ("--reverse", f"--max-count={tip.position - after}", "--format=%P%x00%T%x00%s")
        lines = iter(cache.lines("rev-list", *wanted, tip.commit))
        commits: list[Tip] = []
        for head, line in zip(lines, lines, strict=True):
            parents, tree, subject = line.split("\0", 2)
            found = self._tip(head.removeprefix("commit "), tree, subject)
            if commits and found.position != commits[-1].position + 1:
                raise self.damaged(f"position {commits[-1].position + 1} is missing")
            if " " in parents or (commits and parents != commits[-1].commit):
                raise self.damaged(f"position {found.position} follows more than one commit")
            commits.append(found)
        return commits

    def _tip(self, commit: str, tree: str, subject: str) -> Tip:
        said = self._subject.fullmatch(subject)
        if said is None:
            raise self.damaged(f"{self.ref} leads to the commit {commit[:12]}, which is none of its own")
        return Tip(int(said[1]), commit, tree)

    def _check(self, seen: Tip | None, last: int) -> None:
        """Raise StateError when the log ends before what was seen of it."""
        if seen is not None and last < seen.position:
            raise self._lost(f"it ends at position {last}, but position {seen.position} was seen there before")

    def _compare(self, cache: Cache, seen: Tip, commits: Sequence[Tip]) -> None:
        """Raise StateError when a batch that was seen before is another one now; what was trimmed is not missed."""
        at = seen.position - commits[0].position if commits else -1
        if at < 0 or commits[at] == seen:
            return
        line: Sequence[Tip] = [seen]
        with suppress(Damaged):  # another cache saw it
            line = self._listed(cache, seen, commits[0].position - 1)
        before = {tip.position: tip.tree for tip in line}
        for commit in commits[: at + 1]:
            if before.get(commit.position, commit.tree) != commit.tree:
                raise self._lost(f"position {commit.position} is not what was seen there before")

    def _lost(self, what: str) -> Wrong:
        hint = f"Put {self.ref} back. If it was replaced on purpose, remove .reconciler/git in {self._remote.folder}."
        return Wrong(f"The {self._remote.shown} has lost a part of the log: {what}.", hint)


def _positions(refs: Iterable[str], prefix: str) -> Sequence[int]:
    """The positions of the checkpoints among some refs."""
    found = (ref.removeprefix(prefix) for ref in refs if ref.startswith(prefix))
    return [int(position) for position in found if re.fullmatch("[1-9][0-9]{0,8}", position)]
