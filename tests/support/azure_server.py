"""Azurite, Microsoft's own emulator of Azure Blob Storage, on loopback; it comes from npm as `azurite`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from typing import Final

import pytest
from obstore.store import AzureStore
from own_server import OwnServer, started

CONTAINER: Final = "logs"
ACCOUNT: Final = "acme"
KEY: Final = base64.b64encode(b"owner-secret").decode()


class AzureServer(OwnServer):
    """One server with the container `logs` in the account `acme`."""

    def store(self) -> AzureStore:
        """The container as its owner has it, past every proxy."""
        return AzureStore(
            CONTAINER,
            account_name=ACCOUNT,
            account_key=KEY,
            endpoint=f"http://127.0.0.1:{self.port}/{ACCOUNT}",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def _launch(self) -> None:
        program = shutil.which("azurite-blob")
        assert program is not None
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = int(taken.getsockname()[1])
        self._begin(
            [
                *(program, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--inMemoryPersistence"),
                *("--disableTelemetry", "--skipApiVersionCheck", "--silent"),
            ],
            AZURITE_ACCOUNTS=f"{ACCOUNT}:{KEY}",
        )

    def _ready(self) -> bool:
        try:
            self._make_container()
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False
        return True

    def _make_container(self) -> None:
        """Create Container, authorised as "Authorize with Shared Key" of Azure's documentation describes."""
        date, version = formatdate(usegmt=True), "2021-12-02"
        said = f"x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
        signature = hmac.digest(base64.b64decode(KEY), ("PUT" + "\n" * 12 + said).encode(), hashlib.sha256)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{ACCOUNT}/{CONTAINER}?restype=container",
            method="PUT",
            headers={
                "x-ms-date": date,
                "x-ms-version": version,
                "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
            },
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - our own server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzureServer]:
    """One server for the tests of this process; each has a prefix of its own.  Skips without Azurite."""
    if shutil.which("azurite-blob") is None:
        pytest.skip("azurite-blob is not in the PATH: npm install azurite@3.35.0")
    with started(AzureServer) as server:
        yield server


def environment(port: int) -> dict[str, str]:
    """The variables by which whoever uses state in Azure finds a server on loopback, and gets in."""
    return {
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
    }
