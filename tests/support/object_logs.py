"""Logs in a bucket of a real server, as `testing.backends.Storage` wants them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import quote

import obstore
import pytest
from proxy import Proxy

from reconciler.model.errors import StateError
from reconciler.model.ports import Backend
from reconciler.state.backends import objects, open_backend
from reconciler.testing.backends import LOG


class ObjectStorage:
    """A prefix of its own; `store` is the bucket past `proxy`, through which the handles go."""

    def __init__(self, scheme: str, bucket: str, store: Any, proxy: Proxy) -> None:
        self.prefix = f"t{uuid.uuid4().hex[:12]}"
        self.url = f"{scheme}://{bucket}/{self.prefix}"
        self.store = store
        self._proxy = proxy
        self._made: list[Backend] = []

    def open(self, log: str = LOG) -> Backend:
        self._made.append(open_backend(self.url, log))
        return self._made[-1]

    def close(self) -> None:
        for backend in self._made:
            backend.close()

    def key(self, name: str, log: str = LOG) -> str:
        """Where an object of a log is."""
        return f"{self.prefix}/{quote(log, safe='')}/{name}"

    def batch(self, position: int, log: str = LOG) -> str:
        """Where a batch is."""
        return self.key(f"log/{position:020}", log)

    def keys(self, folder: str = "", log: str = LOG) -> list[str]:
        """The names of all objects in a folder of a log."""
        start = self.key(folder, log)
        return sorted(found["path"].removeprefix(start) for found in obstore.list(self.store, start).collect())

    def put(self, key: str, data: bytes) -> None:
        """Put an object, whatever is there: deleted first, since some servers show for a while what was."""
        obstore.delete(self.store, [key])
        obstore.put(self.store, key, data, mode="create")
        while bytes(obstore.get(self.store, key).bytes()) != data:
            pass

    def overwrite(self, position: int, batch: bytes, log: str = LOG) -> None:
        self.put(self.batch(position, log), batch)

    def remove(self, position: int, log: str = LOG) -> None:
        obstore.head(self.store, self.batch(position, log))
        obstore.delete(self.store, [self.batch(position, log)])

    def overwrite_checkpoint(self, snapshot: bytes, log: str = LOG) -> None:
        name = max(name for name in self.keys("checkpoint/", log) if name.isdigit())
        self.put(self.key(f"checkpoint/{name}", log), snapshot)

    def cut(self) -> AbstractContextManager[None]:
        return self._proxy.cut()

    def lose_answers(self) -> AbstractContextManager[None]:
        return self._proxy.lose_answers()


@contextmanager
def stored(
    scheme: str, bucket: str, server: Any, variables: Callable[[int], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStorage]:
    """A prefix in a bucket of a server, behind a proxy whose port `variables` makes the environment of."""
    monkeypatch.setattr(objects, "_FRESH", 0.02)  # a trim waits only as long as the tests need
    with Proxy("127.0.0.1", server.port) as proxy:
        for name, value in variables(proxy.port).items():
            monkeypatch.setenv(name, value)
        made = ObjectStorage(scheme, bucket, server.store(), proxy)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def no_cloud_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the clouds that whoever runs the tests uses."""
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)


def refused(act: Any, *said: str) -> StateError:
    """The StateError that an act must end in: one line that says these words, and something to do about it."""
    with pytest.raises(StateError) as caught:
        act()
    error = caught.value
    assert all(word in error.message for word in said), error.message
    assert error.message.endswith(".")
    assert error.hint
    assert "\n" not in error.message + error.hint
    assert error.__cause__ is None
    assert "secret" not in error.message.lower()
    return error
