"""Numbered objects in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

A log is a folder, named like the log (percent-encoded, so that no two names share one), which holds

- `log/<position>`: one object a batch; positions have 20 digits
- `checkpoint/<position>`: snapshots, the last two
- `checkpoint/from-<position>`: where the log begins since its beginning was trimmed
- `probe`: put there before the first batch, to see whether the store refuses what is there already

Objects are created where there are none, and deleted when nobody needs them; nothing is ever overwritten.  Listings of
batches only save time: what they should show but do not is asked for.  A last batch that was deleted is missed by
whoever has seen it, and by everybody when nothing but a checkpoint is left; else the log looks as if it had never been
longer, so give nobody the permission to delete `log/` who does not archive.

A trim makes positions free again, and a batch may still arrive at one of them: its writer was stopped for a while, or
the network held it back.  It is in nobody's log, whoever holds the lease.  For whoever trims says where the log will
begin, and waits twice `_FRESH` before the first batch is deleted; and whoever has put or got a batch later than
`_FRESH` after a look at the beginning looks again, and a batch that is before it was neither written nor read.  So a
listing must show what was put twice `_FRESH` ago (S3, Google Cloud Storage and Azure promise: at once), and what the
wall clocks say does not matter.  What would matter is a virtual machine that is halted for so long while others
archive, and whose time stands still with it.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import takewhile
from typing import Final
from urllib.parse import quote

from reconciler.model.errors import Conflict, StateError, Unreachable
from reconciler.state.backends.objects_bucket import Bucket, place
from reconciler.state.ticks import ticks

_READERS: Final = 16  # requests at once
_AHEAD: Final = 64  # batches, and
_BYTES: Final = 32_000_000  # bytes that may be fetched before they are asked for
_TRIES: Final = 4
_KEPT: Final = 2  # checkpoints: whoever has just listed the older one can still read it
_PROBE: Final = b"Two puts of this object showed that the store refuses to overwrite what is there.\n"
_FRESH: Final = 0.5  # seconds for which somebody goes by where the log began; see above
_NEVER: Final = float("-inf")

_NAME: Final = re.compile(r"(from-)?([0-9]{20})")
_RESTORE: Final = "Restore the object from an older version or a copy of the bucket."


def s3(rest: str, log: str) -> ObjectBackend:
    """`s3://BUCKET/PREFIX`; needs the permissions s3:ListBucket, s3:GetObject, s3:PutObject and, to archive and to
    remove old checkpoints, s3:DeleteObject.  Conditions are sent as `If-None-Match: *`."""
    return ObjectBackend(*place("s3", rest), log)


def gs(rest: str, log: str) -> ObjectBackend:
    """`gs://BUCKET/PREFIX`; needs the role Storage Object User.  Conditions are sent as
    `x-goog-if-generation-match: 0`."""
    return ObjectBackend(*place("gs", rest), log)


def az(rest: str, log: str) -> ObjectBackend:
    """`az://CONTAINER/PREFIX` in the account AZURE_STORAGE_ACCOUNT_NAME; needs the role Storage Blob Data Contributor.
    Conditions are sent as `If-None-Match: *`."""
    return ObjectBackend(*place("az", rest), log)


class ObjectBackend:
    """One log in a bucket; a Backend.  Nothing is asked for before the first read or append."""

    def __init__(self, bucket: Bucket, prefix: str, log: str) -> None:
        self._bucket = bucket
        self._folder = f"{prefix}{quote(log, safe='')}/"
        self._where = f"the log {log} in {bucket.shown}"
        self._seen = 0  # the last position that is known to be taken, and since when nothing was trimmed behind it
        self._since = _NEVER

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says."""
        since = ticks()
        begin, kept = self._marks()
        found = self._newest([held for held in kept if held > after >= 0 and held >= begin])
        start = max(found[0] if found else after, ~after, begin - 1)
        known = max(begin, min(len(kept), 1), self._seen)
        return found, self._batches(start, known, since)

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the store has acknowledged the object."""
        begun, since = ticks(), self._since
        if position <= self._seen or position < 1:
            raise self._taken(position)
        if position == 1:
            self._start()
            since = begun
        elif position > self._seen + 1:
            if not self._bucket.has(self._batch(position - 1)):
                raise self._taken(position)
            since = _NEVER
        self._create(position, batch)
        if ticks() - since > _FRESH and self._marks()[0] > position:
            raise self._taken(position)
        self._seen, self._since = position, begun

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        """As the port says; older ones are deleted but for the last."""
        self._bucket.create(self._key("checkpoint/", position), snapshot)
        older = [kept for kept in self._marks()[1] if kept < position]
        self._bucket.delete([self._key("checkpoint/", kept) for kept in older[_KEPT - 1 :]])

    def trim(self, position: int) -> None:
        """As the port says; takes a second when there is something to delete."""
        begin, kept = self._marks()
        if position > max(begin, 1):
            if not self._bucket.has(self._batch(position)):
                return
            self._bucket.create(self._key("checkpoint/from-", position), b"")
            begin = position
        dropped = [self._batch(old) for old, _ in takewhile(lambda found: found[0] < begin, self._listed(0))]
        if dropped:
            time.sleep(2 * _FRESH)
        self._bucket.delete([*dropped, *(self._key("checkpoint/", held) for held in kept if held < begin)])

    def close(self) -> None:
        """As the port says; a later call opens it again."""
        self._bucket.close()

    def _batches(self, start: int, known: int, since: float) -> Iterator[tuple[int, bytes]]:
        """Every batch behind `start`, and no silence about one that is missing up to `known`."""
        end = start
        for position, batch in self._found(start):
            if batch is None:
                raise self._missing(position)
            if ticks() - since > _FRESH:
                since, begin = ticks(), self._marks()[0]
                if begin > position:
                    raise self._missing(position)
            yield position, batch
            end = position
        if end < known:
            raise self._missing(end + 1)
        if end >= self._seen and (end > start or start == self._seen):
            self._seen, self._since = end, since

    def _found(self, start: int) -> Iterator[tuple[int, bytes | None]]:
        """What is behind `start`, in order; a listing may be older than the log."""
        end = start
        for end, batch in self._fetched(self._positions(start)):
            yield end, batch
        while (batch := self._bucket.get(self._batch(end + 1))) is not None:
            end += 1
            yield end, batch

    def _positions(self, start: int) -> Iterator[tuple[int, int]]:
        """The positions behind `start` up to the last that is listed, all of them, and how many bytes each has."""
        wanted = start + 1
        for position, size in self._listed(start):
            while wanted <= position:
                yield wanted, size
                wanted += 1

    def _fetched(self, positions: Iterator[tuple[int, int]]) -> Iterator[tuple[int, bytes | None]]:
        """What is there, fetched side by side and not too far ahead."""
        ahead: deque[tuple[int, int, Future[bytes | None]]] = deque()
        pool = ThreadPoolExecutor(_READERS)
        try:
            while True:
                while len(ahead) < _AHEAD and sum(size for _, size, _ in ahead) <= _BYTES:
                    if (wanted := next(positions, None)) is None:
                        break
                    ahead.append((*wanted, pool.submit(self._bucket.get, self._batch(wanted[0]))))
                if not ahead:
                    return
                position, _, batch = ahead.popleft()
                yield position, batch.result()
        finally:  # waits for no thread: whoever was given up may be collected while the locks of `threading` are held
            pool.shutdown(wait=False, cancel_futures=True)

    def _newest(self, kept: Iterable[int]) -> tuple[int, bytes] | None:
        """The newest of these checkpoints whose batch is there."""
        for position in kept:
            if self._bucket.has(self._batch(position)):
                snapshot = self._bucket.get(self._key("checkpoint/", position))
                if snapshot is not None:
                    return position, snapshot
        return None

    def _marks(self) -> tuple[int, list[int]]:
        """Where the log begins (0 when nothing was trimmed), and the positions of the checkpoints, newest first."""
        names = (_NAME.fullmatch(name) for name, _ in self._bucket.listed(f"{self._folder}checkpoint/"))
        found = [(name[1], int(name[2])) for name in names if name]
        begin = max((position for mark, position in found if mark), default=0)
        return begin, sorted((position for mark, position in found if not mark), reverse=True)

    def _listed(self, start: int) -> Iterator[tuple[int, int]]:
        """Positions and sizes behind `start`, as the store lists them; what is no batch is refused, not passed over:
        it may be one with a wrong name."""
        folder = f"{self._folder}log/"
        for name, size in self._bucket.listed(folder, after=self._batch(start) if start else None):
            if not re.fullmatch("[0-9]{20}", name):
                raise self._damaged(f"it holds {folder}{name}, which is no batch", "Move that object elsewhere.")
            yield int(name), size

    def _start(self) -> None:
        """Make sure that a first batch may be put: the log is empty, and the store is one that can hold it."""
        begin, kept = self._marks()
        if begin or next(self._listed(0), None) is not None:
            raise self._taken(1)
        if kept:
            raise self._missing(1)
        probe = f"{self._folder}probe"
        if self._bucket.create(probe, _PROBE) and self._bucket.create(probe, _PROBE):
            raise StateError(
                f"{self._bucket.shown} puts an object where there is one although it is told not to, so two writers"
                " would overwrite each other.",
                "Keep the state in a store that honours If-None-Match: * in put requests; a newer version of this one"
                " may do so.",
            )

    def _create(self, position: int, batch: bytes) -> None:
        """Put a batch where there is none; raises Conflict where there is one."""
        for _ in range(_TRIES):
            if self._bucket.create(self._batch(position), batch):
                return
            if self._bucket.has(self._batch(position)):
                raise self._taken(position)
            # Amazon S3 also refuses when another put or delete of the same object is only under way.
        raise Unreachable(f"The store of {self._where} is busy at position {position}.", "Run it again.")

    def _key(self, name: str, position: int) -> str:
        return f"{self._folder}{name}{position:020}"

    def _batch(self, position: int) -> str:
        return self._key("log/", position)

    def _taken(self, position: int) -> Conflict:
        return Conflict(f"Position {position} of {self._where} is not free.")

    def _missing(self, position: int) -> StateError:
        if self._marks()[0] > position:
            return Unreachable(f"The beginning of {self._where} was archived while it was read.", "Run it again.")
        return self._damaged(f"position {position} is missing", _RESTORE)

    def _damaged(self, what: str, hint: str) -> StateError:
        return StateError(f"{self._where[0].upper()}{self._where[1:]} is damaged: {what}.", hint)
