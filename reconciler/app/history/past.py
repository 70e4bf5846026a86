"""The state as it was at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from reconciler.app.clock import instant
from reconciler.app.history.reading import absent, links, opened
from reconciler.app.state.reading import parse_address
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived, Entry
from reconciler.model.errors import Usage
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject


@dataclass(frozen=True, slots=True)
class Past:
    """A state, and where in the log it stands: `asked position last next`, instants as they are recorded.

    `last` is when the last batch says it was written, which is its latest entry, `next` when the one behind it does;
    None without one.
    """

    recorded: Recorded
    about: JSONObject


def as_of(wiring: Wiring, moment: datetime, archives: Sequence[Path] = ()) -> Past:
    """Fold the log up to an instant: up to the last batch that says it was written then or before.

    The order of batches is what happened, whatever the clocks of their writers said: one that was ahead hides nothing
    that was written after it, one that was behind takes along what was written before it, and `next`, when the batch
    behind says it was written, is always later than the instant.
    An instant that is still to come gives the state now, one before everything the empty state.  Raises Usage for an
    instant before an archive with which the log begins.
    """
    from reconciler.state.chain import Chain

    chain = Chain()
    last, later, end = None, None, 0
    with opened(wiring, archives) as backends:
        for link in links(backends, chain, partial(absent, wiring)):
            written = max((entry.at for entry in link.entries), key=datetime.fromisoformat)
            if datetime.fromisoformat(written) <= moment:
                last, later, end = written, None, link.position
            elif later is None:
                later = written
            if chain.head is None:
                first = link.entries[0]
        if end < chain.recorded.position:
            if not end:
                _refuse_archived(first, moment)
            chain = Chain()
            for link in links(backends, chain):
                if link.position > end:
                    break
    return Past(chain.recorded, {"asked": instant(moment), "position": end, "last": last, "next": later})


def resource(past: Past, text: str) -> JSONObject:
    """Everything that was recorded of one address then, which may be nothing; raises Usage for what is no address."""
    from reconciler.render.state import describe

    return describe(past.recorded, parse_address(text))


def _refuse_archived(first: Entry, moment: datetime) -> None:
    if isinstance(first, Archived):
        raise Usage(
            f"the log begins at {first.at} with an archive of everything up to position {first.position};"
            f" nothing before that is known here, and {instant(moment)} is before it",
            "say --archive FILE, with the file that `state archive` made then",
        )
