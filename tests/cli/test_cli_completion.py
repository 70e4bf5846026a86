"""Completion: what shells are told, in the real bash too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.app import completion
from reconciler.cli.completing import answer

REPORT = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales, labels: {owner: me, note: "two words"}}
spec: {title: Test sales, dataSources: [{projectIds: [a]}]}
"""
OTHER = REPORT.replace("sales", "other").replace("owner: me", "owner: you")


@pytest.fixture
def complete(cli: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Ask how a line goes on, as bash does: words are apart at blanks and at `=`."""

    monkeypatch.setattr(completion, "PATIENCE", 30)

    def ask(line: str) -> list[str]:
        words = line.replace("=", " = ").replace(":", " : ").split(" ")
        words = [word for word in words[:-1] if word] + words[-1:]
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        capsys.readouterr()
        assert answer("bash_complete") in (0, 1)
        told = capsys.readouterr()
        assert told.err == ""
        return [row.partition(",")[2] for row in told.out.splitlines() if row.startswith("plain,")]

    return ask


def test_addresses_come_from_the_manifests_and_the_log(cli: Any, complete: Any) -> None:
    cli.declare(REPORT, OTHER)
    assert complete("reconciler show ") == ["blue/report/other", "blue/report/sales"]
    assert complete("reconciler show blue/report/s") == ["blue/report/sales"]
    assert cli("apply", "--sandbox", "--yes").code == 0
    cli.declare(REPORT.replace("sales", "later"))
    assert complete("reconciler state show ") == ["blue/report/later"]
    three = ["blue/report/later", "blue/report/other", "blue/report/sales"]
    assert complete("reconciler --sandbox state settle ") == three
    assert complete("reconciler plan --sandbox --select blue/") == three


def test_labels_are_selectors(cli: Any, complete: Any) -> None:
    cli.declare(REPORT, OTHER)
    found = complete("reconciler plan --select ")
    assert found == ["blue/report/other", "blue/report/sales", "note", "owner", "owner=me", "owner=you"]
    assert complete("reconciler plan --select ow") == ["owner", "owner=me", "owner=you"]
    assert complete("reconciler plan --select owner=") == ["me", "you"]
    assert complete("reconciler plan --select owner=y") == ["you"]


def test_environments_formats_switches_and_commands(cli: Any, complete: Any) -> None:
    cli.declare(REPORT)
    cli.write("manifests/environments/staging.yaml", "")
    assert complete("reconciler plan --env ") == ["default", "staging"]
    assert complete("reconciler --env=s") == ["staging"]
    assert complete("reconciler validate --format ") == ["text", "json", "sarif", "github"]
    assert "plain_errors=masked" in complete("reconciler sandbox switches plain_errors")
    assert "rate_plan=starter" in complete("reconciler sandbox serve --switch rate_plan")
    assert complete("reconciler sandb") == ["sandbox"]
    assert complete("reconciler completion ") == ["bash", "zsh", "fish"]


def test_schemas_and_faults(cli: Any, complete: Any) -> None:
    assert {"manifest", "project", "blue.report.v1"} <= set(complete("reconciler schema "))
    assert complete("reconciler schema env") == ["environment"]
    assert "blue:*:drop_after" in complete("reconciler sandbox faults add ")
    assert complete("reconciler sandbox faults add pipefy:createReport:par") == ["partial"]


def test_topics_of_explain_grow_field_by_field(cli: Any, complete: Any) -> None:
    assert {"blue/report", "project", "lint"} <= set(complete("reconciler explain "))
    assert complete("reconciler explain blue/report.data") == ["blue/report.dataSources"]
    assert complete("reconciler explain blue/report.dataSources.fil") == ["blue/report.dataSources.filters"]


@pytest.mark.parametrize(
    "line", ["show ", "plan --select ", "plan --env ", "nonsense ", "show --state 'x ", "= ", "=", ""]
)
def test_a_broken_project_offers_nothing_and_says_nothing(cli: Any, complete: Any, line: str) -> None:
    cli.write("manifests/reconciler.yaml", "][")
    cli.write("manifests/all.yaml", "\0")
    assert complete(f"reconciler {line}") == (["default"] if "--env" in line else complete(f"reconciler {line}"))
    assert complete(f"reconciler --dir nowhere {line}") is not None


def test_other_states_are_not_asked(cli: Any, complete: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.declare(REPORT)
    monkeypatch.setenv("RECONCILER_STATE", "postgresql://nowhere.invalid/state")
    assert complete("reconciler show ") == ["blue/report/sales"]


def test_nothing_is_made(cli: Any, complete: Any) -> None:
    cli.declare(REPORT)
    complete("reconciler show ")
    complete("reconciler --sandbox plan --select ")
    assert [path.name for path in cli.folder.iterdir()] == ["manifests"]


def test_who_takes_too_long_is_not_waited_for(cli: Any, complete: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.declare(REPORT)
    cli("apply", "--sandbox", "--yes")
    forever = threading.Event()
    monkeypatch.setattr(completion, "_declared", lambda wiring: forever.wait() or [])
    monkeypatch.setattr(completion, "PATIENCE", 0.2)
    try:
        assert complete("reconciler --sandbox show ") == ["blue/report/sales"]
    finally:
        forever.set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_taught(cli: Any, shell: str) -> None:
    ran = cli("completion", shell)
    assert ran.code == 0
    assert f"_RECONCILER_COMPLETE={shell}_complete" in ran.out
    assert cli("completion", "tcsh").code == 64
    missing = cli("completion")
    assert (missing.code, missing.out) == (64, "")
    assert "bash, zsh, fish" in missing.err
    assert "\\" not in missing.err


def test_the_real_bash(cli: Any) -> None:
    """What a person gets who presses the key, with words broken by bash itself."""
    cli.declare(REPORT, OTHER)
    cli.write("manifests/environments/staging.yaml", "")
    script = cli.write("completion.bash", cli("completion", "bash").out)
    folder = cli.folder / "bin"
    folder.mkdir()
    program = folder / "reconciler"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    program.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    asked = f"""
source {script.name}
COMP_WORDS=(reconciler plan --env = st) COMP_CWORD=4
_reconciler_completion reconciler
printf '%s\\n' "${{COMPREPLY[@]}}"
COMP_WORDS=(reconciler explain blue/report.data) COMP_CWORD=2 COMPREPLY=()
_reconciler_completion reconciler
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(cli.folder)}
    ran = subprocess.run(
        [bash, "--norc", "-c", asked], cwd=cli.folder, env=environment, capture_output=True, text=True, check=True
    )
    assert (ran.stdout.split(), ran.stderr) == (["staging", "blue/report.dataSources"], "")


def test_the_program_itself_answers(cli: Any) -> None:
    cli.declare(REPORT)
    environment = {
        **os.environ,
        "_RECONCILER_COMPLETE": "zsh_complete",
        "COMP_WORDS": "reconciler --env d",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-m", "reconciler"]
    ran = subprocess.run(command, cwd=cli.folder, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "plain\ndefault\n_\n", "")
    wrong = subprocess.run(
        command, cwd=cli.folder, env={**environment, "COMP_CWORD": "x"}, capture_output=True, text=True, check=False
    )
    assert (wrong.stdout, wrong.stderr) == ("", "")


def test_starting_loads_nothing_of_completion(cli: Any) -> None:
    code = "import sys; from reconciler.cli.program import program; print('click.shell_completion' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
    assert Path(completion.__file__).exists()
