"""Events on a terminal: a progress bar, and a line for each thing that is over."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from reconciler.model.event import Event, EventType
from reconciler.render.events import event_line

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {
    EventType.STEP_APPLIED: "green",
    EventType.EXPORT_DELIVERED: "green",
    EventType.STEP_REJECTED: "red",
    EventType.STEP_DOUBTED: "red",
    EventType.STEP_SKIPPED: "yellow",
    EventType.EXPORT_FAILED: "red",
    EventType.RUN_FINISHED: "bold",
}


class Live:
    """Shows events while the context is open; on stderr unless told otherwise.

    Nothing moves before the run has started: until then somebody may be asked something.  The bar
    counts steps and exports that are over; it disappears in the end and the lines stay.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = console or Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("applying", total=None)

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event.type is EventType.RUN_STARTED:
            steps = event.data.get("steps")
            self._progress.update(self._task, total=steps if isinstance(steps, int) else None)
            self._progress.start()
        if event.type.is_terminal:
            self._progress.advance(self._task)
        if event.type.is_terminal or event.type is EventType.RUN_FINISHED:
            self._console.print(
                event_line(event),
                style=_STYLES.get(event.type),
                markup=False,
                highlight=False,
                emoji=False,
                soft_wrap=True,
            )
        else:
            self._progress.update(self._task, description=str(event.address or "applying"))
