from __future__ import annotations

from collections.abc import Iterator

import pytest
from pipefy_sandbox import Pipefy

from reconciler.sandbox.store import Store


@pytest.fixture
def pipefy() -> Iterator[Pipefy]:
    store = Store(None)
    yield Pipefy(store)
    store.close()


@pytest.fixture
def open_pipefy() -> Iterator[Pipefy]:
    store = Store(None)
    yield Pipefy(store, authenticate=False)
    store.close()
