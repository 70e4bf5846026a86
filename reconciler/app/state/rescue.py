"""What a run has learned and could not record: saved in the end, and recorded later."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.app.settings import DATA, TOOL
from reconciler.app.state.resolving import options
from reconciler.app.state.writing import write
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Entry, RunFinished, RunStarted
from reconciler.model.errors import Locked, ReconcilerError, StateError, Usage
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject

if TYPE_CHECKING:
    from reconciler.model.ports import Backend
    from reconciler.state.log import Log
    from reconciler.state.rescue import Rescue

_LARGEST: Final = 2**30
"""Bytes of a file that may be one of ours."""


@contextmanager
def rescued(wiring: Wiring, run: str, logs: Sequence[Log]) -> Iterator[None]:
    """Save what was learned inside and could not be recorded in any of `logs`; then the error says what to do.

    It goes to `.reconciler/rescue-<run>.json` in the working directory, whole or not at all; where that cannot be
    written, to stderr, as one line.  An interruption that loses something becomes a StateError.
    """
    try:
        yield
    except ReconcilerError as error:
        if hint := _save(wiring, run, logs):
            kept = "" if isinstance(error, Locked) else error.hint
            error.hint = f"{kept}\n{hint}".lstrip()
        raise
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        if hint := _save(wiring, run, logs):
            raise StateError("Interrupted before everything that was done could be recorded.", hint) from error
        raise
    except Exception:
        if hint := _save(wiring, run, logs):
            _say(hint)
        raise


def _save(wiring: Wiring, run: str, logs: Sequence[Log]) -> str:
    """Save what is not recorded; what to do about it, empty when there is nothing."""
    from reconciler.state import rescue

    entries = tuple(chain.from_iterable(log.unrecorded for log in logs))
    if not entries:
        return ""
    known = logs[-1].recorded
    line = rescue.dump(rescue.Rescue(_name(wiring), known.lineage or "", known.position, run, TOOL, entries))
    file = DATA / f"rescue-{run}.json"
    end = options(wiring.settings)
    try:
        _write(file, line + b"\n")
    except OSError as error:
        _say(line.decode("ascii"))
        command = shlex.join(["reconciler", "state", "import-rescue", "FILE", *end])
        return (
            f"What was done and is not recorded could not be saved to {file} either: {error.strerror}."
            f" It is the line above that begins with {line[:31].decode('ascii')}: put that into a file, then run"
            f" `{command}`, and apply again."
        )
    command = shlex.join(["reconciler", "state", "import-rescue", str(file), *end])
    return f"What was done and is not recorded was saved: run `{command}`, then apply again."


def _name(wiring: Wiring) -> str:
    """What the log is called, for people; empty when the project file says so no longer."""
    try:
        return wiring.log_name(wiring.project())
    except ReconcilerError:
        return ""


def _say(text: str) -> None:
    """Nothing asked for less output as to lose this."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _write(file: Path, data: bytes) -> None:
    """Make a file of this content, for this user only, that a power cut does not take away; or none at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.part")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as part:  # noqa: PTH123 - to say the mode
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
        beside.replace(file)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    if os.name == "posix":
        for folder in (file.parent, file.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a rescue file: the `run` that wrote it, what was recorded of it, and why the rest was not."""

    run: str
    recorded: tuple[Entry, ...]
    skipped: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many entries the file holds."""
        return len(self.recorded) + len(self.skipped)

    def to_json(self) -> JSONObject:
        """Format `reconciler.import-rescue/1`; the entries as the log has them."""
        import json

        from reconciler.state import codec

        entries = [json.loads(codec.encode(entry)) for entry in self.recorded]
        return {
            "format": "reconciler.import-rescue/1",
            "run": self.run,
            "recorded": entries,
            "skipped": list(self.skipped),
        }


async def take(wiring: Wiring, file: Path, *, note: Callable[[str], None]) -> Imported:
    """Record what is still news of a rescue file; what was settled or decided otherwise meanwhile stays.

    Doing it again changes nothing.  Raises Usage for a file that cannot be read, StateError for one that is no rescue
    file, is damaged, newer than this version, or belongs to another log.
    """
    from reconciler.state import rescue

    try:
        found = rescue.load(_read(file))
    except StateError as error:
        raise StateError(f"{file}: {error.message}", error.hint) from error
    finished = await asyncio.to_thread(_has_ended, wiring, found)
    verdict = rescue.Verdict((), ())

    def judge(recorded: Recorded, run: str, at: str) -> Sequence[Entry]:
        nonlocal verdict
        verdict = rescue.judge(found, recorded, finished=finished)
        return verdict.news

    await write(wiring, "state import-rescue", judge, note=note)
    return Imported(found.run, verdict.news, verdict.skipped)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST:
            raise Usage(f"{file} is too large to be a rescue file", "take the one whose name the run told")
        return file.read_bytes()
    except OSError as error:
        raise Usage(f"cannot read {file}: {error.strerror}", "take the file whose name the run told") from error


def _has_ended(wiring: Wiring, found: Rescue) -> bool:
    """Whether nothing is to be said about how the run ended: it has been, or the log no longer holds its start."""
    if not any(isinstance(entry, RunFinished) for entry in found.entries):
        return True
    with closing(wiring.backend(wiring.project())) as backend:
        kinds = {type(entry) for entry in _ends(backend, found.run)}
    return RunFinished in kinds or RunStarted not in kinds


def _ends(backend: Backend, run: str) -> Iterator[Entry]:
    """The first and the last entry of a run, without reading what is certainly neither."""
    from reconciler.state import codec
    from reconciler.state.backends import WHOLE

    mark = codec.compact({"run": run})[1:-1]
    for _, batch in backend.read(WHOLE)[1]:
        if mark in batch and (b'"run_started"' in batch or b'"run_finished"' in batch):
            for entry in codec.unseal(codec.link(batch), batch):
                if isinstance(entry, RunStarted | RunFinished) and entry.run == run:
                    yield entry
