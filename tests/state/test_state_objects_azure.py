"""What every backend promises, in Azure Blob Storage as Microsoft's own emulator has it."""

from __future__ import annotations

from collections.abc import Iterator

import azure_server as azure
import obstore
import pytest
from azure_server import AzureServer, azure_server
from object_logs import ObjectStorage, no_cloud_variables, refused, stored

from reconciler.model.errors import Unreachable, Usage
from reconciler.state.backends import WHOLE, open_backend
from reconciler.testing.backends import LOG, BackendContract, rows

__all__ = ["azure_server", "no_cloud_variables"]


@pytest.fixture
def storage(
    azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch, no_cloud_variables: None
) -> Iterator[ObjectStorage]:
    with stored("az", azure.CONTAINER, azure_server, azure.environment, monkeypatch) as made:
        yield made


class TestAzure(BackendContract):
    stride = 23

    @pytest.fixture
    def storage(self, storage: ObjectStorage) -> ObjectStorage:
        return storage


def test_deleting_what_is_gone_already_is_no_trouble(storage: ObjectStorage) -> None:
    backend = storage.open()
    for position in range(1, 6):
        backend.append(position, b"x")
    obstore.put(storage.store, storage.key("checkpoint/from-00000000000000000004"), b"", mode="create")
    storage.remove(2)
    backend.trim(4)
    assert [position for position, _ in rows(storage.open(), WHOLE)] == [4, 5]
    assert [int(name) for name in storage.keys("log/")] == [4, 5]


def test_whoever_is_not_let_in_is_told_so(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    for act in (lambda: rows(storage.open()), lambda: storage.open().append(1, b"a"), lambda: storage.open().trim(2)):
        refused(act, storage.url, "permission denied", "HTTP 403")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "not base64!")
    refused(lambda: rows(storage.open()), storage.url, "settings in the environment make no sense")


def test_a_container_that_is_not_there_is_named(storage: ObjectStorage) -> None:
    backend = open_backend("az://nowhere/x", LOG)
    for act in (lambda: rows(backend), lambda: backend.append(1, b"a")):
        assert not isinstance(refused(act, "az://nowhere/x", "is not there"), Unreachable)


def test_an_account_must_be_named(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(Usage) as caught:
        open_backend("az://logs/x", LOG)
    assert "AZURE_STORAGE_ACCOUNT_NAME" in caught.value.hint
