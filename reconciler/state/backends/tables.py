"""A log in the tables of an SQL database: what SQLite and PostgreSQL do alike.

`logs` holds how long each log is, so that a last row which is missing is missed; `batches` and `checkpoints` hold what
their names say.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

from reconciler.model.errors import Conflict, StateError, Unreachable

_READ: Final = """
    SELECT held.gone, held.last, coalesce(logs.position, 0), found.position, found.snapshot
    FROM (SELECT coalesce((SELECT min(position) - 1 FROM {at}batches WHERE log = :log), 0) AS gone,
        coalesce((SELECT max(position) FROM {at}batches WHERE log = :log), 0) AS last) AS held
    LEFT JOIN {at}logs AS logs ON logs.log = :log
    LEFT JOIN {at}checkpoints AS found ON found.log = :log
        AND :after >= 0 AND found.position > :after AND found.position BETWEEN held.gone AND logs.position
"""
_GONE: Final = "SELECT coalesce(min(position) - 1, 0) FROM {at}batches WHERE log = :log"
_CHECKPOINT: Final = """
    INSERT INTO {at}checkpoints AS held (log, position, snapshot) VALUES (:log, :position, :snapshot)
    ON CONFLICT (log) DO UPDATE SET position = excluded.position, snapshot = excluded.snapshot
    WHERE excluded.position > held.position
"""
_TRIM: Final = """
    DELETE FROM {at}batches WHERE log = :log AND position < :position
    AND position < (SELECT position FROM {at}logs WHERE log = :log)
"""


class Tables(ABC):
    """A Backend over such tables; a subclass makes them, and appends.

    `database` is where they are and `restore` what to do about damage, as people are told.  Every method serves one
    thread at a time.
    """

    page: ClassVar[str]
    """Asks for some batches behind `:after` up to `:last`, in order: at a time, so that no statement stays open while
    they are looked at."""

    def __init__(self, log: str, database: str, restore: str) -> None:
        self._log = log
        self._database = database
        self._restore = restore
        self._lock = threading.RLock()
        self._db: Any = None

    @abstractmethod
    def _used(self) -> AbstractContextManager[None]:
        """Around all that is done: one thread at a time, and what the library says becomes a sentence of ours."""

    @abstractmethod
    def _there(self) -> bool:
        """Whether the tables are there; StateError when they are not ours, or newer."""

    @abstractmethod
    def _do(self, statement: str, **values: object) -> Any:
        """The cursor of a statement about this log: `:name` stands for a value, `{at}` for where the tables are."""

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says."""
        with self._used():
            if not self._there():
                return None, ()
            ((gone, last, said, position, snapshot),) = self._do(_READ, after=after).fetchall()
        if last != said:
            raise self._too_short(said, last)
        found = (position, snapshot) if type(snapshot) is bytes else None  # what is none is damaged: it saves only time
        return found, self._batches(max(position if found else after, ~after, gone), last)

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        """As the port says; nothing when this was closed since the append that it follows."""
        with self._lock:
            if self._db is not None:
                with self._used():
                    self._do(_CHECKPOINT, position=position, snapshot=snapshot)

    def trim(self, position: int) -> None:
        """As the port says."""
        with self._used():
            if self._there() and self._do(_TRIM, position=position).rowcount:
                self._shrink()

    def close(self) -> None:
        """As the port says; a later call opens it again."""
        with self._lock:
            db, self._db = self._db, None
            if db is not None:
                db.close()

    def _shrink(self) -> None:  # noqa: B027 - a server sees to it itself
        """Give back the space of what was trimmed, where nobody else does."""

    def _batches(self, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        begun = False
        while after < last:
            for position, batch in self._some(after, last, begun):
                if type(position) is not int or type(batch) is not bytes:
                    raise self._refusal(f"is damaged: what follows position {after} is no batch", self._restore)
                yield position, batch
                after = position
            begun = True

    def _some(self, after: int, last: int, begun: bool) -> list[Any]:
        with self._used():
            page: list[Any] = self._do(self.page, after=after, last=last).fetchall()
            if not page or (begun and page[0][0] != after + 1):
                ((gone,),) = self._do(_GONE).fetchall()
                if gone > after:
                    raise Unreachable(f"The log in the {self._database} was archived while it was read.", "Try again.")
            if not page:
                raise self._too_short(last, after)
            return page

    def _taken(self, position: int) -> Conflict:
        return Conflict(f"Position {position} of the log {self._log} in the {self._database} is not free.")

    def _too_short(self, said: int, last: int) -> StateError:
        what = f"is damaged: the log {self._log} should end at {said}, but ends at {last}"
        return self._refusal(what, self._restore)

    def _refusal(self, what: str, hint: str, kind: type[StateError] = StateError) -> StateError:
        return kind(f"The {self._database} {what}.", hint)
