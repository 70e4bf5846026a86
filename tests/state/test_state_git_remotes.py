"""What is promised about git remotes beyond what every backend promises: whose repository is touched, and what is
said when something is wrong."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from git_server import git_http, make_bare

from reconciler.model.errors import Conflict, StateError, Unreachable, Usage
from reconciler.model.ports import Backend
from reconciler.state.backends import WHOLE, git_remote, open_backend
from reconciler.testing.storage import LOG, rows
from reconciler.testing.writer import claims, content

AUTHORIZATION = "Basic YW5uOnMzY3JldCUv"  # ann:s3cret%/
REF = f"refs/reconciler/{LOG}"
HINTED = "\x1b[31mno pushes \u202eon Fridays\x1b[0m"


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder."""
    environ = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    environ["GIT_COMMITTER_EMAIL"] = "a@b"
    done = subprocess.run(["git", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A remote with a branch of two commits."""
    made = make_bare(tmp_path / "served" / "log.git")
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "work")
    for message in ("one", "two"):
        git(tmp_path / "work", "commit", "--quiet", "--allow-empty", f"--message={message}")
    git(tmp_path / "work", "push", "--quiet", str(made), "main")
    git(made, "symbolic-ref", "HEAD", "refs/heads/main")
    return made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def backend(bare: Path, here: Path) -> Backend:
    return opened(bare)


def opened(remote: object, log: str = LOG) -> Backend:
    return open_backend(f"git:{remote}", log)


def write(backend: Backend, *positions: int) -> None:
    for position in positions:
        backend.append(position, b"%d" % position)


def expected(first: int, last: int) -> list[tuple[int, bytes]]:
    return [(position, b"%d" % position) for position in range(first, last + 1)]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def hook(bare: Path, name: str, script: str) -> Path:
    (bare / "hooks").mkdir(exist_ok=True)
    file = bare / "hooks" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def refused(act: Callable[[], object], kind: type[StateError], *said: str) -> StateError:
    with pytest.raises(StateError) as caught:
        act()
    assert isinstance(caught.value, kind)
    assert kind is Unreachable or not isinstance(caught.value, Unreachable | Conflict), caught.value.message
    for words in said:
        assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isprintable()
    return caught.value


def state_of(repository: Path) -> list[str]:
    """Everything about a checkout that must stay as it is."""
    looks = (["status", "--porcelain"], ["branch", "--all"], ["for-each-ref"], ["count-objects"], ["config", "--list"])
    files = sorted(str(file.relative_to(repository)) for file in (repository / ".git").rglob("*"))
    return [git(repository, *look) for look in looks] + files


def test_a_shallow_checkout_works_and_stays_as_it_is(
    tmp_path: Path, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{bare}", str(checkout))
    before = state_of(checkout)
    assert (checkout / ".git" / "shallow").exists()
    monkeypatch.chdir(checkout)
    one = opened("origin")
    write(one, 1, 2, 3)
    one.checkpoint(2, b"two")
    one.trim(2)
    assert rows(one, WHOLE) == expected(2, 3)
    assert state_of(checkout) == before
    (checkout / "deep").mkdir()
    monkeypatch.chdir(checkout / "deep")
    assert rows(opened("origin"), WHOLE) == expected(2, 3)


def test_no_clone_and_no_branch_has_the_log(tmp_path: Path, bare: Path, backend: Backend) -> None:
    write(backend, 1)
    assert git(bare, "branch", "--list").split() == ["*", "main"]
    git(tmp_path, "clone", "--quiet", f"file://{bare}", "clone")
    assert "reconciler" not in git(tmp_path / "clone", "for-each-ref")
    commit = git(bare, "rev-parse", REF)
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path / "clone", "cat-file", "-e", commit)


def test_people_can_read_what_a_commit_is(bare: Path, backend: Backend) -> None:
    write(backend, 1, 2)
    assert git(bare, "log", "--format=%an: %s", REF).splitlines() == [
        f"reconciler: Position 2 of {LOG}",
        f"reconciler: Position 1 of {LOG}",
    ]
    assert git(bare, "show", f"{REF}:batch") == "2"
    git(bare, "fsck", "--strict")


def test_nothing_is_left_behind(here: Path, temporary: Path, backend: Backend) -> None:
    git(here, "init", "--quiet")
    before = state_of(here)
    assert rows(backend) == []
    backend.trim(1)
    assert list(temporary.iterdir()) == []
    write(backend, 1)
    assert [oct(folder.stat().st_mode & 0o777) for folder in temporary.iterdir()] == ["0o700"]
    backend.close()
    assert list(temporary.iterdir()) == []
    assert rows(backend) == expected(1, 1)
    del backend
    assert [path.name for path in here.iterdir()] == [".git"]
    assert state_of(here) == before


def test_a_process_that_ends_leaves_nothing_behind(bare: Path, here: Path, temporary: Path) -> None:
    script = f"from reconciler.state.backends import open_backend as o; b = o('git:{bare}', '{LOG}'); b.append(1, b'1')"
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(temporary)}, check=True)
    assert list(temporary.iterdir()) == []
    assert rows(opened(bare)) == expected(1, 1)


def test_names_never_meet_and_are_always_valid(bare: Path, here: Path) -> None:
    names = [
        "sandbox:acme/default",
        "sandbox%3Aacme/default",
        "a..b/x.lock",
        "a~b^c/*?[\\",
        "@{/@",
        "-a/.b",
        "ż ó/\x01",
    ]
    for name in names:
        opened(bare, name).append(1, name.encode())
    assert [rows(opened(bare, name)) for name in names] == [[(1, name.encode())] for name in names]
    kept = git(bare, "for-each-ref", "--format=%(refname)", "refs/reconciler").splitlines()
    assert len(kept) == len(names)
    assert "refs/reconciler/sandbox%3Aacme/default" in kept


def test_a_hook_that_refuses_is_quoted(bare: Path, backend: Backend) -> None:
    write(backend, 1)
    script = hook(bare, "pre-receive", f"printf '%b\\n' '{HINTED}' >&2; exit 1")
    error = refused(lambda: write(backend, 2), StateError, "did not take position 2", "no pushes", "hook declined")
    assert len(error.message) < 500
    refused(lambda: backend.checkpoint(1, b"s"), StateError, "no pushes")
    refused(lambda: (write(backend, 2), backend.trim(2)), StateError, "no pushes")
    script.unlink()
    write(backend, 2)
    assert rows(backend) == expected(1, 2)


def test_a_server_that_talks_endlessly_is_cut_short(bare: Path, backend: Backend) -> None:
    hook(bare, "pre-receive", "seq 100000 >&2; exit 1")
    assert len(refused(lambda: write(backend, 1), StateError, "…").message) < 500


def test_a_server_that_forbids_rewriting_branches_lets_a_log_be_trimmed(bare: Path, backend: Backend) -> None:
    git(bare, "config", "receive.denyNonFastForwards", "true")
    git(bare, "config", "receive.denyDeletes", "true")
    write(backend, 1, 2)
    backend.checkpoint(1, b"one")
    backend.checkpoint(2, b"two")
    backend.trim(2)
    assert rows(backend, WHOLE) == expected(2, 2)


def test_an_answer_that_was_lost_is_looked_up(bare: Path, backend: Backend) -> None:
    write(backend, 1)
    script = hook(bare, "post-receive", "kill -9 $PPID")
    write(backend, 2)
    script.unlink()
    write(backend, 3)
    assert rows(backend) == expected(1, 3)


def test_a_lost_answer_is_found_below_what_others_wrote_meanwhile(bare: Path, here: Path, backend: Backend) -> None:
    write(backend, 1)
    others = here / "others"
    others.mkdir()
    script = hook(
        bare,
        "post-receive",
        f"rm hooks/post-receive; cd {others}; unset $(git rev-parse --local-env-vars)\n"
        f"{sys.executable} -c 'from reconciler.state.backends import open_backend as o; "
        f'o("git:{bare}", "{LOG}").append(3, b"3")\' && kill -9 $PPID',
    )
    write(backend, 2)
    assert not script.exists()
    write(backend, 4)
    assert rows(backend) == expected(1, 4)


def test_a_push_that_takes_too_long_is_in_doubt(bare: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    write(backend, 1)
    hook(bare, "pre-receive", "sleep 30")
    with monkeypatch.context() as patched:
        patched.setattr(git_remote, "PATIENCE", 0.3)
        refused(lambda: write(backend, 2), Unreachable, "did not answer within 0.3 seconds")
    (bare / "hooks" / "pre-receive").unlink()
    write(backend, 2)


def test_a_server_that_never_answers_is_given_up(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_remote.LOOK < git_remote.PATIENCE
    monkeypatch.setattr(git_remote, "LOOK", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backend = opened(f"http://ann:s3cret@127.0.0.1:{silent.getsockname()[1]}/log.git")
        for act in (lambda: rows(backend), lambda: write(backend, 1), lambda: backend.trim(1)):
            error = refused(act, Unreachable, "did not answer within 0.3 seconds", "127.0.0.1")
            assert "s3cret" not in error.message
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "remote", ["/nowhere/log.git", "file:///nowhere/log.git", "origin", "ext::sh -c touch% pwned", "."]
)
def test_what_is_no_repository_is_called_that(here: Path, remote: str) -> None:
    for act in (lambda: rows(opened(remote)), lambda: write(opened(remote), 1)):
        error = refused(act, StateError, f"The git remote {remote}")
        assert "git" in error.message
        assert not re.search(r"[.:;!] ?[.;]|Please", error.message), error.message
    assert not (here / "pwned").exists()


@pytest.mark.parametrize("remote", ["", "--upload-pack=touch pwned", "-o", "a\0b", "a\nb"])
def test_what_cannot_be_a_remote_is_wrong_usage(here: Path, remote: str) -> None:
    with pytest.raises(Usage, match="names no git remote"):
        opened(remote)


def test_a_remote_that_is_gone_is_a_lost_log_only_when_it_comes_back_empty(bare: Path, backend: Backend) -> None:
    write(backend, 1)
    assert rows(backend) == expected(1, 1)
    bare.rename(bare.with_name("away"))
    refused(lambda: write(backend, 2), Unreachable, "Nobody knows whether position 2 was taken")
    refused(lambda: rows(backend), StateError, "does not appear to be a git repository")
    make_bare(bare)
    refused(lambda: rows(backend), StateError, "it ends at position 0, but position 1 was seen there before")
    refused(lambda: write(backend, 2), StateError)
    assert rows(opened(bare)) == []


def test_a_log_is_not_empty_for_anybody_while_its_checkpoint_is_there(bare: Path, backend: Backend) -> None:
    write(backend, 1, 2)
    backend.checkpoint(2, b"two")
    git(bare, "update-ref", "-d", REF)
    for act in (lambda: rows(opened(bare)), lambda: write(opened(bare), 1), lambda: opened(bare).trim(1)):
        refused(act, StateError, "it ends at position 0, but position 2 was seen there before")


@pytest.mark.parametrize("forgetful", [False, True])
def test_what_was_seen_must_not_go_away(bare: Path, temporary: Path, backend: Backend, forgetful: bool) -> None:
    write(backend, 1, 2, 3)
    seen = rows(backend)
    ends = git(bare, "rev-list", "--reverse", REF).splitlines()
    if forgetful:
        forget(temporary)
    git(bare, "update-ref", REF, ends[1])
    for act in (
        lambda: rows(backend),
        lambda: rows(backend, WHOLE),
        lambda: write(backend, 4),
        lambda: backend.trim(2),
    ):
        error = refused(act, StateError, "it ends at position 2, but position 3 was seen there before")
        assert REF in error.hint
    git(bare, "update-ref", "-d", REF)
    refused(lambda: rows(backend), StateError, "it ends at position 0")
    refused(lambda: write(backend, 1), StateError, "it ends at position 0")
    git(bare, "update-ref", REF, ends[2])
    write(backend, 4)
    assert rows(backend) == [*seen, (4, b"4")]


def test_a_batch_that_was_seen_must_not_become_another(bare: Path, backend: Backend) -> None:
    write(backend, 1, 2)
    git(bare, "update-ref", REF, f"{REF}~1")
    other = opened(bare)
    assert rows(other) == expected(1, 1)
    other.append(2, b"other")
    other.append(3, b"other")
    for act in (lambda: rows(backend), lambda: rows(backend, 3), lambda: write(backend, 3), lambda: backend.trim(3)):
        refused(act, StateError, "position 2 is not what was seen there before")


def test_what_a_killed_push_leaves_in_the_way_is_told(bare: Path, backend: Backend) -> None:
    write(backend, 1)
    lock = next(file for file in (bare / "refs" / "reconciler").rglob("*") if file.is_file())
    lock = lock.with_name(f"{lock.name}.lock")
    lock.touch()
    error = refused(lambda: write(backend, 2), Unreachable, "did not take position 2", f"{lock.name}': File exists")
    assert "remove the file that is in the way" in error.hint
    lock.unlink()
    write(backend, 2)


@pytest.mark.parametrize("content", ["", "deadbeef", "x" * 40 + "\n", "f" * 40 + "\n"])
def test_a_ref_that_is_damaged_is_not_an_empty_log(bare: Path, here: Path, backend: Backend, content: str) -> None:
    write(backend, 1, 2)
    next(file for file in (bare / "refs" / "reconciler").rglob("*") if file.is_file()).write_text(content)
    for whoever in (backend, opened(bare)):
        with pytest.raises(StateError) as caught:
            rows(whoever)
        assert "restore it from a copy" in caught.value.hint


def test_a_ref_of_somebody_else_is_not_a_log(bare: Path, backend: Backend) -> None:
    git(bare, "update-ref", REF, "refs/heads/main")
    refused(lambda: rows(backend), StateError, "is none of its own")
    refused(lambda: write(backend, 1), StateError, "is none of its own")
    blob = git(bare, "hash-object", "-w", "--stdin", "--path=x")
    git(bare, "update-ref", REF, blob)
    refused(lambda: rows(backend), StateError, "leads to no commit")


def test_commits_of_others_in_the_line_are_damage(bare: Path, here: Path) -> None:
    write(opened(bare), 1, 2)
    tree = git(bare, "rev-parse", f"{REF}^{{tree}}")
    empty = git(bare, "hash-object", "-t", "tree", "-w", "/dev/null")

    def add(subject: str, *parents: str, tree: str = tree) -> None:
        after = [word for parent in parents for word in ("-p", parent)]
        git(bare, "update-ref", REF, git(bare, "commit-tree", *after, "-m", subject, tree))

    second = git(bare, "rev-parse", REF)
    add(f"Position 4 of {LOG}", second)
    refused(lambda: rows(opened(bare)), StateError, "position 4 follows another one")
    add(f"Position 3 of {LOG}", second, "refs/heads/main")
    refused(lambda: rows(opened(bare), 1), StateError)
    add("Position 3 of acme/other", second)
    refused(lambda: rows(opened(bare)), StateError, "none of its own")
    add(f"Position 3 of {LOG}", second, tree=empty)
    refused(lambda: rows(opened(bare)), StateError, "position 3 holds no batch")
    git(bare, "update-ref", REF, second)
    assert rows(opened(bare)) == expected(1, 2)


def test_two_machines_take_turns(bare: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = []
    for name in ("one", "two"):
        (here / name).mkdir()
        monkeypatch.chdir(here / name)
        machines.append(opened(bare))
    one, two = machines
    for position in range(1, 9, 2):
        write(one, position)
        with pytest.raises(Conflict):
            two.append(position, b"x")
        write(two, position + 1)
        with pytest.raises(Conflict):
            one.append(position + 1, b"x")
        assert rows(one) == rows(two) == expected(1, position + 1)
    one.trim(6)
    assert rows(two, 7) == expected(8, 8)
    write(two, 9)
    one.checkpoint(9, b"nine")
    two.trim(9)
    write(one, 10)
    assert rows(one, WHOLE) == rows(two, WHOLE) == expected(9, 10)


def test_machines_that_share_nothing_never_share_a_position(
    bare: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    won: list[tuple[int, bytes]] = []

    def write(name: str, backend: Backend) -> None:
        won.extend((position, content(name, position)) for position in claims(backend, name, 10))

    threads = []
    for name in ("one", "two", "three"):
        (here / name).mkdir()
        monkeypatch.chdir(here / name)
        threads.append(threading.Thread(target=write, args=(name, opened(bare))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == rows(opened(bare))
    assert len(won) == 10


def forget(temporary: Path) -> None:
    """What a cleaner of temporary files does."""
    for folder in temporary.iterdir():
        shutil.rmtree(folder)


def test_the_copy_may_go_away_between_any_two_calls(bare: Path, temporary: Path, backend: Backend) -> None:
    other = opened(bare)
    acts: list[Callable[[], object]] = [
        lambda: write(backend, 1),
        lambda: write(other, 2),
        lambda: rows(backend),
        lambda: write(backend, 3),
        lambda: other.checkpoint(2, b"two"),
        lambda: rows(other, WHOLE),
        lambda: other.trim(2),
        lambda: write(backend, 4),
    ]
    for act in acts:
        act()
        forget(temporary)
    assert rows(backend, WHOLE) == expected(2, 4)
    batches = backend.read(WHOLE)[1]
    forget(temporary)
    refused(lambda: list(batches), Unreachable, "`git cat-file` fails")
    assert rows(backend, WHOLE) == expected(2, 4)


@pytest.mark.parametrize("name", ["shallow.lock", "refs/log.lock", "refs/log", "HEAD", "config", "shallow"])
def test_what_a_killed_git_leaves_in_the_copy_costs_one_try(
    bare: Path, here: Path, temporary: Path, backend: Backend, name: str
) -> None:
    write(backend, 1, 2, 3)
    backend.close()
    other = opened(bare)
    assert rows(other, 1) == expected(2, 3)
    (copy,) = temporary.iterdir()
    write(backend, 4)
    damage(copy / name, b"\xff" * 50)
    for act in (lambda: rows(other, WHOLE), lambda: write(other, 5)):
        try:
            act()
        except Unreachable:
            act()
    assert rows(other, WHOLE) == rows(backend) == expected(1, 5)


def damage(file: Path, content: bytes) -> None:
    if file.exists():
        file.chmod(0o644)
    file.write_bytes(content)


def test_a_repository_in_a_branch_runs_no_commands(
    bare: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(here, "init", "--quiet")
    planted = make_bare(here / "project")
    with (planted / "config").open("a") as config:
        config.write(
            f"[core]\n sshCommand = touch {tmp_path}/pwned\n fsmonitor = touch {tmp_path}/pwned\n"
            f'[credential]\n helper = "!touch {tmp_path}/pwned"\n[remote "origin"]\n url = a@b:c\n'
        )
    hook(planted, "reference-transaction", f"touch {tmp_path}/pwned")
    monkeypatch.chdir(planted)
    write(opened(bare), 1)
    refused(lambda: rows(opened("origin")), StateError, "does not appear to be a git repository")
    assert git(planted, "for-each-ref") == ""
    assert not (tmp_path / "pwned").exists()


def test_a_checkpoint_makes_the_first_look_short(bare: Path, here: Path, temporary: Path, backend: Backend) -> None:
    write(backend, *range(1, 41))
    backend.checkpoint(35, b"state")
    backend.close()
    for after, said, commits in ((0, (35, b"state"), 6), (36, None, 4), (39, None, 1), (40, None, 1)):
        fresh = opened(bare)
        found, batches = fresh.read(after)
        first = (35 if said else after) + 1
        assert (found, list(batches)) == (said, expected(first, 40))
        (copy,) = temporary.iterdir()
        assert len(git(copy, "rev-list", "refs/log").splitlines()) <= commits
        assert rows(fresh, WHOLE) == expected(1, 40)
        fresh.close()
    write(backend, 41)


def test_old_checkpoints_go_away(bare: Path, backend: Backend) -> None:
    write(backend, 1, 2, 3)
    for position in (1, 3, 2):
        backend.checkpoint(position, b"%d" % position)
    assert git(bare, "for-each-ref", "--format=%(refname:lstrip=4)", "refs/reconciler-checkpoint").split() == ["2", "3"]
    assert backend.read(0)[0] == (3, b"3")


def test_who_is_stopped_in_its_turn_stops_nobody_else(
    bare: Path, here: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(backend, 1)
    monkeypatch.setattr(git_remote, "_TURNS", 2)
    with git_remote._turn(here):
        write(opened(bare), 2)
        write(backend, 3)
    assert rows(backend) == expected(1, 3)


WRITER = "import sys; from reconciler.state.backends import open_backend; b = open_backend(sys.argv[1], sys.argv[2])"


@contextmanager
def killed(url: str, act: str, reached: Callable[[], object]) -> Iterator[None]:
    """While inside, a process that acts on the log has been killed, after something was reached."""
    with subprocess.Popen([sys.executable, "-c", f"{WRITER}; {act}", url, LOG], start_new_session=True) as process:
        reached()
        assert process.poll() is None
        process.kill()
    try:
        yield
    finally:
        for child in sessions():
            os.killpg(child, signal.SIGKILL)


def sessions() -> list[int]:
    """What has begun a session, works in this folder, and is not this process: git, or who watches it."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if (folder / "cwd").readlink() == Path.cwd() and (folder / "stat").read_text().split()[5] == folder.name:
                found.append(int(folder.name))
    return found


def wait_until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_look_ends_with_its_process_and_holds_nobody_up(
    bare: Path, here: Path, backend: Backend, scheme: str
) -> None:
    write(backend, 1)
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        url = f"git:{scheme}://127.0.0.1:{silent.getsockname()[1]}/log.git"

        def asked() -> None:
            stack.enter_context(silent.accept()[0])
            wait_until(lambda: len(sessions()) == 3)  # the process, git, and who watches it

        with killed(url, "b.read(0)", asked):
            wait_until(lambda: may_lock(here))
            wait_until(lambda: not sessions())
    write(backend, 2)


def may_lock(folder: Path) -> bool:
    """Whether nobody has its turn in a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(opened)
    return True


def test_a_push_that_hangs_without_its_process_is_ended(bare: Path, here: Path, backend: Backend) -> None:
    write(backend, 1)
    refusing = hook(bare, "pre-receive", f"touch {here}/began; sleep 300")
    with killed(f"git:{bare}", "b.append(2, b'2')", lambda: wait_until((here / "began").exists)):
        wait_until(lambda: not sessions())
    refusing.unlink()
    write(backend, 2)
    assert rows(backend) == expected(1, 2)


def test_a_push_goes_on_without_its_process_and_nobody_overtakes_it(bare: Path, here: Path, backend: Backend) -> None:
    write(backend, 1)
    hook(bare, "pre-receive", f"touch {here}/began; sleep 0.5")
    script = f"from reconciler.state.backends import open_backend as o; o('git:{bare}', '{LOG}').append(2, b'2')"
    with subprocess.Popen([sys.executable, "-c", script]) as writer:
        while not (here / "began").exists():
            assert writer.poll() is None
        writer.kill()
    assert rows(opened(bare)) == expected(1, 2)


@pytest.fixture
def spied(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Every command line of git and of what it runs, as others on the machine can see them."""
    real, told = shutil.which("git"), tmp_path / "told"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\necho "$@" >> {told}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[trace2]\n\teventTarget = {told}\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    return told.read_text


@pytest.fixture
def port(bare: Path) -> Iterator[int]:
    yield from _port(bare)


def _port(bare: Path) -> Iterator[int]:
    with git_http(bare.parent, AUTHORIZATION) as port:
        yield port


def test_a_password_in_the_url_is_used_and_never_seen(port: int, spied: Callable[[], str]) -> None:
    url = f"http://ann:s3cret%25%2F@127.0.0.1:{port}/log.git"
    one = opened(url)
    write(one, 1)
    assert rows(one) == expected(1, 1)
    with pytest.raises(Conflict) as conflict:
        one.append(1, b"x")
    errors: list[StateError] = [conflict.value]
    for wrong in (url.replace("s3cret", "wr0ng-s3cret"), url.replace("log.git", "none.git")):
        errors += [refused(lambda wrong=wrong: rows(opened(wrong)), StateError)]  # type: ignore[misc]
        errors += [refused(lambda wrong=wrong: write(opened(wrong), 1), StateError)]  # type: ignore[misc]
    told = spied() + "".join(error.message + error.hint for error in errors)
    assert "push" in told
    assert "s3cret" not in told
    assert AUTHORIZATION.split()[1] not in told


def test_how_the_checkout_logs_in_is_carried_over(
    here: Path, port: int, spied: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{port}/"
    git(here, "init", "--quiet")
    git(here, "config", f"url.{url}.insteadOf", "work:")
    git(here, "remote", "add", "origin", "work:log.git")
    error = refused(lambda: write(opened("origin"), 1), StateError)
    assert "could not read Username" in error.message
    (tmp_path / "included").write_text(f'[http "{url}"]\n\textraheader = AUTHORIZATION: {AUTHORIZATION}\n')
    git(here, "config", f"includeIf.gitdir:{here}/.git.path", str(tmp_path / "included"))
    write(opened("origin"), 1)
    git(here, "config", "--remove-section", f"includeIf.gitdir:{here}/.git")
    for key, value in (
        ("COUNT", "1"),
        ("KEY_0", f"http.{url}.extraheader"),
        ("VALUE_0", f"AUTHORIZATION: {AUTHORIZATION}"),
    ):
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    write(opened("origin"), 2)
    assert rows(opened(f"{url}log.git")) == expected(1, 2)
    assert AUTHORIZATION.split()[1] not in spied()


def test_a_push_url_is_where_the_log_is(bare: Path, here: Path, tmp_path: Path) -> None:
    mirror = make_bare(tmp_path / "mirror.git")
    git(here, "init", "--quiet")
    git(here, "remote", "add", "team/state", str(mirror))
    git(here, "remote", "set-url", "--push", "team/state", "../served/log.git")
    write(opened("team/state"), 1)
    assert rows(opened(bare)) == rows(opened("team/state")) == expected(1, 1)
    assert git(mirror, "for-each-ref") == ""


def test_what_is_set_for_another_repository_changes_nothing(
    bare: Path, here: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gitconfig").write_text(
        "[commit]\n gpgSign = true\n[push]\n gpgSign = true\n followTags = true\n[core]\n hooksPath = /nowhere\n"
        "[fetch]\n prune = true\n[init]\n defaultObjectFormat = sha256\n[log]\n showSignature = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(tmp_path / "work" / ".git"))
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    write(backend, 1, 2)
    assert rows(backend) == expected(1, 2)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"):
        monkeypatch.delenv(name)
    assert git(bare, "rev-parse", REF)


def test_a_repository_with_long_names_is_used_as_it_is(here: Path, tmp_path: Path) -> None:
    bare = tmp_path / "long.git"
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", str(bare))
    git(bare, "update-ref", "refs/heads/main", git(bare, "commit-tree", "-m", "x", git(bare, "mktree", "--missing")))
    write(opened(bare), 1, 2)
    opened(bare).checkpoint(1, b"one")
    write(opened(bare), 3)
    assert rows(opened(bare), WHOLE) == expected(1, 3)
    assert opened(bare).read(0)[0] == (1, b"one")


def test_what_is_pushed_to_this_machine_is_flushed(
    bare: Path, backend: Backend, spied: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(backend, 1)
    synced: list[str] = []

    def fsync(descriptor: int, real: Callable[[int], None] = os.fsync) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(backend, 2)
    names = git(bare, "rev-list", "--objects", f"{REF}~1..{REF}").split()
    for name in (names[0], names[1], names[2]):
        assert f"{bare}/objects/{name[:2]}" in synced
    assert f"{bare}/{Path(REF).parent}" in synced
    assert "core.fsync=all" in spied()


def test_there_may_be_no_git(here: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(here))
    refused(lambda: rows(opened(bare)), StateError, "cannot be used: git")


def test_a_copy_that_cannot_be_made_is_explained(bare: Path, backend: Backend, temporary: Path) -> None:
    temporary.rmdir()
    refused(lambda: write(backend, 1), StateError, "cannot be used", str(temporary))
    temporary.mkdir()
    write(backend, 1)


def test_many_threads_share_a_handle(backend: Backend) -> None:
    won: list[int] = []

    def claim(position: int) -> None:
        while True:
            try:
                backend.append(position, b"%d" % position)
            except Conflict:
                continue
            won.append(position)
            return

    threads = [threading.Thread(target=claim, args=(position,)) for position in (3, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1, 2, 3]
    assert rows(backend) == expected(1, 3)
