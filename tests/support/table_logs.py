"""Logs in the tables of a database, as `testing.backends.Storage` wants them; without what cuts it off."""

from __future__ import annotations

from abc import ABC, abstractmethod

from reconciler.model.ports import Backend
from reconciler.state.backends import open_backend
from reconciler.testing.backends import LOG


class TableStorage(ABC):
    """The database behind a state URL; its tables are `schema` and then `logs`, `batches` and `checkpoints`."""

    schema = ""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[Backend] = []

    @abstractmethod
    def _changed(self, statement: str, values: tuple[object, ...]) -> int:
        """How many rows a statement has changed, past the backend; `?` stands for a value."""

    def open(self, log: str = LOG) -> Backend:
        self.made.append(open_backend(self.url, log))
        return self.made[-1]

    def close(self) -> None:
        for backend in self.made:
            backend.close()

    def overwrite(self, position: int, batch: bytes, log: str = LOG) -> None:
        self._do("UPDATE {}batches SET batch = ? WHERE log = ? AND position = ?", batch, log, position)

    def remove(self, position: int, log: str = LOG) -> None:
        self._do("DELETE FROM {}batches WHERE log = ? AND position = ?", log, position)

    def overwrite_checkpoint(self, snapshot: bytes, log: str = LOG) -> None:
        self._do("UPDATE {}checkpoints SET snapshot = ? WHERE log = ?", snapshot, log)

    def _do(self, statement: str, *values: object) -> None:
        assert self._changed(statement.format(self.schema), values) == 1
