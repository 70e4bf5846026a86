"""Who we are, and that nobody reads it."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.outcome import Cause, Refused
from reconciler.model.ports import LinkExpired, Undeliverable
from reconciler.model.values import Secret
from reconciler.transport.answer import Answer
from reconciler.transport.auth import ClientCredentials, HeaderCredentials, bearer, is_header_text
from reconciler.transport.client import Client
from reconciler.transport.hosts import TrustedHosts
from reconciler.transport.redact import Redactor

QUERY, MUTATION, GOOD = "query Q { x }", "mutation M { x }", {"data": {"x": 1}}
Make = Callable[..., Client]


def oauth(wire: SimpleNamespace, clock: Any, *script: Any) -> tuple[Any, Callable[[Any], ClientCredentials]]:
    """Behaviour by path: `/token` plays the script, everything else answers if the token is the newest."""
    issued: list[str] = []
    asked: list[Any] = []

    async def behave(seen: Any, writer: asyncio.StreamWriter) -> None:
        if seen.path == "/token":
            asked.append(json.loads(seen.body))
            step = script[min(len(asked), len(script)) - 1]
            if callable(step):
                return await step(seen, writer)
            issued.append(f"token-{len(issued)}")
            writer.write(wire.http(200, {"access_token": issued[-1], **step}))
        elif issued and seen.headers.get("authorization") == f"Bearer {issued[-1]}":
            writer.write(wire.http(200, GOOD))
        else:
            writer.write(wire.http(401, {"errors": [{"title": "Unauthorized"}]}))
        return None

    def credentials(server: Any) -> ClientCredentials:
        url = TrustedHosts((), "127.0.0.1").check(f"http://127.0.0.1:{server.port}/token", "the secret")
        return ClientCredentials(url, "id", Secret(wire.canary), clock)

    behave.asked, behave.issued = asked, issued  # type: ignore[attr-defined] -- the notes travel with the behaviour
    return behave, credentials


def test_a_token_is_had_once_and_renewed_before_it_ends(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    behave, credentials = oauth(wire, clock, {"expires_in": 300})

    async def scene() -> None:
        async with wire.serving(behave) as server, make(server, credentials=credentials(server)) as client:
            await asyncio.gather(*(client.query(QUERY, {}) for _ in range(5)))
            assert behave.issued == ["token-0"]
            await clock.sleep(239)
            await client.query(QUERY, {})
            assert behave.issued == ["token-0"]
            await clock.sleep(2)
            await client.query(QUERY, {})
            assert behave.issued == ["token-0", "token-1"]

    asyncio.run(scene())
    assert behave.asked[0] == {"grant_type": "client_credentials", "client_id": "id", "client_secret": wire.canary}


def test_a_refused_token_is_renewed_once_also_for_a_mutation(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    behave, credentials = oauth(wire, clock, {"expires_in": 300})

    async def scene() -> Any:
        async with wire.serving(behave) as server, make(server, credentials=credentials(server)) as client:
            await client.query(QUERY, {})
            behave.issued.append("revoked")
            return await client.mutate(MUTATION, {})

    assert asyncio.run(scene()) == Answer({"x": 1})


def test_a_token_that_is_never_taken_is_a_refusal(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    behave, credentials = oauth(wire, clock, {"expires_in": 300})

    async def other(seen: Any, writer: asyncio.StreamWriter) -> None:
        if seen.path == "/token":
            await behave(seen, writer)
        else:
            writer.write(wire.http(401, b""))

    async def scene() -> Any:
        async with wire.serving(other) as server, make(server, credentials=credentials(server)) as client:
            return await client.mutate(MUTATION, {}), len(server.seen)

    outcome, requests = asyncio.run(scene())
    assert isinstance(outcome, Refused)
    assert outcome.cause is Cause.CREDENTIALS
    assert requests == 4


@pytest.mark.parametrize(
    ("steps", "kind", "cause"),
    [
        ([(401, {"error": "invalid_client"})], CredentialError, Cause.CREDENTIALS),
        ([(400, b"")], CredentialError, Cause.CREDENTIALS),
        ([(500, b"")], Unavailable, Cause.UNSENT),
        ([(404, "<html>")], Unavailable, Cause.UNSENT),
        ([(200, {"access_token": "two\nlines"})], Unavailable, Cause.UNSENT),
        ([(200, {"nothing": 1})], Unavailable, Cause.UNSENT),
    ],
)
def test_no_token_no_request(
    wire: SimpleNamespace, make: Make, clock: Any, steps: Any, kind: type[Exception], cause: Cause
) -> None:
    behave, credentials = oauth(wire, clock, *(wire.reply(*step) for step in steps))

    async def scene() -> None:
        async with wire.serving(behave) as server, make(server, credentials=credentials(server)) as client:
            with pytest.raises(kind) as caught:
                await client.query(QUERY, {})
            assert wire.canary not in str(caught.value)
            outcome = await client.mutate(MUTATION, {})
            assert isinstance(outcome, Refused)
            assert outcome.cause is cause
            assert {seen.path for seen in server.seen} == {"/token"}

    asyncio.run(scene())


def test_a_passing_failure_of_the_token_server_passes(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    behave, credentials = oauth(wire, clock, wire.drop, wire.reply(503, b"", {"retry-after": "3"}), {"expires_in": 300})

    async def scene() -> Any:
        async with wire.serving(behave) as server, make(server, credentials=credentials(server)) as client:
            return await client.query(QUERY, {})

    assert asyncio.run(scene()) == Answer({"x": 1})
    assert max(clock.slept) >= 3


def test_nothing_that_can_be_read_holds_a_secret(
    wire: SimpleNamespace, make: Make, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = wire.canary
    echo = {
        "errors": [
            {"message": f"bad header {canary} and {quote(canary, safe='')} {b64encode(canary.encode()).decode()}"}
        ]
    }
    texts: list[str] = []

    async def scene() -> None:
        scripts = [wire.reply(200, echo), wire.reply(401, echo), wire.reply(500, echo), wire.drop]
        for script in scripts:
            async with wire.serving(script) as server, make(server) as client:
                texts.extend([repr(client), repr(vars(client)), repr(await client.mutate(MUTATION, {}))])
                try:
                    await client.query(QUERY, {})
                except (Unavailable, CredentialError) as error:
                    texts.extend([str(error), repr(error), error.hint, repr(error.__cause__)])
        url = "http://127.0.0.1:{}/file?expires_on=1&signature=" + quote(canary, safe="")
        for script in (
            wire.reply(403, b""),
            wire.reply(302, b"", {"location": f"https://evil.test/?signature={canary}"}),
            wire.drop,
        ):
            async with wire.serving(script) as server, make(server) as client:
                try:
                    async with client.download(Secret(url.format(server.port))):
                        pass
                except (Unavailable, LinkExpired, Undeliverable) as failure:
                    texts.extend([str(failure), repr(failure)])

    asyncio.run(scene())
    texts += [record.getMessage() for record in caplog.records]
    texts += capfd.readouterr()
    assert len(texts) > 20
    for text in texts:
        for spelling in (canary, quote(canary, safe=""), b64encode(canary.encode()).decode()):
            assert spelling not in text


@given(st.text(min_size=4), st.text(), st.text())
def test_known_secrets_are_taken_out(secret: str, before: str, after: str) -> None:
    blank = " ".join(secret.split()) != secret
    cleaned = Redactor([Secret(secret)]).clean(before + secret + after)
    if not blank and secret not in (before + "***" + after) and "*" not in secret:
        assert secret not in cleaned


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://f.test/a?expires_on=5&signature=aGVsbG8%3D&x=1", "https://f.test/a?expires_on=5&signature=***&x=1"),
        ("https://f.test/a?X-Amz-Signature=abc", "https://f.test/a?X-Amz-Signature=***"),
        ("access_token=abc def", "access_token=*** def"),
        ("Authorization: Bearer abcdefgh.ij-k", "Authorization: Bearer ***"),
        ("two\nlines", "two lines"),
    ],
)
def test_signatures_and_tokens_are_taken_out(text: str, clean: str) -> None:
    assert Redactor().clean(text) == clean


def test_messages_are_cut() -> None:
    assert len(Redactor().clean("a" * 10_000)) == 500


def test_what_a_header_can_carry() -> None:
    assert is_header_text("pat_1")
    assert not any(map(is_header_text, ("", " a", "a\n", "ä", "a\x00b")))
    assert bearer(Secret("t"))["authorization"].reveal() == "Bearer t"
    assert HeaderCredentials({}).renew({}) is False
