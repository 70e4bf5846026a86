"""What each way of failing proves, over a real socket."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.engine.options import Options
from reconciler.model.errors import CredentialError, Locked, Unavailable
from reconciler.model.outcome import Cause, Doubtful, Refused
from reconciler.state.lease import LEAVING
from reconciler.state.watch import LENGTH
from reconciler.transport import exchange
from reconciler.transport.answer import Answer, Codes
from reconciler.transport.client import Client, Reader
from reconciler.transport.pace import TRIES, Pace

QUERY = "query Q { x }"
MUTATION = "mutation M { x }"
OPTION = getattr(socket, "TCP_USER_TIMEOUT", 0)  # 0 where the system has no such option
GOOD = {"data": {"x": 1}}

Make = Callable[..., Client]
Result = Any


def run(
    wire: SimpleNamespace, make: Make, script: list[Any], act: Callable[[Client], Awaitable[Any]], **more: Any
) -> Any:
    """Play a script; return what came of it (or was raised), and the server with what it has seen."""

    async def scene() -> tuple[Any, Any]:
        async with wire.serving(*script) as server, make(server, **more) as client:
            try:
                return await act(client), server
            except (Unavailable, CredentialError) as error:
                return error, server

    return asyncio.run(scene())


def mutate(wire: SimpleNamespace, make: Make, *script: Any, **more: Any) -> Any:
    return run(wire, make, list(script), lambda client: client.mutate(MUTATION, {"a": "ä"}), **more)


def query(wire: SimpleNamespace, make: Make, *script: Any, allow: Any = (), **more: Any) -> Any:
    return run(wire, make, list(script), lambda client: client.query(QUERY, {}, allow=allow), **more)


def error(code: str | None, data: Any = None, **extensions: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"message": "sorry"}
    if code:
        found["extensions"] = {"code": code, **extensions}
    return {"errors": [found], "data": data}


def test_a_mutation_arrives_once_with_its_headers(wire: SimpleNamespace, make: Make) -> None:
    outcome, server = mutate(wire, make, wire.reply(200, GOOD), headers={"x-org": "o"})
    assert outcome == Answer({"x": 1})
    (seen,) = server.seen
    assert json.loads(seen.body) == {"query": MUTATION, "variables": {"a": "ä"}}
    assert seen.headers["x-token"] == wire.canary
    assert seen.headers["x-org"] == "o"
    assert seen.headers["user-agent"].startswith("reconciler/")
    assert seen.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "name",
    [
        "drop",
        "500",
        "502 html",
        "200 html",
        "redirect",
        "cut off",
        "not json",
        "no graphql",
        "empty",
        "unknown code",
        "internal",
        "mixed codes",
        "408",
        "500 with data",
        "NaN",
    ],
)
def test_what_may_have_happened_is_doubtful_and_never_repeated(wire: SimpleNamespace, make: Make, name: str) -> None:
    mixed = {
        "errors": [{"message": "a", "extensions": {"code": "NO_WAY"}}, {"message": "b", "extensions": {"code": "?"}}]
    }
    script = {
        "drop": wire.drop,
        "500": wire.reply(500, {"errors": [{"message": "boom"}]}),
        "502 html": wire.reply(502, "<html>"),
        "200 html": wire.reply(200, "<html>login</html>"),
        "redirect": wire.reply(307, b"", {"location": "http://127.0.0.1:1/elsewhere"}),
        "cut off": wire.reply(200, b'{"data": {"x"', length=100),
        "not json": wire.reply(200, b'{"data": {"x"'),
        "no graphql": wire.reply(200, {"hello": 1}),
        "empty": wire.reply(200, {"data": {"x": None}}),
        "unknown code": wire.reply(200, error("WHAT")),
        "internal": wire.reply(200, error("INTERNAL_SERVER_ERROR")),
        "mixed codes": wire.reply(200, mixed),
        "408": wire.reply(408, {"errors": [{"message": "slow"}]}),
        "500 with data": wire.reply(500, GOOD),
        "NaN": wire.reply(200, b'{"data": {"x": NaN}}'),
    }[name]
    outcome, server = mutate(wire, make, script, wire.reply(200, GOOD))
    assert isinstance(outcome, Doubtful), outcome
    assert len(server.seen) == 1


@pytest.mark.parametrize("name", ["hang", "drip"])
def test_waiting_has_an_end(wire: SimpleNamespace, make: Make, name: str) -> None:
    outcome, server = mutate(wire, make, getattr(wire, name), timeout=0.2)
    assert isinstance(outcome, Doubtful)
    assert "0.2 seconds" in outcome.reason
    assert len(server.seen) == 1


def test_a_flood_is_cut_off(wire: SimpleNamespace, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LARGEST_ANSWER", 1000)
    bomb = gzip.compress(b'{"data": {"x": "' + b"a" * 1_000_000 + b'"}}')
    outcome, _ = mutate(wire, make, wire.reply(200, bomb, {"content-encoding": "gzip"}))
    assert isinstance(outcome, Doubtful)
    assert "larger than 1000 bytes" in outcome.reason


def test_an_unasked_coding_is_not_unpacked(wire: SimpleNamespace, make: Make) -> None:
    outcome, _ = mutate(wire, make, wire.reply(200, b"xx", {"content-encoding": "zstd"}))
    assert isinstance(outcome, Doubtful)


def test_a_packed_answer_is_read(wire: SimpleNamespace, make: Make) -> None:
    packed = gzip.compress(json.dumps(GOOD).encode())
    outcome, _ = mutate(wire, make, wire.reply(200, packed, {"content-encoding": "gzip"}))
    assert outcome == Answer({"x": 1})


@pytest.mark.parametrize(
    ("status", "body", "cause", "code"),
    [
        (200, error("NO_WAY"), Cause.SERVICE, "NO_WAY"),
        (200, error(None), Cause.SERVICE, ""),
        (200, {"errors": [{"message": "Field 'y' doesn't exist"}]}, Cause.SERVICE, ""),
        (400, error("GRAPHQL_VALIDATION_FAILED"), Cause.SERVICE, "GRAPHQL_VALIDATION_FAILED"),
        (404, {"hello": 1}, Cause.SERVICE, "HTTP_404"),
        (422, b"nonsense", Cause.SERVICE, "HTTP_422"),
        (401, {"errors": [{"title": "Unauthorized", "detail": "no"}]}, Cause.CREDENTIALS, "CREDENTIALS"),
        (403, b"<html>", Cause.CREDENTIALS, "CREDENTIALS"),
        (200, error("UNAUTHENTICATED"), Cause.CREDENTIALS, "CREDENTIALS"),
        (200, {"error": {"message": "m", "details": {"code": "NO_WAY"}}}, Cause.SERVICE, "NO_WAY"),
    ],
)
def test_a_clear_no_is_a_refusal(
    wire: SimpleNamespace, make: Make, status: int, body: Any, cause: Cause, code: str
) -> None:
    outcome, server = mutate(wire, make, wire.reply(status, body))
    assert isinstance(outcome, Refused)
    assert (outcome.cause, outcome.code) == (cause, code)
    assert len(server.seen) == 1


def test_an_uncoded_error_refuses_only_where_the_service_says_so(wire: SimpleNamespace, make: Make) -> None:
    codes = Codes(frozenset(), frozenset(), uncoded_refuses=False)
    assert isinstance(mutate(wire, make, wire.reply(200, error(None)), codes=codes)[0], Doubtful)
    request_error = wire.reply(200, {"errors": [{"message": "no such field"}]})
    assert isinstance(mutate(wire, make, request_error, codes=codes)[0], Refused)


def test_an_error_beside_data_is_an_answer(wire: SimpleNamespace, make: Make) -> None:
    outcome, _ = mutate(wire, make, wire.reply(200, error("WHAT", {"x": {"id": "1"}})))
    assert isinstance(outcome, Answer)
    assert outcome.data == {"x": {"id": "1"}}
    assert outcome.errors[0].code == "WHAT"


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"retry-after": "7"}, {"error": "RATE_LIMITED", "message": "Too many", "retryAfter": 12}, 7),
        ({}, {"error": "RATE_LIMITED", "message": "Too many", "retryAfter": 12}, 12),
        ({"retry-after": "Mon, 23 Nov 2026 06:00:09 GMT"}, b"", 9),
        ({"retry-after": "nonsense"}, b"", 1),
        ({"retry-after": "-3"}, b"", 1),
    ],
)
def test_being_turned_away_is_waited_out(
    wire: SimpleNamespace, make: Make, clock: Any, headers: dict[str, str], body: Any, wait: float
) -> None:
    outcome, server = mutate(wire, make, wire.reply(429, body, headers), wire.reply(200, GOOD))
    assert outcome == Answer({"x": 1})
    assert len(server.seen) == 2
    assert clock.slept == [wait]


def test_the_code_for_busy_is_waited_out(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    outcome, _ = mutate(wire, make, wire.reply(200, error("RATE_LIMITED", retryAfter=25)), wire.reply(200, GOOD))
    assert outcome == Answer({"x": 1})
    assert clock.slept == [25]


def test_waiting_for_too_long_is_refused_at_once(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    outcome, server = mutate(wire, make, wire.reply(429, b"", {"retry-after": "86400"}))
    assert isinstance(outcome, Refused)
    assert outcome.cause is Cause.BUSY
    assert clock.slept == []
    assert len(server.seen) == 1


def test_being_turned_away_for_ever_ends(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    outcome, _ = mutate(wire, make, wire.reply(429, b"", {"retry-after": "0"}))
    assert isinstance(outcome, Refused)
    assert outcome.cause is Cause.BUSY
    assert 10 < sum(clock.slept) <= 30


def test_others_wait_too_when_one_is_turned_away(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    async def both(client: Client) -> list[Any]:
        first = await client.query(QUERY, {})
        return [first, await client.query(QUERY, {})]

    found, server = run(
        wire, make, [wire.reply(429, b"", {"retry-after": "20"}), wire.reply(200, GOOD)], both, concurrency=1
    )
    assert [answer.data for answer in found] == [{"x": 1}, {"x": 1}]
    assert sum(clock.slept) == 20
    assert len(server.seen) == 3


def test_a_request_that_never_left_is_tried_again_and_then_refused(make: Make, clock: Any) -> None:
    async def scene() -> Any:
        async with make("http://127.0.0.1:1/graphql") as client:
            return await client.mutate(MUTATION, {})

    outcome = asyncio.run(scene())
    assert isinstance(outcome, Refused)
    assert outcome.cause is Cause.UNSENT
    assert len(clock.slept) == TRIES - 1


@pytest.mark.parametrize("name", ["drop", "500", "html", "429", "internal"])
def test_a_query_is_tried_again(wire: SimpleNamespace, make: Make, name: str) -> None:
    bad = {
        "drop": wire.drop,
        "500": wire.reply(500, b""),
        "html": wire.reply(200, "<html>"),
        "429": wire.reply(429, b""),
        "internal": wire.reply(200, error("INTERNAL_SERVER_ERROR")),
    }[name]
    assert query(wire, make, bad, bad, wire.reply(200, GOOD))[0] == Answer({"x": 1})


def test_a_query_gives_up(wire: SimpleNamespace, make: Make) -> None:
    found, server = query(wire, make, wire.reply(503, "<html>"))
    assert isinstance(found, Unavailable)
    assert "503" in found.message
    assert len(server.seen) == TRIES


@pytest.mark.parametrize(
    ("status", "body", "kind", "tries"),
    [
        (200, error("NO_WAY"), Unavailable, 1),
        (200, error("NO_WAY", {"y": 1}), Unavailable, 1),
        (200, {"data": None}, Unavailable, 1),
        (400, error("GRAPHQL_VALIDATION_FAILED"), Unavailable, 1),
        (302, b"", Unavailable, 1),
        (401, b"", CredentialError, 1),
        (403, b"", CredentialError, 1),
        (200, error("UNAUTHENTICATED"), CredentialError, 1),
        (429, {"retryAfter": 9999}, Unavailable, 1),
    ],
)
def test_a_query_that_cannot_be_answered_raises(
    wire: SimpleNamespace, make: Make, status: int, body: Any, kind: type[Exception], tries: int
) -> None:
    found, server = query(wire, make, wire.reply(status, body, {"location": "https://evil.test/"}))
    assert type(found) is kind
    assert len(server.seen) == tries


def test_an_expected_error_is_an_answer(wire: SimpleNamespace, make: Make) -> None:
    found, _ = query(wire, make, wire.reply(200, error("NOT_FOUND", {"x": None})), allow={"NOT_FOUND"})
    assert [one.code for one in found.errors] == ["NOT_FOUND"]


def test_a_reader_cannot_mutate(wire: SimpleNamespace, make: Make) -> None:
    async def scene() -> int:
        async with wire.serving(wire.reply(200, GOOD)) as server, make(server, kind=Reader) as reader:
            assert not hasattr(reader, "mutate")
            for document in (MUTATION, "  mutation { x }", "{ x }", "# query\nmutation { x }", "queryx { x }"):
                with pytest.raises(ValueError, match="quer"):
                    await reader.query(document, {})
            return len(server.seen)

    assert asyncio.run(scene()) == 0


def test_a_client_does_not_send_a_query_as_a_mutation(wire: SimpleNamespace, make: Make) -> None:
    async def scene() -> int:
        async with wire.serving(wire.reply(200, GOOD)) as server, make(server) as client:
            with pytest.raises(ValueError, match="mutation"):
                await client.mutate(QUERY, {})
            return len(server.seen)

    assert asyncio.run(scene()) == 0


def test_the_service_clock_is_learnt(wire: SimpleNamespace, make: Make) -> None:
    async def offset(client: Client) -> timedelta:
        await client.query(QUERY, {})
        return client.offset

    script = [wire.reply(200, GOOD, {"date": "Mon, 23 Nov 2026 06:05:00 GMT"})]
    assert run(wire, make, script, offset)[0] == timedelta(minutes=5)
    script = [wire.reply(200, GOOD, {"date": "yesterday"})]
    assert run(wire, make, script, offset)[0] == timedelta(0)


def test_at_most_as_many_at_once_as_allowed(wire: SimpleNamespace, make: Make) -> None:
    now, most = 0, 0

    async def slow(seen: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        writer.write(wire.http(200, GOOD))

    async def many(client: Client) -> int:
        return len(await asyncio.gather(*(client.query(QUERY, {}) for _ in range(20))))

    assert run(wire, make, [slow], many, concurrency=3)[0] == 20
    assert most == 3


def test_the_pace_is_kept(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    async def many(client: Client) -> None:
        for _ in range(8):
            await client.query(QUERY, {})

    run(wire, make, [wire.reply(200, GOOD)], many, pace=Pace(per_second=2, burst=5))
    assert sum(clock.slept) == pytest.approx(1.5)


def test_half_characters_in_an_answer_become_whole(wire: SimpleNamespace, make: Make) -> None:
    assert query(wire, make, wire.reply(200, b'{"data": {"x": "a\\ud800b"}}'))[0] == Answer({"x": "a?b"})


def test_an_application_in_this_process_answers_too(make: Make) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked = json.loads((await receive())["body"])
        body = json.dumps({"data": {"x": [scope["path"], asked["query"]]}}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def scene() -> Any:
        async with make("http://127.0.0.1/graphql", app=app) as client:
            return await client.mutate(MUTATION, {})

    assert asyncio.run(scene()) == Answer({"x": ["/graphql", MUTATION]})


def test_an_application_that_fails_leaves_doubt(make: Make) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("boom")

    async def scene() -> Any:
        async with make("http://127.0.0.1/graphql", app=app) as client:
            return await client.mutate(MUTATION, {})

    assert isinstance(asyncio.run(scene()), Doubtful)


# --- proxies


def through_proxy(wire: SimpleNamespace, make: Make, monkeypatch: pytest.MonkeyPatch, *script: Any) -> Any:
    async def scene() -> Any:
        async with wire.serving(*script) as server:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
            async with make("https://api.example.com/graphql") as client:
                return await client.mutate(MUTATION, {}), server.seen

    return asyncio.run(scene())


def test_a_proxy_sees_no_credentials_and_its_no_is_no_doubt(
    wire: SimpleNamespace, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for script in (wire.reply(403, b""), wire.drop):
        outcome, seen = through_proxy(wire, make, monkeypatch, script)
        assert seen[0].method == "CONNECT"
        assert wire.canary not in repr(seen)
        assert isinstance(outcome, (Refused, Doubtful))
    assert isinstance(through_proxy(wire, make, monkeypatch, wire.reply(403, b""))[0], Refused)


def test_loopback_never_goes_through_a_proxy(
    wire: SimpleNamespace, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert mutate(wire, make, wire.reply(200, GOOD))[0] == Answer({"x": 1})


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense://x"])
def test_an_unusable_proxy_is_said(make: Make, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("no_proxy", "")

    async def scene() -> Any:
        async with make("https://api.example.com/graphql") as client:
            return await client.mutate(MUTATION, {})

    outcome = asyncio.run(scene())
    assert isinstance(outcome, Refused)
    assert outcome.cause is Cause.UNSENT
    assert "proxy" in outcome.message


def test_netrc_is_not_read(wire: SimpleNamespace, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    _, server = mutate(wire, make, wire.reply(200, GOOD))
    assert "authorization" not in server.seen[0].headers


# --- a mutation is sent soon, or not at all


def test_a_mutation_is_not_held_back_longer_than_the_lease_allows(
    wire: SimpleNamespace, make: Make, clock: Any
) -> None:
    outcome, server = mutate(wire, make, wire.reply(429, b"", {"retry-after": "31"}), wire.reply(200, GOOD))
    assert isinstance(outcome, Refused)
    assert outcome.cause is Cause.BUSY
    assert "it asked to wait 31 s" in outcome.message
    assert (clock.slept, len(server.seen)) == ([], 1)
    assert query(wire, make, wire.reply(429, b"", {"retry-after": "31"}), wire.reply(200, GOOD))[0] == Answer({"x": 1})


def test_chance_does_not_lengthen_what_a_mutation_may_wait(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    script = [wire.reply(429, b"", {"retry-after": "29"}), wire.reply(200, GOOD)]
    assert mutate(wire, make, *script, jitter=lambda: 1.0)[0] == Answer({"x": 1})
    assert clock.slept == [30]


def test_others_that_would_have_to_wait_too_long_are_not_sent(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    async def both(client: Client) -> list[Any]:
        return [await client.mutate(MUTATION, {}), await client.mutate(MUTATION, {})]

    outcomes, server = run(wire, make, [wire.reply(429, b"", {"retry-after": "100"})], both)
    assert [outcome.cause for outcome in outcomes] == [Cause.BUSY, Cause.BUSY]
    assert "it asked to wait 100 s" in outcomes[1].message
    assert (clock.slept, len(server.seen)) == ([], 1)


class Asked:
    """A permit that is good for so many questions."""

    def __init__(self, good: int) -> None:
        self.good = good
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.asked > self.good:
            raise Locked("ann took the lease away")


@pytest.mark.parametrize("good", [0, 1, 2])
def test_what_loses_its_permit_before_its_body_has_left_never_happens(
    wire: SimpleNamespace, make: Make, good: int
) -> None:
    """Asked when its turn has come, when the connection stands, and between headers and body."""
    permit = Asked(good)

    async def twice(client: Client) -> Any:
        with pytest.raises(Locked, match="ann took the lease away"):
            await client.mutate(MUTATION, {})
        permit.good = 100
        return await client.mutate(MUTATION, {})

    outcome, server = run(wire, make, [wire.reply(200, GOOD)], twice, permit=permit)
    assert (outcome, len(server.seen)) == (Answer({"x": 1}), 1)


def test_each_try_needs_the_permit_again(wire: SimpleNamespace, make: Make, clock: Any) -> None:
    permit = Asked(3)
    script = [wire.reply(429, b"", {"retry-after": "1"}), wire.reply(200, GOOD)]

    async def locked(client: Client) -> None:
        with pytest.raises(Locked):
            await client.mutate(MUTATION, {})

    server = run(wire, make, script, locked, permit=permit)[1]
    assert (clock.slept, len(server.seen), permit.asked) == ([1], 1, 4)


def test_a_mutation_that_waits_for_its_turn_is_asked_about_when_it_comes(wire: SimpleNamespace, make: Make) -> None:
    permit = Asked(3)

    async def both(client: Client) -> list[Any]:
        return await asyncio.gather(*(client.mutate(MUTATION, {}) for _ in range(2)), return_exceptions=True)

    outcomes, server = run(wire, make, [wire.reply(200, GOOD)], both, permit=permit, concurrency=1)
    assert outcomes[0] == Answer({"x": 1})
    assert isinstance(outcomes[1], Locked)
    assert len(server.seen) == 1


def test_what_an_application_in_this_process_answers_needs_the_permit_too(make: Make) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    async def scene() -> None:
        async with make("http://127.0.0.1/graphql", app=app, permit=Asked(0)) as client:
            with pytest.raises(Locked):
                await client.mutate(MUTATION, {})

    asyncio.run(scene())


def test_what_only_reads_needs_no_permit(wire: SimpleNamespace, make: Make) -> None:
    assert query(wire, make, wire.reply(200, GOOD), permit=Asked(0))[0] == Answer({"x": 1})


def options_towards(port: int) -> list[int]:
    """For every connection of this process to a port, after how long it is given up unless confirmed."""
    found = []
    for each in (made for made in gc.get_objects() if isinstance(made, socket.socket)):
        with suppress(OSError):  # not connected, or closed
            if each.family == socket.AF_INET and each.getpeername()[1] == port:
                found.append(each.getsockopt(socket.IPPROTO_TCP, OPTION) if OPTION else 0)
    return found


def test_what_nobody_confirms_is_not_sent_again_for_long(wire: SimpleNamespace, make: Make) -> None:
    async def scene() -> list[int]:
        async with wire.serving(wire.reply(200, GOOD)) as server, make(server) as client:
            await client.mutate(MUTATION, {})
            return options_towards(server.port)

    assert asyncio.run(scene()) == [round(1000 * exchange.UNACKNOWLEDGED) if OPTION else 0]


def test_an_absence_is_believed_when_nothing_can_be_under_way_any_more() -> None:
    evicted = LENGTH * LEAVING  # seconds in which a run that was evicted may still send
    assert evicted + exchange.UNACKNOWLEDGED + 5 < Options().settle_delay
