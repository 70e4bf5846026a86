"""A random key of the user's, in the user's own cache folder: it tells what we wrote from what others did."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)

_NAME: Final = "key"
_LENGTH: Final = 32


def existing(environ: Mapping[str, str]) -> bytes | None:
    """Return the key; None where there is none that nobody else can have read or written."""
    folder = _folder(environ)
    if folder is None:
        return None
    try:
        if not is_own_folder(folder, private=True):
            return None
        handle = os.open(folder / _NAME, READ)
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(handle)
            check_file(state, _LENGTH)
            key = file.read(_LENGTH + 1)
    except (OSError, ValueError):
        return None
    return key if len(key) == _LENGTH and not state.st_mode & 0o077 else None


def made(environ: Mapping[str, str]) -> bytes | None:
    """Make a key where there is none, and return it, or the one that somebody made meanwhile; None when that
    cannot be done.  A key that is there already stays, whatever is wrong with it."""
    folder = _folder(environ)
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_own_folder(folder, private=True):
            return None
        beside = folder / f"{_NAME}.{os.urandom(8).hex()}"
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(_LENGTH))
            with suppress(FileExistsError):
                os.link(beside, folder / _NAME)
        finally:
            beside.unlink()
    except OSError:
        return None
    return existing(environ)


def is_own_folder(folder: Path, *, private: bool = False) -> bool:
    """Whether a path is a folder of this user, no link, that nobody else can write to (or `private`: look into)."""
    try:
        state = os.lstat(folder)
    except OSError:
        return False
    forbidden = 0o077 if private else 0o022
    return stat.S_ISDIR(state.st_mode) and state.st_uid == _user() and not state.st_mode & forbidden


def check_file(state: os.stat_result, size: int) -> None:
    """Raise ValueError when an open file is not a regular one of this user, or larger than that."""
    if not stat.S_ISREG(state.st_mode) or state.st_uid != _user() or state.st_size > size:
        raise ValueError("this is not a file of ours")


def _user() -> int:
    """The user's number; -1, which no file has, where the system does not tell whose files are."""
    return os.geteuid() if hasattr(os, "geteuid") else -1


def _folder(environ: Mapping[str, str]) -> Path | None:
    """The user's cache folder, as the XDG Base Directory Specification has it; a relative path counts as none."""
    for base in (Path(environ.get("XDG_CACHE_HOME", "")), Path(environ.get("HOME", "")) / ".cache"):
        if base.is_absolute():
            return base / "reconciler"
    return None
