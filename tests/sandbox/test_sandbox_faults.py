from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipefy_sandbox import Pipefy

from reconciler.model.errors import Usage
from reconciler.sandbox import faults
from reconciler.sandbox.faults import Dropped, Fault
from reconciler.sandbox.store import Store

CREATE = (
    'mutation { createOrganizationReport(input: {organizationId: 300123456, name: "A", pipeIds: [301000001]}) '
    "{ organizationReport { id } } }"
)
LIST = "{ organizationReports(organizationId: 300123456) { edges { node { id } } } }"


def count(pipefy: Pipefy) -> int:
    return len(pipefy.ask(LIST)["organizationReports"]["edges"])


def arm(pipefy: Pipefy, text: str) -> None:
    faults.add(pipefy.store, faults.parse(text))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "pipefy:createOrganizationReport:drop_after*2",
            Fault("pipefy", "createOrganizationReport", "drop_after", "", 1, 2),
        ),
        ("blue:*:status=429;retry-after=3@4", Fault("blue", "*", "status", "429;retry-after=3", 4, 1)),
        ("blue:*:delay=0.25*always", Fault("blue", "*", "delay", "0.25", 1, 0)),
        ("pipefy:token:status=500", Fault("pipefy", "token", "status", "500")),
        (
            "pipefy:*:graphql_error=FORBIDDEN;No, not today",
            Fault("pipefy", "*", "graphql_error", "FORBIDDEN;No, not today"),
        ),
    ],
)
def test_faults_are_read_and_written(text: str, fault: Fault) -> None:
    assert faults.parse(text) == fault
    assert str(fault) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pipefy",
        "acme:*:drop_after",
        "pipefy:*:explode",
        "pipefy:*:status",
        "pipefy:*:status=99",
        "pipefy:*:delay=x",
        "pipefy:*:hang=3",
        "pipefy:*:drop_after*0",
        "pipefy:a b:hang",
    ],
)
def test_other_texts_are_no_faults(text: str) -> None:
    with pytest.raises(Usage):
        faults.parse(text)


@given(first=st.integers(1, 4), times=st.integers(0, 4), requests=st.integers(0, 12))
def test_a_fault_strikes_exactly_as_often_as_it_says(first: int, times: int, requests: int) -> None:
    store = Store(None)
    faults.add(store, Fault("pipefy", "me", "hang", "", first, times))
    struck = []
    for number in range(1, requests + 1):
        assert faults.take(store, "blue", ["me"]) == []
        assert faults.take(store, "pipefy", ["pipe"]) == []
        if faults.take(store, "pipefy", ["pipe", "me"]):
            struck.append(number)
    last = requests if times == 0 else min(requests, first + times - 1)
    assert struck == list(range(first, last + 1))
    assert bool(faults.pending(store)) == (times == 0 or requests < first + times - 1)
    faults.clear(store)
    assert faults.pending(store) == []
    store.close()


def test_a_dropped_request_was_executed_or_was_not(pipefy: Pipefy) -> None:
    arm(pipefy, "pipefy:createOrganizationReport:drop_before")
    arm(pipefy, "pipefy:createOrganizationReport:drop_after@2")
    with pytest.raises(Dropped):
        pipefy.post(CREATE)
    assert count(pipefy) == 0
    with pytest.raises(ConnectionError):
        pipefy.post(CREATE)
    assert count(pipefy) == 1
    pipefy.ask(CREATE)
    assert count(pipefy) == 2


@pytest.mark.parametrize(("kind", "left"), [("status", 0), ("status_after", 1)])
@pytest.mark.parametrize("status", ["429;retry-after=3", "500", "502"])
def test_statuses(pipefy: Pipefy, kind: str, left: int, status: str) -> None:
    arm(pipefy, f"pipefy:*:{kind}={status}")
    answer = pipefy.post(CREATE)
    assert answer.status_code == int(status[:3])
    assert answer.headers.get("retry-after") == ("3" if "retry" in status else None)
    assert count(pipefy) == left


def test_errors_pages_and_halves(pipefy: Pipefy) -> None:
    arm(pipefy, "pipefy:*:graphql_error=FORBIDDEN;No")
    assert pipefy.post(CREATE).json() == {
        "data": None,
        "errors": [{"message": "No", "extensions": {"code": "FORBIDDEN"}}],
    }
    arm(pipefy, "pipefy:*:html")
    answer = pipefy.post(CREATE)
    assert answer.headers["content-type"].startswith("text/html")
    assert count(pipefy) == 0
    arm(pipefy, "pipefy:*:garbage")
    with pytest.raises(ValueError):  # noqa: PT011 # any kind of it: half an answer is not JSON
        pipefy.post(CREATE).json()
    arm(pipefy, "pipefy:*:partial")
    body = pipefy.post(CREATE).json()
    assert body["data"] == {"createOrganizationReport": None}
    assert body["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert count(pipefy) == 2


def test_a_delay_delays_and_nothing_else(pipefy: Pipefy) -> None:
    arm(pipefy, "pipefy:*:delay=0.01")
    assert pipefy.ask(CREATE)["createOrganizationReport"]["organizationReport"]["id"]


@pytest.mark.parametrize(("kind", "left"), [("hang", 0), ("hang_after", 1)])
def test_a_hanging_request_never_answers(pipefy: Pipefy, monkeypatch: pytest.MonkeyPatch, kind: str, left: int) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        raise TimeoutError

    arm(pipefy, f"pipefy:*:{kind}")
    with monkeypatch.context() as patched:
        patched.setattr("reconciler.sandbox.exchange.asyncio.sleep", sleep)
        with pytest.raises(TimeoutError):
            pipefy.post(CREATE)
    assert waited == [3600.0]
    assert count(pipefy) == left


def test_tokens_and_files_can_fail_too(pipefy: Pipefy) -> None:
    arm(pipefy, "pipefy:token:status=503")
    assert pipefy.http("POST", "/oauth/token").status_code == 503
    arm(pipefy, "pipefy:file:garbage")
    whole = pipefy.file(columns=["title"])
    assert whole.content[:2] == b"PK"
    assert len(pipefy.file(columns=["title"]).content) > len(whole.content)


def test_a_document_that_is_not_valid_meets_no_fault(pipefy: Pipefy) -> None:
    arm(pipefy, "pipefy:*:drop_before")
    pipefy.post("{ nope }")
    assert len(faults.pending(pipefy.store)) == 1
