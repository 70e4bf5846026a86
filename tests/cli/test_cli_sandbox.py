"""The emulators by hand: as a server for anybody, with faults, and forgotten."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import Program
from samples import BLUE, EXPORT

PROMISED = [
    *("BLUE_API_URL", "BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET", "BLUE_ORG_ID", "PIPEFY_API_URL", "PIPEFY_TOKEN_URL"),
    *("PIPEFY_TOKEN", "PIPEFY_CLIENT_ID", "PIPEFY_CLIENT_SECRET", "PIPEFY_ORG_ID", "RECONCILER_TRUSTED_HOSTS"),
]


@contextmanager
def serving(program: Program, *arguments: str) -> Iterator[dict[str, str]]:
    """A server on a free port, and what it told."""
    process = subprocess.Popen(
        program.command("sandbox", "serve", "--port", "0", *arguments),
        cwd=program.folder,
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = {}
    try:
        if "json" in arguments:
            told = json.loads(process.stdout.readline())
        else:
            for _ in PROMISED:
                name, _, value = process.stdout.readline().strip().partition("=")
                (told[name],) = shlex.split(value)
        yield told
    finally:
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
        assert (process.returncode, complaints) == (0, "")


def test_a_server_says_what_a_client_needs_and_serves_the_whole_job(tmp_path: Any) -> None:
    program = Program(tmp_path)
    program.write("manifests/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n")
    program.write("manifests/all.yaml", f"{BLUE}---\n{EXPORT}")
    with serving(program, "--switch", "export_plan=done:0/0", "--data", "served.db") as told:
        assert list(told) == PROMISED
        assert told["RECONCILER_TRUSTED_HOSTS"].startswith("127.0.0.1:")
        applied = program("apply", "--yes", "--poll-interval", "0.05", "--format", "json", **told)
        assert applied.code == 0, applied.err
        assert applied.events[-1]["counts"] == {"applied": 1, "delivered": 1}
        assert program("plan", "--refresh", "--detailed-exitcode", **told).code == 0
        by_client = {name: value for name, value in told.items() if name != "PIPEFY_TOKEN"}
        assert program("plan", "--refresh", "--detailed-exitcode", **by_client).code == 0
        nobody = {**told, "BLUE_TOKEN_SECRET": "pat_wrong"}
        refused = program("plan", "--refresh", **nobody)
        assert refused.code == 4
        assert "pat_wrong" not in refused.out + refused.err
        untrusted = {**told, "RECONCILER_TRUSTED_HOSTS": ""}
        assert program("plan", "--refresh", **untrusted).code == 4
    assert (tmp_path / "served.db").exists()
    assert not (tmp_path / ".reconciler" / "sandbox.db").exists()
    elsewhere = program("plan")
    assert (elsewhere.code, elsewhere.out) == (5, "")
    assert "--retarget" in elsewhere.err
    assert "organization \n" not in elsewhere.err


def test_the_variables_as_json(tmp_path: Any) -> None:
    with serving(Program(tmp_path), "--format", "json") as told:
        assert list(told) == PROMISED
        host, _, port = told["RECONCILER_TRUSTED_HOSTS"].partition(":")
        with socket.create_connection((host, int(port)), timeout=10):
            pass


def test_a_port_that_is_taken_is_wrong_usage(cli: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = cli("sandbox", "serve", "--port", str(taken.getsockname()[1]))
    assert ran.code == 64
    assert ran.out == ""
    assert "--port" in ran.err


def test_serve_in_process(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as soon as it serves."""
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: signal.raise_signal(signal.SIGTERM))
    ran = cli("sandbox", "serve", "--port", "0", "--data", "my.db", RECONCILER_SWITCH="export_plan=fail url_ttl=5")
    assert (ran.code, ran.err) == (0, "")
    assert [line.partition("=")[0] for line in ran.out.splitlines()] == PROMISED
    assert (cli.folder / "my.db").exists()
    assert list(cli("sandbox", "serve", "--port", "0", "--format", "json").json) == PROMISED


def test_switches_are_listed_with_what_they_settle(cli: Any) -> None:
    ran = cli("sandbox", "switches")
    assert ran.code == 0
    assert any(line.startswith("export_plan=") for line in ran.out.splitlines())
    assert len(cli("sandbox", "switches", "--format", "json").json) == len(ran.out.splitlines())


def test_faults_are_armed_listed_and_cleared(cli: Any) -> None:
    first, second = "blue:createReport:drop_after", "pipefy:*:status=429;retry-after=1*3"
    assert cli("sandbox", "faults", "list").out == ""
    assert cli("sandbox", "faults", "add", first).out == f"{first}\n"
    assert cli("sandbox", "faults", "add", second, "--format", "json").json == [first, second]
    assert cli("sandbox", "faults", "list").out.splitlines() == [first, second]
    assert cli("sandbox", "faults", "add", first, "--data", "other.db").out == f"{first}\n"
    assert cli("sandbox", "faults", "list", RECONCILER_DATA="other.db").out == f"{first}\n"
    assert cli("sandbox", "faults", "clear", "--format", "json").json == []
    assert cli("sandbox", "faults", "list", "--data", "other.db", "--format", "json").json == [first]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "green:a:drop_after",
        "blue:a:explode",
        "blue:a:status",
        "blue:a:status=999",
        "blue:a:delay=soon",
        "blue::html",
    ],
)
def test_what_is_no_fault_is_wrong_usage(cli: Any, text: str) -> None:
    ran = cli("sandbox", "faults", "add", text)
    assert ran.code == 64
    assert "error: " in ran.err


def test_reset_forgets_the_data_and_the_log_of_the_sandbox_and_nothing_else(cli: Any) -> None:
    cli.write("manifests/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n")
    cli.write("manifests/all.yaml", BLUE)
    cli.write(".reconciler/state.db", "the real one")
    cli("apply", "--sandbox", "--yes")
    removed = cli("sandbox", "reset", "--format", "json").json
    assert set(removed) >= {".reconciler/sandbox.db", ".reconciler/sandbox-state.db"}
    assert [file.name for file in (cli.folder / ".reconciler").iterdir()] == ["state.db"]
    assert cli("sandbox", "reset", "--format", "json").json == []
    assert cli("sandbox", "reset").code == 0
    assert len(cli("plan", "--sandbox", "--format", "json").json["steps"]) == 1


def test_what_cannot_be_removed_is_said(cli: Any) -> None:
    cli.write(".reconciler/sandbox.db/inside", "")
    ran = cli("sandbox", "reset")
    assert ran.code == 1
    assert "sandbox.db" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("arguments", [("sandbox", "faults", "list"), ("apply", "--sandbox", "--yes")])
def test_damaged_data_of_the_sandbox_is_said_with_the_way_out(cli: Any, arguments: tuple[str, ...]) -> None:
    cli.write("manifests/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n")
    cli.write("manifests/all.yaml", BLUE)
    cli.write(".reconciler/sandbox.db", "garbage" * 1000)
    ran = cli(*arguments)
    assert ran.code == 1
    assert "reconciler sandbox reset" in ran.err
    assert "Traceback" not in ran.err
    assert cli("sandbox", "reset").code == 0
    assert cli(*arguments).code == 0


HIDING = """\
import sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ariadne", "graphql", "starlette", "uvicorn", "xlsxwriter"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Hidden())
from reconciler.cli import main

main(sys.argv[1:])
"""


def test_without_the_extra_everything_else_works(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.write("manifests/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n")
    program.write("manifests/all.yaml", BLUE)

    def without(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", HIDING, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=program.environment(), capture_output=True, text=True, check=False
        )

    for arguments in (("validate",), ("plan",), ("schema",)):
        assert without(*arguments).returncode == 0
    for arguments in (("apply", "--sandbox", "--yes"), ("sandbox", "serve", "--port", "0")):
        ran = without(*arguments)
        assert ran.returncode == 64, ran.stderr
        assert "reconciler[sandbox]" in ran.stderr
        assert "Traceback" not in ran.stderr
