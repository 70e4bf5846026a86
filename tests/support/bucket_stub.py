"""An object store as no real server will be: it breaks its word, shows old listings, or answers what it is told.

It speaks as much of the XML API of S3 and Google Cloud Storage as a log needs, and is no proof that they take what it
takes; it shows what is sent to them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]


class Stub(ThreadingHTTPServer):
    """One bucket; `objects` is what is in it.

    `condition` is the header that keeps a put from overwriting, as (name, value); without it everything is overwritten.
    `hidden` are keys that listings do not show.  `canned` maps a method to statuses and codes it is answered with, one
    after the other, before it does anything again.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.condition: tuple[str, str] | None = ("if-none-match", "*")
        self.hidden: set[str] = set()
        self.canned: dict[str, list[tuple[int, str]]] = {}
        self.asked: list[Asked] = []
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Stub

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the base
        """Say nothing."""

    def _do(self) -> None:
        stub, address = self.server, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with stub.lock:
            stub.asked.append(Asked(self.command, unquote(address.path), headers))
            if canned := stub.canned.get(self.command):
                status, code = canned.pop(0)
                self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())
                return
            _, bucket, key = [*unquote(address.path).split("/", 2), ""][:3]
            assert bucket == "logs"
            if self.command == "GET" and not key:
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                self._answer(200, self._listing(query.get("prefix", ""), query.get("start-after", "")))
            else:
                self._answer(*self._object(key, body))

    do_GET = do_HEAD = do_PUT = do_DELETE = _do  # noqa: N815 - their names in the base

    def _object(self, key: str, body: bytes) -> tuple[int, bytes]:
        stub = self.server
        if self.command == "PUT":
            name, value = stub.condition or ("", "")
            if key in stub.objects and name and self.headers.get(name) == value:
                return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
            stub.objects[key] = body
            return 200, b""
        if key not in stub.objects:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        if self.command == "DELETE":
            del stub.objects[key]
            return 204, b""
        return 200, stub.objects[key]

    def _listing(self, prefix: str, after: str) -> bytes:
        found = sorted(key for key in self.server.objects if key.startswith(prefix) and key > after)
        shown = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-23T06:00:00.000Z</LastModified>"
            f"<ETag>a</ETag><Size>{len(self.server.objects[key])}</Size></Contents>"
            for key in found
            if key not in self.server.hidden
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{shown}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("ETag", '"a"')
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)


@contextmanager
def stub() -> Iterator[Stub]:
    """One that runs as long as the context."""
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
