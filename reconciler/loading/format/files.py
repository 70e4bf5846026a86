"""Which files are formatted, and what would become of each; nothing is written here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.loading.format.formatter import formatted
from reconciler.loading.format.scan import Unsafe
from reconciler.loading.format.upgrade import upgraded
from reconciler.loading.kinds import Kinds
from reconciler.loading.single import note_problems
from reconciler.loading.text.files import ENVIRONMENTS, PROJECT_FILE, Folder
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Findings, Source
from reconciler.model.errors import Usage

if TYPE_CHECKING:
    from reconciler.model.ports import Kind

STDIN: Final = "-"
"""How a text that came through a pipe is called."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would become of a file; `file` is how it is shown, `before` its text with its byte order mark.

    `after` is the text it should have, None when it should stay: because it is canonical, or for a `reason`.
    """

    file: str
    path: Path
    before: str
    after: str | None
    reason: str = ""


def outcomes(root: Path, files: Sequence[Path], findings: Findings, kinds: Sequence[Kind] | None) -> Iterator[Outcome]:
    """Look at files, at those of the manifests folder `root` when none are named; a folder stands for those in it.

    With `kinds`, manifests of their former versions are rewritten.  Files whose YAML is wrong are left out, and said
    in the findings.  Links that leave the manifests folder (or, for a file that is not in it, the file's own) and
    special files are never opened.  Raises Usage, before anything else, for files that are not there.
    """
    missing = [str(file) for file in files if not os.path.lexists(file)]
    if missing:
        raise Usage(f"there is no file {', '.join(missing)}")
    table = None if kinds is None else Kinds(kinds)
    seen: set[str] = set()
    for file in files or (root,):
        for folder, name in _found(file, root, findings):
            real = os.path.realpath(folder.path / name)
            outcome = _outcome(folder, name, table) if real not in seen else None
            seen.add(real)
            if outcome is not None:
                yield outcome


def outcome_of(content: bytes, findings: Findings, kinds: Sequence[Kind] | None) -> Outcome | None:
    """Look at a text that came through a pipe; None when its YAML is wrong."""
    with tempfile.TemporaryDirectory() as aside:  # so that it is looked at as any file is
        (Path(aside) / STDIN).write_bytes(content)
        folder = Folder(Path(aside), findings)
        folder.shown = "."
        return _outcome(folder, STDIN, None if kinds is None else Kinds(kinds))


def _found(file: Path, root: Path, findings: Findings) -> Iterator[tuple[Folder, str]]:
    """Yield the files that a path stands for, each with the folder it must not leave."""
    if file == root or file.is_dir():
        folder = Folder(file, findings)
        for name in _names(folder) if folder.exists() else ():
            yield folder, name
        return
    parent, inside = Path(os.path.realpath(file.parent)), Path(os.path.realpath(root))
    if parent.is_relative_to(inside):
        yield Folder(root, findings), (parent.relative_to(inside) / file.name).as_posix()
    else:
        yield Folder(file.parent, findings), file.name


def _names(folder: Folder) -> list[str]:
    """Every YAML file of a folder that a command may read: manifests, environments, the project file."""
    names = [*folder.manifest_names()]
    if folder.has(PROJECT_FILE):
        names.append(PROJECT_FILE)
    with contextlib.suppress(OSError):  # there may be no environments
        files = sorted(file.name for file in (folder.path / ENVIRONMENTS).iterdir())
        names += [f"{ENVIRONMENTS}/{file}" for file in files if file.endswith(".yaml") and file[0] != "."]
    return sorted(names)


def _outcome(folder: Folder, name: str, kinds: Kinds | None) -> Outcome | None:
    findings = folder.findings
    errors = findings.errors
    source = folder.read(name)
    if source is None:
        return None
    for document in documents(source):
        note_problems(findings, document)
    digest = folder.digests[name]
    before = source.text if _digest(source.text) == digest else f"\ufeff{source.text}"
    try:
        text = source.text if kinds is None or findings.errors > errors else upgraded(source, kinds, findings)
        if findings.errors > errors:
            return None
        text = formatted(Source(source.file, text))
    except Unsafe as unsafe:
        return Outcome(source.file, folder.path / name, before, None, f"formatting it {unsafe}")
    return Outcome(source.file, folder.path / name, before, None if _digest(text) == digest else text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
