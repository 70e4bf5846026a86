"""What the suite must be able to do with a place for logs, and what all of its tests say about one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol, TypeAlias
from urllib.parse import urlsplit

import pytest

from reconciler.model.errors import Conflict, StateError
from reconciler.model.ports import Backend

LOG = "acme/default"

Row: TypeAlias = tuple[int, bytes]
Open: TypeAlias = Callable[..., Backend]


class Storage(Protocol):
    """One place for logs as a test needs it: the backend, and ways to do to it what must not happen."""

    @property
    def url(self) -> str:
        """What `StorageContract.opener` opens it by in another process."""
        ...

    def open(self, log: str = LOG) -> Backend:
        """Another handle on the same storage each time; closed after the test."""
        ...

    def overwrite(self, position: int, batch: bytes, log: str = LOG) -> None:
        """Put other bytes where a batch is, past the backend."""
        ...

    def remove(self, position: int, log: str = LOG) -> None:
        """Take a batch away, past the backend."""
        ...

    def overwrite_checkpoint(self, snapshot: bytes, log: str = LOG) -> None:
        """Put other bytes where the newest checkpoint is, past the backend."""
        ...

    def cut(self) -> AbstractContextManager[None]:
        """While inside, the storage is out of reach of handles that are open and of new ones."""
        ...

    def lose_answers(self) -> AbstractContextManager[None]:
        """While inside, what is asked for happens, but no answer comes back."""
        ...


class StorageContract:
    """What the parts of the suite share."""

    opener: ClassVar[str] = "reconciler.state.backends:open_backend"
    """`module:function` that another process calls with `Storage.url` and the name of a log, for a Backend."""

    @pytest.fixture
    def storage(self) -> Storage:
        """An empty place, its own for each test."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, storage: Storage) -> Open:
        """`Storage.open`."""
        return storage.open


def rows(backend: Backend, after: int = 0) -> list[Row]:
    """Every batch behind a position."""
    return list(backend.read(after)[1])


def refused(url: str, act: Callable[[], object]) -> StateError:
    """The StateError that an act must end in: a sentence, something to do about it, and no password."""
    with pytest.raises(StateError) as caught:
        act()
    error = caught.value
    assert error.message.endswith("."), error.message
    assert error.hint or isinstance(error, Conflict), f"nothing is said about what to do: {error.message}"
    assert (urlsplit(url).password or "\0") not in error.message + error.hint
    return error


def refused_all(url: str, acts: Sequence[Callable[[], object]], but: type[StateError]) -> None:
    """Each of the acts ends in a StateError, which is not one of another sort."""
    for act in acts:
        assert not isinstance(refused(url, act), but)
