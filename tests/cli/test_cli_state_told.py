"""What operators are told of a place: that no log is there, that one was moved away, and which file is damaged."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from backend_urls import place
from whole_logs import BLUE, LOG, NEW, OLD, archive, at, chain_of, grow, migrate, opened, rm, verify

from reconciler.state.backends import open_backend
from reconciler.state.exported import ExportedLog
from reconciler.state.records import newer
from reconciler.testing.growing import checkpoint, grown

pytestmark = pytest.mark.usefixtures("any_clock")


def test_a_log_that_does_not_exist_is_64_and_is_not_made(cli: Any) -> None:
    grow(cli)
    assert archive(cli, "one").code == 0
    (cli.folder / "old.db").unlink()
    for ran in (verify(cli), verify(cli, "--archive", "one"), verify(cli, "--env", "misspelt")):
        assert (ran.code, ran.out) == (64, "")
        assert "there is nothing in the log acme/" in ran.err
        assert "see --env, --state and --sandbox" in ran.err
    assert not (cli.folder / "old.db").exists()


@pytest.mark.parametrize("command", [("state", "list"), ("history",), ("history", "--as-of", "1h")])
def test_who_looks_at_a_log_that_does_not_exist_is_told(cli: Any, command: tuple[str, ...]) -> None:
    grow(cli)
    assert archive(cli, "one").code == 0
    there = cli(*command, "--state", OLD)
    absent = "there is no log acme/misspelt in sqlite:old.db yet\n"
    assert absent not in there.err
    gone = cli(*command, "--state", OLD, "--env", "misspelt")
    assert (gone.code, gone.err) == (0, absent)
    if command == ("history",):
        assert cli(*command, "--archive", "one", "--state", OLD, "--env", "misspelt").err == absent


@pytest.mark.parametrize("wrong", ["cut", "changed"])
def test_what_is_wrong_in_a_file_is_said_of_the_file(cli: Any, wrong: str) -> None:
    grow(cli, 9)
    assert archive(cli, "one").code == 0
    with opened(cli) as backend:
        checkpoint(chain_of(cli), backend)
    whole = (cli.folder / "one").read_bytes()
    cli.write("t", (whole[:-900] if wrong == "cut" else whole.replace(b"made-4", b"made-x")).decode("ascii"))
    for ran in (
        cli("history", "--archive", "t", "--state", OLD),
        cli("history", "--as-of", "2000-01-01", "--archive", "t", "--state", OLD),
        cli("state", "verify", "--archive", "t", "--state", OLD),
        cli("state", "verify", "t"),
        cli("state", "migrate", NEW, "--from", "t"),
    ):
        assert ran.code == 5
        assert "he exported log t is damaged" in ran.err
        assert "The log is damaged" not in ran.err
        assert "take another copy of the file" in ran.err
        assert "It is not the log that is damaged" in ran.err
        assert "Restore the state" not in ran.err
        assert "state export" not in ran.err
    assert not (cli.folder / "new.db").exists()
    assert verify(cli, "--archive", "t").json["warnings"] == []
    if wrong == "changed":
        assert "What comes before is intact, up to position 4." in cli("state", "verify", "t").err
        assert "Position 5: " in cli("history", "--archive", "t", "--state", OLD).err


def test_a_file_of_a_newer_version_is_no_damaged_one(tmp_path: Path) -> None:
    error = newer("an entry of it")
    said = ExportedLog(tmp_path / "t").blamed(error)
    assert (
        said.message
        == f"The exported log {tmp_path / 't'} was written by a newer version of the program: an entry of it."
    )
    assert said.hint == error.hint


def test_the_place_it_came_from_is_no_place_to_go_back_to(cli: Any) -> None:
    grow(cli)
    assert migrate(cli, NEW).code == 0
    back = migrate(cli, OLD, url=NEW)
    assert (back.code, f"was moved from there to {at(cli)}" in back.err) == (5, True)
    assert "a place is used once" in back.err
    assert "Name a file of another name." in back.err
    assert rm(cli, "made-0", NEW).code == 0


def test_a_git_remote_is_used_again_once_what_it_keeps_was_removed_as_is_said(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    with place("git", tmp_path / "remote") as remote:
        cli.declare(BLUE)
        with closing(open_backend(remote.url, LOG)) as backend:
            chain = grown(backend, 4)
            checkpoint(chain, backend)
        assert migrate(cli, NEW, url=remote.url).code == 0
        back = migrate(cli, remote.url, url=NEW)
        assert (back.code, "a place is used once" in back.err) == (5, True)
        assert "git ls-remote REMOTE refs/reconciler/PROJECT/ENV 'refs/reconciler-checkpoint/PROJECT/ENV/*'" in back.err
        where = remote.url.removeprefix("git:")
        refs = git("ls-remote", where, f"refs/reconciler/{LOG}", f"refs/reconciler-checkpoint/{LOG}/*").split()[1::2]
        assert len(refs) == 2
        for ref in refs:
            git("--git-dir", where, "push", where, f":{ref}")
        assert migrate(cli, remote.url, url=NEW).code == 0
        assert rm(cli, "made-0", remote.url).code == 0


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def test_the_place_in_the_marker_is_found_from_any_folder(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    assert migrate(cli, NEW).code == 0
    assert chain_of(cli).recorded.moved_to == at(cli)
    (cli.folder / "elsewhere").mkdir()
    monkeypatch.chdir(cli.folder / "elsewhere")
    again = ("state", "migrate", "../new.db", "--state", "sqlite:../old.db", "--dir", "../manifests")
    ran = cli(*again[:2], f"sqlite:{again[2]}", *again[3:])
    assert (ran.code, ran.err) == (0, "")
    found = cli("state", "list", "--state", at(cli), "--dir", "../manifests")
    assert (found.code, "made-0" in found.out, found.err) == (0, True, "")


def test_the_old_place_agrees_with_itself(cli: Any) -> None:
    grow(cli)
    assert migrate(cli, NEW).code == 0
    told = cli("history", "--state", OLD, "-v").out.partition("\n\n")[0]
    assert "state migrate: done; the log was moved away" in told
    assert f"the log goes on at {at(cli)}" in told
    assert "not given back" not in told
    assert cli("history", "--state", OLD, "--format", "json").json["runs"][0]["state"] == "moved"
    assert cli("history", "--state", NEW, "--format", "json").json["runs"][0]["state"] == "released"
    ran = cli("state", "unlock", "--yes", "--state", OLD)
    assert (ran.code, ran.out) == (0, "Nobody holds the state.\n")
    assert f"this log was moved to {at(cli)}, and goes on there" in ran.err
