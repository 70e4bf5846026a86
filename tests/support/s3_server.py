"""A real S3 server (SeaweedFS, from a package) on loopback, with identities that may do different things."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store
from own_server import OwnServer, started

BUCKET: Final = "logs"
_PARTS: Final = ("master", "volume", "filer", "s3", "admin")


class Identity(NamedTuple):
    """Who asks, as the credentials say."""

    key: str
    secret: str


OWNER: Final = Identity("OWNERKEY", "owner-secret")
READER: Final = Identity("READERKEY", "reader-secret")
STRANGER: Final = Identity("STRANGERKEY", "stranger-secret")
_MAY: Final = {
    OWNER: ["Admin", "Read", "Write", "List"],
    READER: [f"Read:{BUCKET}", f"List:{BUCKET}"],
    STRANGER: ["Read:elsewhere", "List:elsewhere"],
}


class S3Server(OwnServer):
    """One server with the bucket `logs`; `port` is where it speaks S3."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ports: list[int] = []

    def stop(self) -> None:
        super().stop()
        for port in self._ports:
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where it puts its sockets
                path.unlink(missing_ok=True)

    def store(self) -> S3Store:
        """The bucket as its owner has it, past every proxy."""
        return S3Store(
            BUCKET,
            endpoint=f"http://127.0.0.1:{self.port}",
            access_key_id=OWNER.key,
            secret_access_key=OWNER.secret,
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def _launch(self) -> None:
        identities = self._folder / "identities.json"
        identities.write_text(json.dumps({"identities": [_identity(who, may) for who, may in _MAY.items()]}))
        data = tempfile.mkdtemp(prefix="data", dir=self._folder)
        self._ports = _free_ports(2 * len(_PARTS))
        self.port = self._ports[_PARTS.index("s3")]
        names = [*(f"{part}.port" for part in _PARTS), *(f"{part}.port.grpc" for part in _PARTS)]
        self._begin(
            [
                *(str(Path(sys.executable).with_name("weed")), f"-logdir={self._folder}", "mini", f"-dir={data}"),
                *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.peers=none", "-master.telemetry=false"),
                *("-webdav=false", "-admin.ui=false", "-volume.max=8", f"-bucket={BUCKET}"),
                *(f"-s3.config={identities}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
                *("-s3.autoCreateBucket=false", "-s3.port.https=0"),
                *(f"-{name}={port}" for name, port in zip(names, self._ports, strict=True)),
            ]
        )

    def _ready(self) -> bool:
        with suppress(BaseError, FileNotFoundError):
            obstore.put(self.store(), f"ready/{time.monotonic_ns()}", b"")
            return True
        return False


def running() -> AbstractContextManager[S3Server]:
    """A new server, there as long as the context."""
    return started(S3Server)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for the tests of this process; each has a prefix of its own."""
    with running() as server:
        yield server


def environment(port: int, who: Identity = OWNER) -> dict[str, str]:
    """The variables by which whoever uses state in S3 finds a server on loopback, and gets in."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": who.key,
        "AWS_SECRET_ACCESS_KEY": who.secret,
        "AWS_REGION": "us-east-1",
    }


def _identity(who: Identity, may: list[str]) -> dict[str, object]:
    credentials = [{"accessKey": who.key, "secretKey": who.secret}]
    return {"name": who.key.lower(), "credentials": credentials, "actions": may}


def _free_ports(number: int) -> list[int]:
    """Ports that were free together a moment ago."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [int(one.getsockname()[1]) for one in taken]
