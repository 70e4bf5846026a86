"""Azurite, Microsoft's own emulator of Azure Blob Storage, on loopback; it comes from npm as `azurite`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Final

import pytest
from obstore.store import AzureStore

CONTAINER: Final = "logs"
ACCOUNT: Final = "acme"
KEY: Final = base64.b64encode(b"owner-secret").decode()
_PATIENCE: Final = 60.0


class AzureServer:
    """One server with the container `logs` in the account `acme`."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = 0
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on a free port, and make the container."""
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as taken:
                self.port = int(taken.getsockname()[1])
            self._run()
            if self._answers():
                return
            self.stop()  # somebody else took the port meanwhile
        raise RuntimeError((self._folder / "told").read_text())

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

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

    def _run(self) -> None:
        with (self._folder / "told").open("wb") as told:
            self._process = subprocess.Popen(
                [
                    *(self._program, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--inMemoryPersistence"),
                    *("--disableTelemetry", "--skipApiVersionCheck", "--silent"),
                ],
                cwd=self._folder,
                env={**os.environ, "HOME": str(self._folder), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
            )

    def _answers(self) -> bool:
        until = time.monotonic() + _PATIENCE
        while self._process is not None and self._process.poll() is None and time.monotonic() < until:
            try:
                self._make_container()
            except urllib.error.HTTPError:
                raise
            except OSError:
                time.sleep(0.05)
            else:
                return True
        return False

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


@contextmanager
def running() -> Iterator[AzureServer]:
    """A new server, there as long as the context; skips the test where Azurite is not in the PATH."""
    program = shutil.which("azurite-blob") or pytest.skip("azurite-blob is not in the PATH: npm install azurite@3.35.0")
    folder = Path(tempfile.mkdtemp(prefix="az-"))
    server = AzureServer(program, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzureServer]:
    """One server for the tests of this process; each has a prefix of its own."""
    with running() as server:
        yield server


def environment(port: int) -> dict[str, str]:
    """The variables by which whoever uses state in Azure finds a server on loopback, and gets in."""
    return {
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
    }
