"""Running git: a repository of ours, the remote that it talks to, and what git's failures mean.

The repository is a temporary one of this object: nothing of the user's is written, and nothing that a branch may have
put into the working directory is believed.  Where the remote is, and how to log in there, git learns from the
environment: no URL, header or helper that may hold a secret is on a command line of ours, or in a message.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

from reconciler.model.errors import Conflict, StateError, Unreachable, Usage
from reconciler.state.backends import shown

LOOK: Final = 30.0  # seconds for a question; the slowest servers need a fraction of it
PATIENCE: Final = 60.0  # seconds for a batch, which hooks may look at
LONG: Final = 600.0  # seconds for a history or a snapshot
_TURNS: Final = 600  # how often, 5 ms apart, others in the working directory are let go first
_GRACE: Final = 2  # seconds for a push whose process is gone, less than others wait for it

# Ends a session when the other end of its input is closed, and not when it is told that all is well.
_WATCH: Final = 'read -r _ || { sleep "$1"; kill -s TERM -- "-$0"; }'

_NAME: Final = "reconciler-state"
# What decides how a remote is reached, in the configuration of the repository in the working directory.
_CARRIED: Final = r"^((http|credential|url|ssh)\..*|core\.(sshcommand|gitproxy|askpass))$"
# The rest is about another repository, as when a hook of git's runs us.
_KEPT: Final = re.compile("(?!GIT_).*|GIT_(ASKPASS|CONFIG_.*|EXEC_PATH|HTTP_.*|PROXY_.*|SSH.*|SSL_.*)")
_FIXED: Final = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
_SETTINGS: Final = (
    ("core.hooksPath", os.devnull),
    ("maintenance.auto", "false"),
    ("push.followTags", "false"),
    ("push.gpgSign", "false"),
)
# What waiting does not cure, in the words of git in the locale C; everything else is held to be passing.
_LASTING: Final = re.compile(
    r"\[remote rejected\](?!.*(cannot lock ref|failed to update ref|incorrect old value|unpacker error|missing nec))"
    r"|does not appear to be|not found|not exported|not allowed|[Aa]uthentication failed|could not read (User|Pass)"
    r"|[Pp]ermission (to .* )?denied|[Aa]ccess denied|insufficient permission|dubious ownership|[Hh]ost key|certificate"
    r"|strange hostname|error: 4(?!08|29)\d\d|hash algorithm|[Nn]o space left"
)
_ADVICE: Final = re.compile(r"Please make sure you have the correct access rights\s+and the repository exists\.")
_LOGIN: Final = re.compile(r"(https?://)([^/:@]*):([^/]*)@([^/?#]+)")


class Answer(NamedTuple):
    """How a git process ended: its exit code, and what it said."""

    code: int
    out: bytes
    err: str

    @property
    def words(self) -> str:
        """What git and the server said, in one short line that is safe on a terminal, without credentials."""
        reasons = re.findall(r"^!.*\t(\[.*)$", self.out.decode(errors="replace"), re.MULTILINE)
        lines = (*reasons, *_ADVICE.sub("", self.err).splitlines())
        said = "; ".join(filter(None, (line.removeprefix("fatal: ").strip(" \t.:;") for line in lines)))
        safe = "".join(sign if sign.isprintable() else " " for sign in re.sub(r"(?<=//)[^/@\s]*@", "", said))
        return (safe if len(safe) <= 300 else safe[:299] + "…") or "git said nothing"


class Remote:
    """One git remote (a name in the working directory's repository, a URL or a path), and our repository, into which
    the refspecs `tracked` are fetched.  Nothing is looked up or made before the first use."""

    def __init__(self, given: str, tracked: Sequence[str]) -> None:
        if not given or given.startswith("-") or not given.isprintable():
            raise Usage("The state URL names no git remote.", "Write for example git:origin")
        self.shown = f"git remote {shown(given)}"
        self.fetched: Mapping[str, str] = {}  # what was tracked when it was fetched; empty for a new repository
        self._given = given
        self._tracked = tracked
        self._folder = Path.cwd()
        self._path: Path | None = None
        self._algorithm = "sha1"
        self._turn = threading.Lock()
        self._held: Sequence[int] = ()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Use this for one thread; when it fails, or somebody removed our repository, the next one gets a new one."""
        try:
            with self._turn, _turn(self._folder) as self._held:
                if self._path is not None and not self._path.exists():
                    self.discard()
                yield
        except OSError as error:
            self.discard()
            what = f"The {self.shown} cannot be used: {error.filename}: {error.strerror}."
            hint = "Check that git 2.31 or later is there, that there is room, and that this may be read and written."
            raise StateError(what, hint) from error
        except StateError as error:
            if not isinstance(error, Conflict):
                self.discard()
            raise

    @property
    def path(self) -> Path:
        """Our repository."""
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="reconciler-"))
            self._remove = weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
            self.local("init", "--bare", "--quiet", "--template=", f"--object-format={self._algorithm}")
        return self._path

    def is_cut(self, commit: str) -> bool:
        """Whether what comes before a commit was left on the remote."""
        file = self.path / "shallow"
        return file.exists() and commit in file.read_text()

    def discard(self) -> None:
        """Remove our repository."""
        if self._path is not None:
            self._remove()
            self._path, self.fetched = None, {}

    def refs(self) -> Mapping[str, str]:
        """The refs of the remote and what they point to; raises StateError and Unreachable."""
        answer = self._run("ls-remote", "--quiet", _NAME, patience=LOOK)
        if answer.code:
            raise self.failure("cannot be read", answer)
        lines = (line.split("\t", 1) for line in answer.out.decode(errors="surrogateescape").splitlines())
        refs = {ref: name for name, ref in lines}
        self._algorithm = "sha256" if any(len(name) == 64 for name in refs.values()) else "sha1"
        return refs

    def fetch(self, depth: int) -> None:
        """Bring what is tracked up to date, only so many commits of it unless `depth` is zero."""
        limit = [f"--depth={depth}"] if depth else []
        self.local("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *limit, _NAME)

    def push(self, *refs: str, old: tuple[str, str] | None = None) -> Answer:
        """Push; `old` is a ref and the value that it must have, empty for none."""
        options = [f"--force-with-lease={old[0]}:{old[1]}"] if old else []
        if self._local is not None:  # where nobody else collects the garbage, but that may not slow down every push
            options.append(f"--receive-pack=git -c core.fsync=all -c receive.autogc={old is None} receive-pack")
        patience = PATIENCE if old else LONG
        return self._run("push", "--porcelain", *options, _NAME, *refs, at=self.path, patience=patience)

    def put(self, kind: str, content: bytes) -> str:
        """Write a loose object, as "gitformat-loose" describes it, and return its name."""
        whole = b"%s %d\0%s" % (kind.encode(), len(content), content)
        name = hashlib.new(self._algorithm, whole, usedforsecurity=False).hexdigest()
        file = self.path / "objects" / name[:2] / name[2:]
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(zlib.compress(whole, 1))
        return name

    def contents(self, at: Path, wanted: Sequence[str]) -> list[bytes | None]:
        """What objects in a repository of ours hold, None for those that are not there."""
        said = "".join(f"{name}\n" for name in wanted).encode()
        rest = memoryview(self.local("cat-file", "--batch", at=at, said=said))
        found: list[bytes | None] = []
        for _ in wanted:
            head = bytes(rest[:300]).partition(b"\n")[0]
            size = -1 if head.endswith(b" missing") else int(head.split()[2])
            found.append(None if size < 0 else bytes(rest[len(head) + 1 : len(head) + 1 + size]))
            rest = rest[len(head) + 2 + size :]
        return found

    def local(self, *arguments: str, at: Path | None = None, said: bytes = b"") -> bytes:
        """What git says in our repository; raises Unreachable when it fails, for a new one may cure it."""
        answer = self._run(*arguments, at=at or self.path, said=said, patience=LONG)
        if answer.code:
            what = f"`git {arguments[0]}` fails in {at or self._path}: {answer.words}"
            hint = "Try again. If it stays so, what is there is damaged: see `git fsck`, and restore it from a copy."
            raise Unreachable(f"The {self.shown} cannot be used: {what}.", hint)
        return answer.out

    def failure(self, what: str, answer: Answer) -> StateError:
        """The error for an answer: StateError when waiting does not help, Unreachable otherwise."""
        message = f"The {self.shown} {what}: {answer.words}."
        if _LASTING.search(answer.out.decode(errors="replace") + answer.err):
            return StateError(message, "Check the state URL, and what you may do there.")
        hint = "Check the network and the server, then try again."
        if ".lock': File exists" in answer.err:
            hint = "Try again. If it stays so, a push was killed there: remove the file that is in the way."
        return Unreachable(message, hint)

    def sync(self, ref: str, *names: str) -> None:
        """Let what was pushed to this machine survive a power cut: git flushes files when it is told to, but never the
        folders they are in.  `names` are what names of objects begin with."""
        folders = ["objects/pack", *(f"objects/{name[:2]}" for name in names), *map(str, Path(ref).parents)]
        for top in () if self._local is None or os.name != "posix" else (self._local, self._local / ".git"):
            for folder in filter(Path.is_dir, (top / folder for folder in folders)):
                opened = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(opened)
                finally:
                    os.close(opened)

    @cached_property
    def _url(self) -> str:
        named = "" if ":" in self._given else self._here("remote", "get-url", "--push", "--", self._given)
        return named.removesuffix("\n") or self._given

    @property
    def _local(self) -> Path | None:
        """The folder of a remote on this machine, told from a URL as git's "GIT URLS" says."""
        path = self._url.removeprefix("file://")
        return None if "://" in path or ":" in path.partition("/")[0] else self._folder / path

    @cached_property
    def _settings(self) -> Sequence[tuple[str, str]]:
        """The remote, with a password in its URL made a header, and what only the working directory's repository says
        about logging in."""
        fields = self._here("config", "--includes", "--show-scope", "-z", "--get-regexp", _CARRIED).split("\0")
        settings = [*_SETTINGS, *((f"remote.{_NAME}.fetch", refspec) for refspec in self._tracked)]
        for scope, setting in zip(fields[::2], fields[1::2], strict=False):
            key, equals, value = setting.partition("\n")
            if scope in ("local", "worktree"):
                settings.append((key, value if equals else "true"))
        url = self._url
        if login := _LOGIN.match(url):
            scheme, user, password, host = login.groups()
            token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
            settings.append((f"http.{scheme}{host}/.extraHeader", f"Authorization: Basic {token}"))
            url = scheme + host + url[login.end() :]
        return [*settings, (f"remote.{_NAME}.url", url)]

    def _here(self, *arguments: str) -> str:
        """What git says about the repository in the working directory, if there is one."""
        answer = self._run("-c", "safe.bareRepository=explicit", *arguments, here=True)  # a branch may hold such a one
        return "" if answer.code else answer.out.decode(errors="surrogateescape")

    def _environ(self, here: bool, at: str | Path) -> Mapping[str, str]:
        environ = {key: value for key, value in os.environ.items() if _KEPT.fullmatch(key)} | _FIXED
        if not here:
            given = environ.get("GIT_CONFIG_COUNT", "")
            first = int(given) if given.isdecimal() else 0
            for number, (key, value) in enumerate(self._settings, first):
                environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
            environ |= {"GIT_CONFIG_COUNT": str(first + len(self._settings)), "GIT_DIR": str(at)}
        return environ

    def _run(
        self,
        *arguments: str,
        here: bool = False,
        at: str | Path = os.devnull,
        said: bytes = b"",
        patience: float | None = None,
    ) -> Answer:
        """Run git `here`, or in a repository of ours with the remote as `_NAME`; a push holds on to our turn.

        When it takes too long all that it has started is ended, and Unreachable raised.
        """
        patience = PATIENCE if patience is None else patience
        pushes = arguments[0] == "push"
        # What git starts may outlive it with its standard error open, as ssh's shared connections do: so it is a file.
        with (
            tempfile.TemporaryFile() as told,
            subprocess.Popen(  # noqa: S603 - the arguments are ours; nothing of the URL is among them
                ["git", *arguments],  # noqa: S607 - git is wherever PATH says
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                cwd=self._folder,
                env=self._environ(here, at),
                start_new_session=True,
                pass_fds=self._held if pushes else (),
            ) as process,
        ):
            try:
                with _watched(process.pid, _GRACE if pushes else 0):
                    out = process.communicate(said, timeout=patience)[0]
            except BaseException as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                what = f"The {self.shown} did not answer within {patience:g} seconds."
                raise Unreachable(what, "Check the network and the server, then try again.") from error
            told.seek(0)
            return Answer(process.returncode, out, told.read().decode(errors="replace"))


@contextmanager
def _watched(session: int, grace: int) -> Iterator[None]:
    """While inside, a session of ours is ended when this process is gone, however it ended: so many seconds later."""
    if os.name != "posix":
        yield
        return
    with subprocess.Popen(  # noqa: S603 - the arguments are ours
        ["/bin/sh", "-c", _WATCH, str(session), str(grace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watch:
        try:
            yield
        finally:
            watch.communicate(b"\n")


@contextmanager
def _turn(folder: Path) -> Iterator[Sequence[int]]:
    """Take turns with other processes in a folder, and give the lock, for a push to hold that may outlive its process.

    It only saves them from getting in each other's way, so who has waited for long goes on.
    """
    if os.name != "posix":
        yield ()
        return
    import fcntl

    opened = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(_TURNS):
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.005)
        yield (opened,)
        fcntl.flock(opened, fcntl.LOCK_UN)  # whatever git has started and left behind
    finally:
        os.close(opened)
