"""Canonical form for the files of a project: writing it, and telling what was done."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.app.wiring import Wiring
from reconciler.loading.format.files import Outcome, outcome_of, outcomes
from reconciler.loading.text.sources import Findings
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.errors import Broken


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is left as it is although it may not be canonical, and why."""

    file: str
    reason: str


@dataclass(slots=True)
class Report:
    """What became of the files; `changed` are those that were (or would be) written, `diff` shows how.

    `diagnostics` are about files whose YAML is wrong; these are in none of the other lists.
    """

    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    diagnostics: tuple[Diagnostic, ...] = ()
    diff: str = ""

    def add(self, outcome: Outcome, *, diff: bool) -> None:
        """Take in what becomes of a file."""
        if outcome.reason:
            self.refused.append(Refused(outcome.file, outcome.reason))
        elif outcome.after is None:
            self.unchanged += 1
        else:
            self.changed.append(outcome.file)
            self.diff += _unified(outcome.file, outcome.before, outcome.after) if diff else ""


def format_files(wiring: Wiring, files: Sequence[Path], *, write: bool, diff: bool, upgrade: bool) -> Report:
    """Format files, those of the manifests folder when none are named; a folder stands for the files in it.

    With `write` each changed file is replaced as a whole, its permissions kept, whatever is wrong with others; without,
    nothing is written.  Links that leave their folder and special files are never touched.
    Raises Usage for files that are not there, Broken when some cannot be written.
    """
    findings = Findings()
    report = Report()
    unwritable = []
    for outcome in outcomes(wiring.settings.folder, files, findings, wiring.kinds if upgrade else None):
        if write and outcome.after is not None:
            try:
                _replace(outcome.path, outcome.after)
            except OSError as error:
                unwritable.append(f"{outcome.file}: {error.strerror}")
                continue
        report.add(outcome, diff=diff)
    report.diagnostics = findings.sorted()
    if unwritable:
        raise Broken(f"cannot write {'; '.join(unwritable)}", "the other files are done")
    return report


def format_text(wiring: Wiring, content: bytes, *, diff: bool, upgrade: bool) -> tuple[str, Report]:
    """Format what came through a pipe; it stays as it came when it is refused, and nothing when its YAML is wrong."""
    findings = Findings()
    report = Report()
    outcome = outcome_of(content, findings, wiring.kinds if upgrade else None)
    report.diagnostics = findings.sorted()
    if outcome is None:
        return "", report
    report.add(outcome, diff=diff)
    return content.decode() if outcome.after is None else outcome.after, report


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, or of the file that a link leads to, all at once."""
    real = Path(os.path.realpath(path))
    mode = real.stat().st_mode & 0o7777
    handle = tempfile.NamedTemporaryFile("wb", dir=real.parent, prefix=".fmt-", delete=False)  # noqa: SIM115 - it outlives the block
    beside = Path(handle.name)
    try:
        with handle:
            handle.write(text.encode())
            handle.flush()
            os.fsync(handle.fileno())
        beside.chmod(mode)
        beside.replace(real)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _unified(file: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(_lines(before), _lines(after), file, file)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])
