"""Running git: which remote is meant, what it is asked with, and what its failures mean.

The remote is given to git as the configuration of `NAME`, through the environment: no URL, header or helper
that may hold a secret is ever on a command line of ours, or in a message.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

from reconciler.model.errors import StateError, Unreachable, Usage
from reconciler.state.backends import shown

NAME: Final = "reconciler-state"
PATIENCE: Final = 60.0  # seconds for a push or a look; the slowest servers and hooks need a fraction of it
LONG: Final = 600.0  # seconds for the transfer of a whole history

# What decides how a remote is reached, from the configuration of the repository in the working directory.
_SCOPES: Final = ("local", "worktree")
_CARRIED: Final = r"^((http|credential|url|ssh)\..*|core\.(sshcommand|gitproxy|askpass))$"

# `git rev-parse --local-env-vars`, but for what carries configuration: set when a hook of git's runs us.
_FOREIGN: Final = re.compile(
    "GIT_(ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|CONFIG|DIR|GRAFT_FILE|IMPLICIT_WORK_TREE|INDEX_FILE|NAMESPACE"
    "|OBJECT_DIRECTORY|PREFIX|QUARANTINE_PATH|REPLACE_REF_BASE|SHALLOW_FILE|WORK_TREE|TRACE.*)"
)
_FIXED: Final = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_SETTINGS: Final = (
    ("core.hooksPath", os.devnull),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("maintenance.auto", "false"),
)
# What waiting does not cure, in the words of git in the locale C; everything else is held to be passing.
_LASTING: Final = re.compile(
    "does not appear to be a git repository|not found|not exported|[Aa]uthentication failed|could not read (User|Pass)"
    "|[Pp]ermission (to .* )?denied|[Aa]ccess denied|error: 4(?!08|29)\\d\\d|not allowed|dubious ownership"
    "|strange hostname|hash algorithm|[Hh]ost key|certificate|[Nn]o space left|insufficient permission|corrupt"
)
# Reasons of a server that are not about what was pushed: others push as well, or what we sent was broken.
_PASSING: Final = re.compile(
    "cannot lock ref|failed to update ref|incorrect old value|unpacker error|missing necessary"
)
_NOISE: Final = re.compile(r"^(hint:|error: failed to push|To |From |Done$).*|^(remote|fatal|error):\s*|[!?*.\s]+$")
_SECRET: Final = re.compile(r"(?<=//)[^/@\s]*@")
_LOGIN: Final = re.compile(r"(https?://)([^/:@]*):([^/]*)@([^/?#]+)")


class Answer(NamedTuple):
    """How a git process ended: its exit code, and what it said."""

    code: int
    out: bytes
    err: str

    @property
    def words(self) -> str:
        """What git and the server said, in one short line that is safe on a terminal, without credentials."""
        reasons = re.findall(r"^!.*\((.*)\)$", self.out.decode(errors="replace"), re.MULTILINE)
        lines = [_NOISE.sub("", line.strip()) for line in (*self.err.splitlines(), *reasons)]
        said = _SECRET.sub("", "; ".join(dict.fromkeys(filter(None, lines))))
        safe = "".join(sign if sign.isprintable() else " " for sign in said)
        return (safe if len(safe) <= 300 else safe[:299] + "…") or "git said nothing"

    @property
    def rejected(self) -> bool:
        """Whether the server answered that it does not take what was pushed."""
        return b"[remote rejected]" in self.out and not _PASSING.search(self.out.decode(errors="replace"))

    @property
    def lasting(self) -> bool:
        """Whether trying again would end the same way."""
        return self.rejected or _LASTING.search(self.err) is not None


class Remote:
    """One git remote: a name of the repository in the working directory, a URL or a path.

    Nothing is looked up before the first use; the working directory is the one of the construction.
    """

    def __init__(self, given: str) -> None:
        if not given or given.startswith("-") or not given.isprintable():
            raise Usage("The state URL names no git remote.", "Write for example git:origin")
        self.folder = Path.cwd()
        self.shown = f"git remote {shown(given)}"
        self.algorithm = "sha1"
        self._given = given

    @cached_property
    def url(self) -> str:
        """Where the remote is; raises StateError for a name that means nothing here."""
        url, base = self._given, str(self.folder)
        if ":" not in url:
            named = self._here("remote", "get-url", "--push", "--", url)
            if named.code == 0:
                url = named.out.decode(errors="surrogateescape").removesuffix("\n")
                top = self._here("rev-parse", "--show-toplevel")
                base = top.out.decode(errors="surrogateescape").removesuffix("\n") or base
            elif "/" not in url and not (self.folder / url).exists():
                raise StateError(
                    f"The {self.shown} is unknown: {named.words}.", "See `git remote -v`, or write a URL or a path."
                )
        return os.path.join(base, url) if _is_path(url) else url  # noqa: PTH118 - `.` and `..` stay what git makes of them

    @property
    def local(self) -> Path | None:
        """The repository's own folder, when it is on this machine."""
        path = self.url.removeprefix("file://")
        if not _is_path(path):
            return None
        found = (Path(path + suffix) for suffix in ("/.git", "", ".git/.git", ".git"))
        return next((folder for folder in found if (folder / "refs").is_dir()), None)

    @cached_property
    def _settings(self) -> Sequence[tuple[str, str]]:
        """The configuration that every git process of ours gets."""
        login = _LOGIN.match(self.url)
        settings = [*_SETTINGS, *self._carried(), (f"remote.{NAME}.url", self.url)]
        if login is not None:
            scheme, user, password, host = login.groups()
            token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
            settings[-1] = (f"remote.{NAME}.url", scheme + host + self.url[login.end() :])
            settings.append((f"http.{scheme}{host}/.extraHeader", f"Authorization: Basic {token}"))
        return settings

    def _carried(self) -> list[tuple[str, str]]:
        """What only the repository in the working directory says; git reads the rest by itself."""
        listed = self._here("config", "--includes", "--show-scope", "-z", "--get-regexp", _CARRIED)
        fields = listed.out.decode(errors="surrogateescape").split("\0")
        pairs = [
            pair.partition("\n") for scope, pair in zip(fields[::2], fields[1::2], strict=False) if scope in _SCOPES
        ]
        return [(key, value if equals else "true") for key, equals, value in pairs]

    def run(
        self,
        *arguments: str,
        at: Path | None = None,
        patience: float = PATIENCE,
        said: bytes = b"",
        held: int | None = None,
    ) -> Answer:
        """Run git on a repository of ours (or none), and on the remote as `NAME`.

        It keeps the descriptor `held` open.  Raises Unreachable when it takes longer than `patience`.
        """
        given = os.environ.get("GIT_CONFIG_COUNT", "")
        settings = list(enumerate(self._settings, int(given) if given.isdecimal() else 0))
        environ = {key: value for key, value in os.environ.items() if not _FOREIGN.fullmatch(key)}
        environ |= {f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in settings}
        environ |= {f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in settings}
        environ |= {"GIT_CONFIG_COUNT": str(settings[-1][0] + 1), "GIT_DIR": str(at or os.devnull)}
        return self._run(arguments, environ, patience, said, held)

    def refs(self) -> Mapping[str, str]:
        """The refs of the remote and what they point to; raises StateError and Unreachable."""
        answer = self.run("ls-remote", "--quiet", NAME)
        if answer.code:
            raise self.failure("cannot be read", answer)
        lines = (line.split("\t", 1) for line in answer.out.decode(errors="surrogateescape").splitlines())
        refs = {line[1]: line[0] for line in lines if len(line) == 2}
        self.algorithm = "sha256" if any(len(name) == 64 for name in refs.values()) else "sha1"
        return refs

    def failure(self, what: str, answer: Answer) -> StateError:
        """The error for an answer: StateError when waiting does not help, Unreachable otherwise."""
        if answer.lasting:
            return StateError(
                f"The {self.shown} {what}: {answer.words}.", "Check the state URL, and what you may do there."
            )
        return Unreachable(
            f"The {self.shown} {what}: {answer.words}.", "Check the network and the server, then try again."
        )

    def sync(self, ref: str, objects: Sequence[str]) -> None:
        """See to it that what was pushed into a repository on this machine survives a power cut.

        Git flushes the files when it is told to, but never the folders they are in.
        """
        if self.local is None or os.name != "posix":
            return
        names = ["objects", "objects/pack", "reftable", *(f"objects/{name[:2]}" for name in objects)]
        names += [str(folder) for folder in Path(ref).parents]
        for folder in filter(Path.is_dir, (self.local / name for name in names)):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _here(self, *arguments: str) -> Answer:
        """Ask the repository in the working directory."""
        return self._run(arguments, dict(os.environ), PATIENCE, b"", None)

    def _run(
        self, arguments: Sequence[str], environ: dict[str, str], patience: float, said: bytes, held: int | None
    ) -> Answer:
        # What git starts may outlive it with its standard error open, as ssh's shared connections do: so it is a file.
        with tempfile.TemporaryFile() as told:
            try:
                with subprocess.Popen(  # noqa: S603 - the arguments are ours; nothing of the URL is among them
                    ["git", *arguments],  # noqa: S607 - git is wherever PATH says
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=told,
                    cwd=self.folder,
                    env=environ | _FIXED,
                    start_new_session=True,
                    pass_fds=() if held is None else (held,),
                ) as process:
                    try:
                        out = process.communicate(said, timeout=patience)[0]
                    except BaseException:
                        _kill(process)
                        raise
            except subprocess.TimeoutExpired as error:
                raise Unreachable(
                    f"The {self.shown} did not answer within {round(patience, 1):g} seconds.",
                    "Check the network and the server, then try again.",
                ) from error
            except OSError as error:
                raise StateError(
                    f"The {self.shown} cannot be used: git cannot be run in {self.folder}: {error.strerror}.",
                    "Install git 2.31 or a later one.",
                ) from error
            told.seek(0)
            return Answer(process.returncode, out, told.read().decode(errors="replace"))


def _is_path(url: str) -> bool:
    """Whether git takes a URL for a path on this machine, as its "GIT URLS" section says."""
    return "://" not in url and ("/" in url.partition(":")[0] or ":" not in url)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    if os.name != "posix":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
