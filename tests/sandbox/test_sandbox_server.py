"""The emulators behind a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pipefy_sandbox import Pipefy

from reconciler.model.errors import Usage
from reconciler.sandbox import faults, outbox, server
from reconciler.sandbox.store import Store

PROGRAM = """
import pathlib, sys
from reconciler.sandbox.server import serve
from reconciler.sandbox.store import Store

def announce(environment):
    print("\\n".join(f"{name}={value}" for name, value in environment.items()) + "\\n", flush=True)

serve(Store(pathlib.Path(sys.argv[1])), "127.0.0.1", 0, announce)
"""
CREATE = (
    'mutation { createOrganizationReport(input: {organizationId: 300123456, name: "A"}) { organizationReport { id } } }'
)


class Running:
    def __init__(self, path: Path) -> None:
        self.path = path
        arguments = [sys.executable, "-c", PROGRAM, str(path)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "\n")
        self.environment = dict(line.rstrip("\n").split("=", 1) for line in lines)

    def post(self, query: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.environment['PIPEFY_TOKEN']}"}
        return httpx.post(self.environment["PIPEFY_API_URL"], json={"query": query}, headers=headers, timeout=10)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    found = Running(tmp_path / "sandbox.db")
    yield found
    if found.process.poll() is None:
        found.process.kill()
    found.process.communicate()


def test_the_environment_points_any_client_at_the_server(running: Running) -> None:
    told = running.environment
    assert {name.partition("_")[0] for name in told} == {"BLUE", "PIPEFY", "RECONCILER"}
    assert list(told)[0:10:3] == ["BLUE_API_URL", "BLUE_ORG_ID", "PIPEFY_TOKEN", "PIPEFY_ORG_ID"]
    assert all(shlex.quote(value) == value for value in told.values())
    base = f"http://{told['RECONCILER_TRUSTED_HOSTS']}"
    assert httpx.get(f"{base}/healthz").text == "ok\n"
    assert running.post("{ me { id } }").json() == {"data": {"me": {"id": "500000001"}}}
    client = {"client_id": told["PIPEFY_CLIENT_ID"], "client_secret": told["PIPEFY_CLIENT_SECRET"]}
    token = httpx.post(told["PIPEFY_TOKEN_URL"], json={"grant_type": "client_credentials", **client}).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer = httpx.post(told["PIPEFY_API_URL"], json={"query": "{ organizations { id } }"}, headers=headers)
    assert answer.json() == {"data": {"organizations": [{"id": told["PIPEFY_ORG_ID"]}]}}
    blue = {
        "blue-token-id": told["BLUE_TOKEN_ID"],
        "blue-token-secret": told["BLUE_TOKEN_SECRET"],
        "blue-org-id": told["BLUE_ORG_ID"],
    }
    answer = httpx.post(told["BLUE_API_URL"], json={"query": "{ company { slug } }"}, headers=blue)
    assert answer.json() == {"data": {"company": {"slug": "acme"}}}
    assert httpx.post(told["PIPEFY_API_URL"], json={"query": "{ me { id } }"}).status_code == 401
    export = (
        "mutation { exportOrganizationReport(input: {organizationId: 300123456}) { organizationReportExport { id } } }"
    )
    assert "errors" not in running.post(export).json()
    assert httpx.get(f"{base}/outbox").headers["content-type"].startswith("text/html")


def test_faults_armed_elsewhere_lose_the_connection(running: Running) -> None:
    store = Store(running.path)
    for text, reports in (("drop_before", 0), ("drop_after", 1)):
        faults.add(store, faults.parse(f"pipefy:createOrganizationReport:{text}"))
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            running.post(CREATE)
        assert len(store.all("pipefy_report")) == reports
    faults.add(store, faults.parse("pipefy:*:hang_after"))
    url, headers = (
        running.environment["PIPEFY_API_URL"],
        {"Authorization": f"Bearer {running.environment['PIPEFY_TOKEN']}"},
    )
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json={"query": CREATE}, headers=headers, timeout=0.5)
    assert len(store.all("pipefy_report")) == 2
    assert running.post(CREATE).status_code == 200
    store.close()
    assert running.stop() == (0, "")


def test_a_failure_of_the_program_is_said_and_answered(running: Running) -> None:
    store = Store(running.path)
    store.put("switch", "depth", {"value": "unreadable"})
    store.close()
    assert running.post("{ me { id } }").status_code == 500
    code, errors = running.stop()
    assert code == 0
    assert "the sandbox failed" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly(running: Running, number: int) -> None:
    assert running.stop(number) == (0, "")


def test_what_was_committed_survives_kill_nine(running: Running) -> None:
    made = running.post(CREATE).json()["data"]["createOrganizationReport"]["organizationReport"]["id"]
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.communicate()
    store = Store(running.path)
    again = Pipefy(store)
    assert again.ask("query($id: ID!) { organizationReport(id: $id) { name } }", id=made) == {
        "organizationReport": {"name": "A"}
    }
    store.close()


def test_addresses_that_cannot_be_served() -> None:
    store = Store(None)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Usage, match="cannot serve on"):
        server.serve(store, "127.0.0.1", taken.getsockname()[1], print)
    with pytest.raises(Usage, match="cannot serve"):
        server.serve(store, "127.0.0.1", 70000, print)
    store.close()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104 # nothing is bound to it
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
    ],
)
def test_the_url_is_one_that_can_be_opened(address: str, url: str) -> None:
    assert server._url(address, 1) == url


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    store = Store(None)
    with pytest.raises(Usage, match="needs uvicorn") as caught:
        server.serve(store, "127.0.0.1", 0, print)
    assert caught.value.hint == "install reconciler[sandbox]"
    store.close()


def test_the_outbox_escapes(pipefy: Pipefy) -> None:
    assert "None yet." in pipefy.http("GET", "/outbox").text
    outbox.send(
        pipefy.store, to="a@b.example", subject="<script>", body="<b>&", moment=pipefy.now, service="pipefy", file="x"
    )
    page = pipefy.http("GET", "/outbox").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    mails = pipefy.http("GET", "/outbox", headers={"Accept": "application/json"}).json()["mails"]
    assert json.loads(json.dumps(mails))[0]["file"] == "x"


def test_other_protocols_are_not_spoken(pipefy: Pipefy) -> None:
    async def never(*_: object) -> None:
        raise AssertionError

    asyncio.run(pipefy.app({"type": "websocket"}, never, never))
