"""A place for the log that nobody answers for: every command tries again for a while, then says so and ends with 5."""

from __future__ import annotations

import subprocess

from running import Program
from samples import BLUE, PROJECT

GONE = "postgresql://127.0.0.1:1/nobody"
HERE = "sqlite:here.db"
COMMANDS = (
    ("plan",),
    ("apply", "--yes"),
    ("plan", "--rollback-to", "abc"),
    ("history",),
    ("state", "list"),
    ("state", "show", "blue/report/sales"),
    ("state", "mv", "blue/report/sales", "blue/report/other"),
    ("state", "rm", "blue/report/sales"),
    ("state", "settle"),
    ("state", "settle", "blue/report/sales", "--as", "absent"),
    ("state", "unlock", "--yes"),
    ("state", "verify"),
    ("state", "export", "log.jsonl"),
    ("state", "archive", "archive.jsonl"),
    ("state", "migrate", "sqlite:there.db"),
)


def started(program: Program, *command: str, state: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        program.command(*command, "--sandbox", "--state", state),
        cwd=program.folder,
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_command_tries_again_and_says_that_nobody_answers(program: Program) -> None:
    program.write("manifests/reconciler.yaml", PROJECT)
    program.write("manifests/sales.yaml", BLUE)
    assert program("apply", "--yes", "--sandbox", "--state", HERE).code == 0
    running = {command: started(program, *command, state=GONE) for command in COMMANDS}
    running["quiet",] = started(program, "state", "rm", "blue/report/sales", "--quiet", state=GONE)
    running["to",] = started(program, "state", "migrate", GONE, state=HERE)
    for command, process in running.items():
        out, err = process.communicate(timeout=90)
        assert process.returncode == 5, (command, out, err)
        *told, error, hint = err.splitlines()
        assert any(line.endswith("Trying again for 5 s.") for line in told) == (command != ("quiet",)), (command, err)
        assert error.startswith("error: "), (command, err)
        assert hint.startswith("hint: "), (command, err)
        assert "nobody" not in hint, (command, err)
    assert program("apply", "--yes", "--sandbox", "--state", HERE, "--format", "json").events[-1]["counts"] == {}
    assert not (program.folder / "there.db").exists()
