"""The files of a manifests folder: found, looked at before they are opened, read once."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reconciler.loading.text.sources import Findings, Source
from reconciler.model.canonical import digest
from reconciler.model.values import Span

MAX_BYTES: Final = 16 * 1024 * 1024
"""The largest file that is read."""

MAX_DIRECTORY_DEPTH: Final = 64
PROJECT_FILE: Final = "reconciler.yaml"
_ANOTHER: Final = "name another one with --dir, or make a project: reconciler init"
ENVIRONMENTS: Final = "environments"

_INNER_MARK: Final = re.compile(
    r"(?<![^\r\n\ufeff])(?:\ufeff(?=---(?:\s|$))|((?:---|\.\.\.)[ \t]*(?:\r\n|\r|\n))\ufeff)"
)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@dataclass(slots=True)
class Folder:
    """A manifests folder while it is being read; `size` and `digests` cover the files that `read` was given."""

    path: Path
    findings: Findings
    shown: str = ""
    real: str = ""
    size: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    _names: list[str] | None = None
    _fetched: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    _folders: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        absolute = os.path.abspath(self.path)
        self.real = os.path.realpath(absolute)
        shown = Path(absolute)
        if shown.is_relative_to(Path.cwd()):
            shown = shown.relative_to(Path.cwd())
        self.shown = shown.as_posix()

    def show(self, name: str) -> str:
        """Return how a file of the folder is shown: relative to the working directory when below it."""
        return name if self.shown == "." else f"{self.shown.rstrip('/')}/{name}"

    def exists(self) -> bool:
        """Whether the folder is there and can be listed; says so when not."""
        if not self.path.is_dir():
            what = "is not a folder" if self.path.exists() else "does not exist"
            self.findings.add("folder-missing", f"the manifests folder {self.shown} {what}", hint=_ANOTHER)
            return False
        return True

    def has(self, name: str) -> bool:
        """Whether there is something by that name, of whatever sort."""
        return os.path.lexists(os.path.join(self.path, name))

    def refuse(self, name: str, code: str, message: str, hint: str = "") -> None:
        """Note what is wrong with a file as a whole."""
        self.findings.add(code, message, span=Span(self.show(name), 1, 1, 1, 1), hint=hint)

    def read(self, name: str) -> Source | None:
        """Read one file; None (and a diagnostic) when it must not or cannot be read.

        Special files are never opened, links out of the folder never followed, nothing is read
        beyond the permitted size.
        """
        try:
            content, known = self._fetched.pop(name) if name in self._fetched else self._bytes(name)
        except _UnfitError as unfit:
            self.refuse(name, unfit.code, unfit.message, unfit.hint)
            return None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self.refuse(name, "file-unreadable", f"the file cannot be read: {reason}")
            return None
        source = self._text(name, content)
        if source is not None:
            self.digests[name] = known
            self.size += len(content)
        return source

    def fetch(self, name: str) -> str | None:
        """Read a file ahead of `read` and return the digest of its bytes; None, and nothing is said, when it
        must not or cannot be read."""
        try:
            self._fetched[name] = self._bytes(name)
        except (_UnfitError, OSError):
            return None
        return self._fetched[name][1]

    def _bytes(self, name: str) -> tuple[bytes, str]:
        path = os.path.join(self.path, name)
        state = os.lstat(path)
        if not self._inside(path, state):
            raise _UnfitError("file-outside", "the link leaves the manifests folder", "copy the file into the folder")
        # Looked at before it is opened: opening a FIFO or a device can block or have effects.
        _check_regular(os.stat(path) if stat.S_ISLNK(state.st_mode) else state)
        handle = os.open(path, _READ)
        try:
            state = os.fstat(handle)
            _check_regular(state)
            _check_size(state.st_size)
            content = os.read(handle, state.st_size + 1)
            while len(content) != state.st_size and (more := os.read(handle, MAX_BYTES)):
                content += more
                _check_size(len(content))
        finally:
            os.close(handle)
        return content, hashlib.sha256(content).hexdigest()

    def _text(self, name: str, content: bytes) -> Source | None:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            before = Source(self.show(name), content[: error.start].decode("utf-8"))
            utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
            self.findings.add(
                "file-encoding",
                f"the file is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}",
                span=before.span_at(len(before.text)),
                hint="save it as UTF-8" + (" (it looks like UTF-16)" if utf16 else ""),
            )
            return None
        source = Source(self.show(name), _without_marks(text))
        if "\0" in source.text:
            at = source.span_at(source.text.index("\0"))
            self.findings.add("file-encoding", "the file has a NUL byte", span=at, hint="remove it; is this text?")
            return None
        return source

    def _inside(self, path: str, state: os.stat_result) -> bool:
        """Whether a file lies in the folder once links are followed, those of its parents too."""
        if stat.S_ISLNK(state.st_mode):
            return self.holds(_real(path))
        parent = os.path.dirname(path)
        if parent not in self._folders:
            self._folders[parent] = self.holds(os.path.realpath(parent))
        return self._folders[parent]

    def holds(self, real: str) -> bool:
        """Whether a path without links lies in the folder."""
        return real == self.real or real.startswith(self.real.rstrip(os.sep) + os.sep)

    def tree(self) -> str:
        """Return the digest of the names and bytes of every file that was read."""
        return tree_of(self.digests)

    def manifest_names(self) -> list[str]:
        """Return the manifest files, relative, with `/`, sorted: `*.yaml` and `*.yml` below the folder.

        Not among them: the project file, environments, and what starts with a dot.  Each real
        folder is visited once, whatever links lead to it.  Looked for once: what changes later is not seen.
        """
        if self._names is None:
            self._names = self._found()
        return self._names

    def _found(self) -> list[str]:
        names: list[str] = []
        links: list[str] = []
        visited: set[str] = set()
        self._visit("", visited, names, links)
        for link in links:
            if self._enters(link, visited):
                self._visit(link + "/", visited, names, links)
        return sorted(_each_once(self, names))

    def _enters(self, link: str, visited: set[str]) -> bool:
        """Whether a link to a folder has to be followed; says so when it must not be."""
        path = os.path.join(self.path, link)
        real = os.path.realpath(path)
        if not self.holds(real):
            self.refuse(link, "file-outside", "the link leaves the manifests folder", "move the folder in")
            return False
        here = os.path.realpath(os.path.dirname(path))
        if here == real or here.startswith(real.rstrip(os.sep) + os.sep):
            self.refuse(link, "file-loop", "the link leads back to a folder that contains it", "remove the link")
            return False
        return real not in visited

    def _visit(self, base: str, visited: set[str], names: list[str], links: list[str]) -> None:
        """Collect files and links to folders below `base`, which is empty or ends with `/`."""
        pending = [base]
        while pending:
            base = pending.pop()
            path = os.path.join(self.path, base)
            visited.add(os.path.realpath(path))
            if base.count("/") > MAX_DIRECTORY_DEPTH:
                self.refuse(base.rstrip("/"), "file-depth", "the folders are nested too deep", "flatten them")
                continue
            for entry in self._listed(base, path):
                name = base + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name + "/")
                elif entry.is_symlink() and os.path.isdir(entry.path):
                    links.append(name)
                elif _is_manifest(name):
                    names.append(name)

    def _listed(self, base: str, path: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                listed = sorted((entry for entry in entries if entry.name[0] != "."), key=lambda entry: entry.name)
        except OSError as error:
            self.refuse(base.rstrip("/"), "file-unreadable", f"the folder cannot be read: {error.strerror}")
            return []
        return [entry for entry in listed if self._has_a_plain_name(base + entry.name)]

    def _has_a_plain_name(self, name: str) -> bool:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            shown = name.encode("utf-8", "backslashreplace").decode()
            self.refuse(shown, "file-name", "the file's name is not UTF-8", "rename it")
            return False
        return True


class _UnfitError(Exception):
    """A file that is not read, and why."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


def _check_regular(state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise _UnfitError("file-special", "this is not a regular file", "move it out of the manifests folder")


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        message = f"the file has {size:,} bytes, more than the {MAX_BYTES:,} permitted"
        raise _UnfitError("file-size", message, "split it into several files")


def tree_of(digests: Mapping[str, str]) -> str:
    """Return the digest of the names and bytes of files, whose digests are given by name."""
    return digest([[name, digests[name]] for name in sorted(digests)])


def _without_marks(text: str) -> str:
    """Remove the byte order mark before the text, and before further documents, as files put together have it."""
    if "\ufeff" not in text:
        return text
    return _INNER_MARK.sub(lambda found: found[1] or "", text.removeprefix("\ufeff"))


def _is_manifest(name: str) -> bool:
    if name == PROJECT_FILE or not name.endswith((".yaml", ".yml")):
        return False
    folder, _, file = name.rpartition("/")
    return not (folder == ENVIRONMENTS and file.endswith(".yaml"))


def _each_once(folder: Folder, names: list[str]) -> Iterator[str]:
    """Leave out links to files of the folder that are read under their own name anyway."""
    links = {name for name in names if os.path.islink(os.path.join(folder.path, name))}
    plain = {os.path.join(folder.real, name) for name in names if name not in links} if links else set()
    for name in names:
        if name not in links or not _leads_to(os.path.join(folder.path, name), plain):
            yield name


def _leads_to(link: str, files: set[str]) -> bool:
    try:
        return _real(link) in files
    except OSError:
        return False


def _real(path: str) -> str:
    """Return where a path leads; raises OSError where it leads nowhere.

    The system gives up on long ways, on which Python's own search recurses without end.
    """
    os.stat(path)
    return os.path.realpath(path)
