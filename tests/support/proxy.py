"""A TCP proxy on loopback that stands between a client and a real server, and fails on demand."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final

_TICK: Final = 0.02  # how often a thread that waits looks whether its connection still lives
_QUIET: Final = 0.2  # a server that says nothing more for so long has finished its answer
_CHUNK: Final = 1 << 16


class Proxy:
    """Passes bytes between `port` and a server, until told otherwise; a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TICK)
        self.port: int = self._listener.getsockname()[1]
        self.cutting = False
        self.losing: bytes | None = None
        self._closed = False
        self._live: list[_Connection] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._thread.join()
        self._listener.close()
        self._reset()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """While inside, no connection lives: the old ones are reset at the start, new ones at once."""
        with self._lock:
            self.cutting = True
        try:
            self._reset()
            yield
        finally:
            self.cutting = False

    @contextmanager
    def lose_answers(self, to: bytes = b"") -> Iterator[None]:
        """While inside, what a client sends arrives, but no answer to it comes back.

        On each connection, that begins as soon as the client has sent `to` while inside: a request that needs
        several round trips names what only the last one says (`COMMIT`, `POST `).  Once the server has answered
        and says nothing more, the connection is reset.
        """
        self.losing = to
        try:
            yield
        finally:
            self.losing = None

    def _accept(self) -> None:
        while not self._closed:
            with suppress(TimeoutError):
                client = self._listener.accept()[0]
                with self._lock:
                    self._live = [connection for connection in self._live if connection.lives]
                    if self.cutting:
                        _abort(client)
                    else:
                        self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server, timeout=5)
        except OSError:
            _abort(client)
        else:
            self._live.append(_Connection(self, client, server))

    def _reset(self) -> None:
        with self._lock:
            live, self._live = self._live, []
        for connection in live:
            connection.reset()


class _Connection:
    """One client and its connection to the server: a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._dead = threading.Event()
        self._lost = False  # an answer to what was asked now must not arrive
        for end in (client, server):
            end.settimeout(_TICK)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ways = [threading.Thread(target=way, daemon=True) for way in (self._up, self._down)]
        self._closer = threading.Thread(target=self._close, daemon=True)
        for thread in (*self._ways, self._closer):
            thread.start()

    @property
    def lives(self) -> bool:
        return self._closer.is_alive()

    def reset(self) -> None:
        self._dead.set()
        self._closer.join()

    def _up(self) -> None:
        said = b""
        for data in self._received(self._client):
            to = self._proxy.losing
            if to is None:
                said = b""
            elif not self._lost:
                said = said[-len(to) :] + data
                self._lost = to in said
            self._send(self._server, data)

    def _down(self) -> None:
        answered = 0.0
        for data in self._received(self._server, ticks=True):
            if not self._lost:
                self._send(self._client, data)
            elif data:
                answered = time.monotonic()
            elif answered and time.monotonic() - answered > _QUIET:
                break
        if self._lost:
            self._dead.set()

    def _received(self, end: socket.socket, *, ticks: bool = False) -> Iterator[bytes]:
        """What comes from one end until it says no more, which the other end is told; with `ticks`, also silence."""
        other = self._server if end is self._client else self._client
        while not self._dead.is_set():
            try:
                data = end.recv(_CHUNK)
            except TimeoutError:
                if ticks:
                    yield b""
                continue
            except OSError:
                self._dead.set()
                return
            if not data:
                if not self._lost or other is self._server:
                    with suppress(OSError):
                        other.shutdown(socket.SHUT_WR)
                return
            yield data

    def _send(self, end: socket.socket, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._dead.is_set():
            try:
                rest = rest[end.send(rest) :]
            except TimeoutError:
                continue
            except OSError:
                self._dead.set()

    def _close(self) -> None:
        for way in self._ways:
            way.join()
        if self._dead.is_set():
            _abort(self._client)
            _abort(self._server)
        else:
            self._client.close()
            self._server.close()


def _abort(end: socket.socket) -> None:
    """Close with a reset instead of a goodbye."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
