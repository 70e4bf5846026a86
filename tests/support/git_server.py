"""Real git servers on loopback: the daemon, and smart HTTP that demands a header."""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CHUNK = 1 << 16


def make_bare(path: Path) -> Path:
    """Make an empty bare repository that may be read and pushed to over HTTP."""
    subprocess.run(["git", "init", "--quiet", "--bare", path], check=True)
    subprocess.run(["git", "-C", path, "config", "http.receivepack", "true"], check=True)
    return path


@contextmanager
def git_daemon(folder: Path) -> Iterator[int]:
    """Serve the repositories below a folder by `git daemon`, one process for each connection; gives the port."""
    command = ["git", "daemon", "--inetd", "--export-all", "--enable=receive-pack", f"--base-path={folder}", folder]

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            subprocess.run(command, stdin=self.request, stdout=self.request, stderr=subprocess.DEVNULL, check=False)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        yield from _served(server)


@contextmanager
def git_http(folder: Path, authorization: str) -> Iterator[int]:
    """Serve the repositories below a folder by `git http-backend`, to whoever sends the header; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self._body()
            if self.headers.get_all("Authorization", []) != [authorization]:
                self._answer("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="git"')], b"")
                return
            path, _, query = self.path.partition("?")
            environ = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REMOTE_USER": "ann",
            }
            done = subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True, check=False)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = [tuple(line.split(": ", 1)) for line in head.decode().splitlines()]
            status = dict(fields).get("Status", "200 OK")
            self._answer(status, [(key, value) for key, value in fields if key != "Status"], content)

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _answer(self, status: str, fields: list[tuple[str, ...]], content: bytes) -> None:
            code, _, reason = status.partition(" ")
            self.send_response(int(code), reason)
            for key, value in fields:
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        yield from _served(server)


def _served(server: socketserver.TCPServer) -> Iterator[int]:
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign] # clients that are killed
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
