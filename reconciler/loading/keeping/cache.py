"""What a folder declared the last time, kept so that an unchanged folder need not be read again.

A cache lies beside the manifests, where an untrusted branch can put what it likes.  So it is believed only
when it carries a code made with a key that lies in the user's own cache folder, and only for the same bytes, settings,
program and user.  Whatever else is the matter with it, there is no cache: nothing is ever said, nothing fails.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import reconciler
from reconciler.loading.keeping import secret
from reconciler.loading.text.files import ENVIRONMENTS, Folder, tree_of
from reconciler.model.values import JSON

if TYPE_CHECKING:
    from reconciler.loading.linting.schedules import Calendar
    from reconciler.model.diagnostic import Diagnostic
    from reconciler.model.manifest import Desired
    from reconciler.model.ports import Kind

MIN_BYTES: Final = 256 * 1024
"""Folders with less text are read anew in less time than it takes to say so."""
MAX_BYTES: Final = 1024 * 1024 * 1024
"""The largest cache that is read."""

_FORMAT: Final = "reconciler.cache/1"
_LIBRARIES: Final = ("cronsim", "jinja2", "jsonschema", "pydantic", "pydantic_core", "tzdata", "yaml")
_BROKEN: Final = (OSError, ValueError, LookupError, TypeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the result depends on besides the folder; `environ` is the process environment."""

    environment: str
    kinds: Sequence[Kind]
    overrides: Mapping[str, str]
    organizations: Mapping[str, str]
    environ: Mapping[str, str]
    calendar: Calendar | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A result that was found; `desired` reads the manifests, None when they are damaged."""

    diagnostics: tuple[Diagnostic, ...]
    resources: int
    desired: Callable[[], Desired | None]


class Cache:
    """The kept result for one manifests folder and environment.  `place` is the folder of all of them."""

    def __init__(self, place: Path, folder: Folder, settings: Settings) -> None:
        self._place = place
        self._folder = folder
        self._settings = settings
        which = f"{folder.real}\0{settings.environment}"
        self._file = place / f"{hashlib.sha256(os.fsencode(which)).hexdigest()[:32]}.json"

    def find(self) -> Kept | None:
        """Return the result if it is there, ours, and for exactly what the folder holds now."""
        try:
            return self._find()
        except _BROKEN:
            return None

    def keep(
        self,
        desired: Desired,
        diagnostics: Sequence[Diagnostic],
        resources: int,
        variables: Sequence[str],
    ) -> None:
        """Keep a result without errors; `variables` are the names that the project file lists."""
        if self._folder.size < MIN_BYTES:
            return
        with suppress(*_BROKEN):
            self._keep(desired, diagnostics, resources, variables)

    def _find(self) -> Kept | None:
        if not (_is_ours(self._place) and self._file.exists()):
            return None
        key = secret.existing(self._settings.environ)
        if key is None:
            return None
        code, header, head, body = _content(self._file).split(b"\n", 3)
        if not hmac.compare_digest(code, _code(key, header)):
            return None
        about = json.loads(header)
        if about["settings"] != self._about(key, about["variables"]) or about["head"] != _digest(head):
            return None
        if about["tree"] != self._tree(about["others"]):
            return None
        from reconciler.loading.keeping.kept import read_desired, read_diagnostic

        known, resources = json.loads(head)
        diagnostics = tuple(map(read_diagnostic, known))

        def desired() -> Desired | None:
            if about["body"] != _digest(body):
                return None
            return read_desired(json.loads(body), self._settings.environment, about["tree"], diagnostics)

        return Kept(diagnostics, resources, desired)

    def _keep(
        self, desired: Desired, diagnostics: Sequence[Diagnostic], resources: int, variables: Sequence[str]
    ) -> None:
        key = secret.existing(self._settings.environ) or secret.made(self._settings.environ)
        if key is None or not _prepared(self._place):
            return
        from reconciler.loading.keeping.kept import write_desired, write_diagnostic

        head = _json([[write_diagnostic(found) for found in diagnostics], resources])
        body = _json(write_desired(desired))
        manifests = set(self._folder.manifest_names())
        header = _json(
            {
                "settings": self._about(key, variables),
                "variables": list(variables),
                "others": sorted(name for name in self._folder.digests if name not in manifests),
                "tree": desired.tree,
                "head": _digest(head),
                "body": _digest(body),
            }
        )
        _write(self._file, b"\n".join((_code(key, header), header, head, body)))

    def _tree(self, others: Sequence[str]) -> str | None:
        """Return the digest of the folder as it is, None when it cannot have been the one that was kept."""
        first = f"{ENVIRONMENTS}/{self._settings.environment}.yaml"
        if first not in others and self._folder.has(first):
            return None
        digests = {}
        for name in (*self._folder.manifest_names(), *others):
            found = self._folder.fetch(name)
            if found is None:
                return None
            digests[name] = found
        return None if self._folder.findings.errors else tree_of(digests)

    def _about(self, key: bytes, variables: Sequence[str]) -> str:
        """Return a code for everything the result depends on besides the folder's files; tells no values."""
        given = self._settings
        return _code(
            key,
            _json(
                [
                    _FORMAT,
                    os.geteuid(),
                    reconciler.__version__,
                    sys.version,
                    _program(),
                    self._folder.real,
                    self._folder.shown,
                    given.environment,
                    [
                        [kind.api_version, kind.kind, type(kind).__module__, type(kind).__qualname__]
                        for kind in given.kinds
                    ],
                    list(given.overrides.items()),
                    sorted(given.organizations.items()),
                    [[name, given.environ.get(name)] for name in variables],
                    given.calendar is not None,
                ]
            ),
        ).decode()


def _program() -> JSON:
    """Return what tells one state of the program's and its libraries' files from another."""
    from importlib.util import find_spec

    pending = [str(Path(reconciler.__file__).parent)]
    files = []
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending += [entry.path] if entry.name != "__pycache__" else []
                else:
                    files.append(_stamp(entry.path, entry.stat()))
    origins = [spec.origin for name in _LIBRARIES if (spec := find_spec(name)) is not None and spec.origin]
    return [sorted(files), [_stamp(origin, Path(origin).stat()) for origin in origins]]


def _stamp(path: str, state: os.stat_result) -> list[str | int]:
    return [path, state.st_size, state.st_mtime_ns]


def _is_ours(folder: Path) -> bool:
    """Whether a folder is ours alone, and neither it nor the one above it a link, which could lead anywhere."""
    return not folder.parent.is_symlink() and secret.is_own_folder(folder)


def _prepared(folder: Path) -> bool:
    """Make the cache's folder, out of reach of version control; False when there must be none."""
    for each in (folder.parent, folder):
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
    if not _is_ours(folder):
        return False
    if not os.path.lexists(folder / ".gitignore"):
        _write(folder / ".gitignore", b"*\n")
    return True


def _content(file: Path) -> bytes:
    handle = os.open(file, secret.READ)
    with os.fdopen(handle, "rb") as opened:
        secret.check_file(os.fstat(handle), MAX_BYTES)
        return opened.read(MAX_BYTES)


def _write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all; readable for its owner only."""
    beside = file.with_name(f"{file.name}.{os.urandom(8).hex()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        beside.replace(file)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise


def _json(value: JSON) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _code(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, "sha256").hexdigest().encode()
