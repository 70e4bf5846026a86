"""Who we are: fixed headers, or a bearer token that is fetched and renewed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

import httpx

from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.ports import Clock
from reconciler.model.values import JSON, Secret
from reconciler.transport.answer import read_json
from reconciler.transport.exchange import Failure, Reply, build
from reconciler.transport.pace import Patience, told_to_wait
from reconciler.transport.redact import Redactor

Exchange: TypeAlias = Callable[[httpx.Request], Awaitable[Reply]]
"""Sends one request; raises Failure."""

_EARLY: Final = 60.0  # seconds before its end at which a token counts as expired
_LIFETIME: Final = 300.0  # seconds; the shortest lifetime that service accounts can be given


class Credentials(Protocol):
    """Headers that say who we are."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must never be shown."""
        ...

    async def headers(self, exchange: Exchange, redactor: Redactor) -> Mapping[str, Secret]:
        """The headers of the next request.  Raises CredentialError or Unavailable."""
        ...

    def renew(self, used: Mapping[str, Secret]) -> bool:
        """These headers were refused; whether others can be had by asking again."""
        ...


class HeaderCredentials:
    """The same headers on every request."""

    def __init__(self, headers: Mapping[str, Secret]) -> None:
        self._headers = dict(headers)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(self._headers.values())

    async def headers(self, exchange: Exchange, redactor: Redactor) -> Mapping[str, Secret]:
        return self._headers

    def renew(self, used: Mapping[str, Secret]) -> bool:
        return False


def bearer(token: Secret) -> dict[str, Secret]:
    """The header of a bearer token."""
    return {"authorization": Secret(f"Bearer {token.reveal()}")}


class ClientCredentials:
    """A token by OAuth 2 client credentials, asked for in JSON, renewed before it expires.

    `token_url` has been checked against the trusted hosts.
    """

    def __init__(self, token_url: httpx.URL, client_id: str, client_secret: Secret, clock: Clock) -> None:
        self._url = token_url
        self._id = client_id
        self._secret = client_secret
        self._clock = clock
        self._lock = asyncio.Lock()
        self._current: dict[str, Secret] | None = None
        self._expires: datetime | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self._secret,)

    async def headers(self, exchange: Exchange, redactor: Redactor) -> Mapping[str, Secret]:
        async with self._lock:
            if self._current is None or self._expires is None or self._clock.wall() >= self._expires:
                self._current = None
                self._current = await self._fetch(exchange, redactor)
            return self._current

    def renew(self, used: Mapping[str, Secret]) -> bool:
        if self._current is used:
            self._current = None
        return True

    async def _fetch(self, exchange: Exchange, redactor: Redactor) -> dict[str, Secret]:
        body = {
            "grant_type": "client_credentials",
            "client_id": self._id,
            "client_secret": self._secret.reveal(),
        }
        headers = {"content-type": "application/json", "accept": "application/json"}
        patience = Patience(self._clock)
        while True:
            told = None
            try:
                reply = await exchange(build("POST", self._url, headers, json.dumps(body).encode()))
            except Failure as failure:
                problem, again = redactor.clean(failure.reason), True
            else:
                answer = read_json(reply)
                if reply.status == 200 and isinstance(answer, dict) and isinstance(answer.get("access_token"), str):
                    return self._accept(answer, redactor)
                problem, again = f"answered {reply.status}", reply.status >= 500 or reply.status == 429
                told = told_to_wait(reply.headers, answer, self._clock.wall())
                if reply.status in (400, 401, 403):
                    raise CredentialError(
                        f"{self._url.host} refused the client id and secret ({problem})",
                        "check both, and that the account still exists",
                    )
            if not (again and await patience.after_failure(told)):
                raise Unavailable(f"no token could be had from {self._url.host}: {problem}")

    def _accept(self, answer: Mapping[str, JSON], redactor: Redactor) -> dict[str, Secret]:
        token = Secret(answer["access_token"])
        redactor.add(token)
        if not is_header_text(token.reveal()):
            raise Unavailable(f"the token from {self._url.host} cannot be put into a header")
        lifetime = answer.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else _LIFETIME
        early = min(_EARLY, seconds / 5)
        self._expires = self._clock.wall() + timedelta(seconds=min(seconds - early, 30 * 86400))
        return bearer(token)


def is_header_text(text: str) -> bool:
    """Whether a text can be the value of a header as it is."""
    return text.isascii() and text.isprintable() and text == text.strip() != ""
