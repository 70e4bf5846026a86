"""The proxy that other tests cut wires with: what it lets through, and what it does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from proxy import Proxy


class Echo:
    """A server that answers everything with itself."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.heard = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            try:
                while said := client.recv(1 << 16):
                    self.heard += said
                    client.sendall(said)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(*echo.listener.getsockname()) as made:
        yield made


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connected(proxy) as made:
        yield made


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=30)


def said(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    answer = b""
    while len(answer) < len(text) and (more := client.recv(1 << 16)):
        answer += more
    return answer


def test_everything_passes_until_it_is_told_otherwise(client: socket.socket) -> None:
    assert said(client, b"hello") == b"hello"
    large = b"0123456789" * 20_000
    assert said(client, large) == large
    client.shutdown(socket.SHUT_WR)
    assert client.recv(10) == b""


def test_a_cut_resets_what_is_there_and_what_comes(proxy: Proxy, client: socket.socket) -> None:
    assert said(client, b"hello") == b"hello"
    with proxy.cut():
        with pytest.raises(ConnectionError):
            client.recv(10)
        with pytest.raises(ConnectionError), connected(proxy) as other:
            said(other, b"hello")
    with connected(proxy) as other:
        assert said(other, b"again") == b"again"


def test_what_is_asked_for_happens_without_an_answer(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    assert said(client, b"hello") == b"hello"
    with proxy.lose_answers():
        with pytest.raises(ConnectionError):
            said(client, b"do it")
        with connected(proxy) as other, pytest.raises(ConnectionError):
            said(other, b"and this")
    assert echo.heard == b"hellodo itand this"
    with connected(proxy) as other:
        assert said(other, b"again") == b"again"


def test_only_the_answers_to_a_certain_request_are_lost(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    with proxy.lose_answers(to=b"COMMIT"):
        assert said(client, b"BEGIN") == b"BEGIN"
        assert said(client, b"COM") == b"COM"
        with pytest.raises(ConnectionError):
            said(client, b"MIT")
    assert echo.heard == b"BEGINCOMMIT"
