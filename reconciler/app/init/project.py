"""Putting a new project into a folder."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.app.init import texts
from reconciler.app.schema import files
from reconciler.app.wiring import Wiring
from reconciler.model.errors import Broken, Usage


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a project's files: paths below the folder, with `/`."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def write(wiring: Wiring, root: Path) -> Made:
    """Write a small project into `root`, its manifests into the folder of the settings below that.

    Nothing is ever replaced: files that are there and the same are kept, and so are an existing workflow and the
    lines of `.gitignore`.  Raises Usage, having written nothing, when any other file is there and says something
    else, or the manifests folder is not below `root`; Broken, with nothing left behind, when the disk refuses.
    """
    if root.exists() and not root.is_dir():
        raise Usage(f"{root} is not a folder")
    folder = PurePosixPath(os.path.normpath(wiring.settings.folder).replace(os.sep, "/"))
    if folder.is_absolute() or folder.parts[:1] == ("..",):
        raise Usage(f"--dir {folder} is not below {root}", "name a folder inside of the project")
    schemas = files.texts(files.schemas(wiring))
    wanted = texts.project(_name(root), folder.as_posix(), schemas)
    try:
        return _write(root, wanted)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise Broken(f"cannot write{where}: {error.strerror}", "nothing was left behind") from error


def _write(root: Path, wanted: dict[str, str]) -> Made:
    there = {name for name in wanted if os.path.lexists(root / name)}
    other = [name for name in sorted(there) if name != texts.WORKFLOW and not _says(root / name, wanted[name])]
    if other:
        listed = ", ".join((root / name).as_posix() for name in other)
        raise Usage(f"already there, and not what init writes: {listed}", "nothing was written; choose another folder")
    made: list[Path] = []
    try:
        for name, text in wanted.items():
            if name not in there:
                _create(root / name, text, made)
        ignore = root / ".gitignore"
        missing = _missing(ignore)
        if missing and not ignore.exists():
            _create(ignore, missing, made)
        elif missing:
            with ignore.open("a", encoding="utf-8", newline="\n") as file:
                file.write(missing)
    except OSError:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        raise
    written = [name for name in wanted if name not in there]
    if missing:
        return Made((*written, ".gitignore"), tuple(sorted(there)))
    return Made(tuple(written), tuple(sorted({*there, ".gitignore"})))


def _says(file: Path, text: str) -> bool:
    return file.is_file() and file.read_bytes() == text.encode()


def _create(file: Path, text: str, made: list[Path]) -> None:
    """Write a new file and the folders it needs, and note them; fails if it has come to be there meanwhile."""
    for folder in reversed([each for each in file.parents if not each.exists()]):
        folder.mkdir()
        made.append(folder)
    with file.open("x", encoding="utf-8", newline="\n") as opened:
        made.append(file)
        opened.write(text)


def _missing(ignore: Path) -> str:
    """The lines that `.gitignore` lacks, as they have to be appended."""
    before = ignore.read_bytes().decode("utf-8", "replace") if ignore.exists() else ""
    known = {line.strip().strip("/") for line in before.splitlines()}
    lines = [line for line in texts.IGNORED if line.strip("/") not in known]
    gap = "" if not before or before.endswith("\n") else "\n"
    return gap + "".join(f"{line}\n" for line in lines) if lines else ""


def _name(root: Path) -> str:
    """A project's name out of that of its folder."""
    plain = unicodedata.normalize("NFKD", root.resolve().name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", "-", plain)[:128].strip("._-") or "reports"
