"""Who runs, for whoever waits for the lease, and whether that process is still there."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reconciler.model.entry import Holder

_BUILD_URLS: Final = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL")
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s@]*@")
_PROC: Final = Path("/proc")


def this_holder(command: str) -> Holder:
    """Return who this process is; passwords in URLs are left out of what it says."""
    return Holder(
        user=_user(),
        host=socket.gethostname(),
        process=_process(),
        command=_clean(command),
        ci=_clean(_ci(os.environ)),
    )


def is_dead(holder: Holder) -> bool:
    """Whether the holder is provably gone; False when it lives or nobody here can tell.

    Only a process of this host, this boot and this PID namespace can be looked up.
    """
    mine = _process().split("/")
    its = holder.process.split("/")
    if holder.host != socket.gethostname() or len(its) != 4 or its[:2] != mine[:2] or not its[2].isdecimal():
        return False
    try:
        os.kill(int(its[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass  # it exists and belongs to somebody else, or the number never was one of a process
    started = _started(its[2])
    return started is not None and started != its[3]


def _process() -> str:
    """`<boot>/<pid namespace>/<pid>/<start>`, empty where the system does not tell (only Linux does)."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
    pid = str(os.getpid())
    started = _started(pid)
    return f"{boot}/{namespace}/{pid}/{started}" if started else ""


def _started(pid: str) -> str | None:
    """When a process began, in ticks since the boot; "" for one that has ended and is not yet cleared away;
    None when that cannot be read (proc(5), `/proc/pid/stat`)."""
    try:
        stat = (_PROC / pid / "stat").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()  # the name in parentheses may hold anything
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # Windows; a container whose user has no name
        return os.environ.get("USERNAME") or f"user {os.getuid() if hasattr(os, 'getuid') else 'unknown'}"


def _ci(environment: Mapping[str, str]) -> str:
    """The page of the CI run we are part of, empty outside of one."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    if server and repository and run:
        return f"{server}/{repository}/actions/runs/{run}"
    return next((environment[name] for name in _BUILD_URLS if environment.get(name)), "")


def _clean(text: str) -> str:
    return _CREDENTIALS.sub("***@", text)
