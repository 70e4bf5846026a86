"""Clients for one GraphQL endpoint: one that can only read, and one that can also mutate."""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Self

import httpx

from reconciler.model.errors import CredentialError, Locked, ReconcilerError, Unavailable
from reconciler.model.outcome import Cause, Doubtful, Refused
from reconciler.model.ports import Clock
from reconciler.model.values import JSONObject, Secret
from reconciler.transport import answer, download
from reconciler.transport.answer import Answer, Codes, Denied, Lost, Rejected, TurnedAway, Verdict
from reconciler.transport.auth import Credentials
from reconciler.transport.exchange import App, Failure, Lines, Permit, Reply, build, permitted
from reconciler.transport.hosts import TrustedHosts
from reconciler.transport.pace import MUTATION_WAIT, Pace, Patience
from reconciler.transport.redact import Redactor

_QUERY: Final = re.compile(r"\s*query\b")
_MUTATION: Final = re.compile(r"\s*mutation\b")
_TRANSIENT: Final = "INTERNAL_SERVER_ERROR"


class Reader:
    """Reads from one GraphQL endpoint; it has no way to send a mutation.

    `headers` are sent with every request beside the credentials and may change while the reader is in
    use.  `timeout` bounds each try in seconds, `concurrency` the requests in flight, `pace` their rate.
    With `app` everything is answered in this process.  `permit` is asked right before a mutation leaves, at each
    try.  Raises CredentialError when the endpoint is not trusted; no request is made by then.
    """

    def __init__(
        self,
        endpoint: str,
        hosts: TrustedHosts,
        credentials: Credentials,
        codes: Codes,
        *,
        timeout: float,
        concurrency: int,
        clock: Clock,
        headers: Mapping[str, str] | None = None,
        file_hosts: TrustedHosts | None = None,
        pace: Pace | None = None,
        app: App | None = None,
        permit: Permit = permitted,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._url = hosts.check(endpoint, "the credentials")
        self._file_hosts = file_hosts
        self._credentials = credentials
        self._codes = codes
        self._timeout = timeout
        self._clock = clock
        self._headers = {} if headers is None else headers
        self._pace = pace
        self._permit = permit
        self._jitter = jitter
        self._lines = Lines(concurrency, app)
        self._files = Lines(concurrency, app)
        self._redactor = Redactor(credentials.secrets)
        self._not_before = 0.0
        self.offset = timedelta()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lines.close()
        await self._files.close()

    async def query(self, document: str, variables: JSONObject, *, allow: Collection[str] | None = ()) -> Answer:
        """Run one query, again as often as is sensible.

        An answer with errors is returned only if the codes of all of them are in `allow` (None: any).  Raises
        Unavailable or CredentialError for everything else, and ValueError for what is not a query.
        """
        if not _QUERY.match(document):
            raise ValueError("only queries can be sent by a reading client")
        verdict = await self._converse(document, variables, Patience(self._clock, self._jitter), reading=True)
        host = self._url.netloc.decode("ascii")
        match verdict:
            case Answer() if verdict.data is not None and not verdict.errors:
                return verdict
            case Answer() if verdict.errors and (allow is None or all(error.code in allow for error in verdict.errors)):
                return verdict
            case Answer():
                raise Unavailable(f"{host} could not answer: {verdict.complaint or 'it sent no data'}")
            case Denied():
                raise CredentialError(f"{host} refused the credentials: {verdict.message}", _CREDENTIAL_HINT)
            case TurnedAway():
                raise Unavailable(f"{host} is too busy: {verdict.message}", "try again later")
            case Rejected():
                raise Unavailable(f"{host} refused to answer: {verdict.message}")
            case Lost():
                raise Unavailable(f"no answer from {host}: {verdict.reason}", "check the address, or try again later")

    def download(self, url: Secret) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream a file without credentials; raises LinkExpired or Unavailable."""
        return download.download(
            url, self._file_hosts or TrustedHosts(()), self._files, timeout=self._timeout, clock=self._clock
        )

    async def _converse(self, document: str, variables: JSONObject, patience: Patience, *, reading: bool) -> Verdict:
        """Try until there is something to say; what may have been executed is tried again only when `reading`."""
        body = json.dumps({"query": document, "variables": variables}, separators=(",", ":")).encode()
        renewed = False
        while True:
            verdict, used = await self._try(body, patience, permitted if reading else self._permit)
            match verdict:
                case Answer():
                    again = reading and _transient(verdict) and await patience.after_failure(None)
                case TurnedAway():
                    self._pause(verdict.told)
                    again = await patience.after_refusal(verdict.told)
                case Denied():
                    again = not renewed and self._credentials.renew(used)
                    renewed = True
                case Rejected():
                    again = False
                case Lost():
                    repeatable = verdict.again if reading else not verdict.sent
                    again = repeatable and await patience.after_failure(verdict.told)
            if not again:
                return verdict

    async def _try(self, body: bytes, patience: Patience, permit: Permit) -> tuple[Verdict, Mapping[str, Secret]]:
        used = await self._credentials.headers(self._exchange, self._redactor)
        headers = {name: secret.reveal() for name, secret in used.items()}
        fixed = {"content-type": "application/json", "accept": "application/json"}
        request = build("POST", self._url, {**fixed, **self._headers, **headers}, body)
        now = self._clock.wall().timestamp()
        ahead = max(self._not_before - now, 0.0 if self._pace is None else self._pace.delay(now))
        if ahead > 0 and not await patience.wait(ahead):
            return TurnedAway(ahead, "the service asked to wait longer than is sensible"), used
        try:
            reply = await self._exchange(request, permit)
        except Failure as failure:
            return Lost(self._redactor.clean(failure.reason), sent=failure.sent), used
        return answer.judge(reply, self._codes, self._redactor, self._clock.wall()), used

    async def _exchange(self, request: httpx.Request, permit: Permit = permitted) -> Reply:
        reply = await self._lines.send(request, self._timeout, permit)
        if (date := reply.headers.get("date")) is not None:
            self._learn_offset(date)
        return reply

    def _learn_offset(self, date: str) -> None:
        """Keep how far the service's clock is ahead of ours."""
        try:
            theirs = parsedate_to_datetime(date)
        except (ValueError, TypeError, IndexError, OverflowError):
            return
        self.offset = (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - self._clock.wall()

    def _pause(self, told: float | None) -> None:
        """Hold back everybody else's requests too: they would only be turned away as well."""
        if told is not None:
            self._not_before = max(self._not_before, self._clock.wall().timestamp() + told)


class Client(Reader):
    """Reads from and writes to one GraphQL endpoint."""

    async def mutate(self, document: str, variables: JSONObject) -> Answer | Refused | Doubtful:
        """Send one mutation, again only when it provably was not executed.

        That is: no byte of it left, or the service turned it away (429, RATE_LIMITED, 401 while the
        credentials can be renewed).  It waits at most MUTATION_WAIT seconds to be sent.  An Answer has data;
        errors beside them concern parts of the result.  Raises ValueError for what is not a mutation, Locked when
        `permit` raises it (nothing was done then), nothing else.
        """
        if not _MUTATION.match(document):
            raise ValueError("not a mutation")
        try:
            patience = Patience(self._clock, self._jitter, MUTATION_WAIT)
            verdict = await self._converse(document, variables, patience, reading=False)
        except Locked:
            raise
        except CredentialError as error:
            return Refused(Cause.CREDENTIALS, "CREDENTIALS", error.message)
        except ReconcilerError as error:
            return Refused(Cause.UNSENT, "UNSENT", error.message)
        return _outcome(verdict, self._codes, self._url.host)


def _outcome(verdict: Verdict, codes: Codes, host: str) -> Answer | Refused | Doubtful:
    outcome: Answer | Refused | Doubtful
    match verdict:
        case Answer():
            outcome = answer.refusal(verdict, codes) or verdict
        case Denied():
            outcome = Refused(Cause.CREDENTIALS, "CREDENTIALS", f"{host} refused the credentials: {verdict.message}")
        case TurnedAway():
            outcome = Refused(Cause.BUSY, "BUSY", f"{host} is too busy: {verdict.message}{_asked(verdict.told)}")
        case Rejected():
            outcome = Refused(Cause.SERVICE, verdict.code, f"{host} {verdict.message}")
        case Lost(sent=False):
            outcome = Refused(Cause.UNSENT, "UNSENT", f"{host} was never reached: {verdict.reason}")
        case Lost():
            outcome = Doubtful(f"{host}: {verdict.reason}")
    return outcome


def _asked(told: float | None) -> str:
    if told is None or told <= MUTATION_WAIT:
        return ""
    return f"; it asked to wait {told:.0f} s, and a change waits {MUTATION_WAIT:.0f} s at most: apply again then"


_CREDENTIAL_HINT: Final = "check that they are right, not expired, and belong to this organization"


def _transient(found: Answer) -> bool:
    return any(error.code == _TRANSIENT for error in found.errors)
