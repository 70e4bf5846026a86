"""The recorded state, read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from reconciler.app.state.exporting import in_place
from reconciler.app.wiring import Wiring
from reconciler.model.errors import Usage
from reconciler.model.manifest import Manifest
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address, JSONObject


def recorded(wiring: Wiring, note: Callable[[str], None] = lambda said: None) -> Recorded:
    """The state as it is recorded; nothing is asked of any service.

    `note` is told of a log that does not exist, and of one that goes on elsewhere.
    """
    from reconciler.state.log import read

    project = wiring.project()
    with closing(wiring.backend(project)) as backend:
        known = read(backend)
    if known.lineage is None:
        note(f"there is no {in_place(wiring, project)} yet")
    if known.moved_to is not None:
        note(f"this log was moved to {known.moved_to}, and goes on there: what is shown here is how it was then")
    return known


def resource(
    wiring: Wiring, text: str, *, declared: bool = False, note: Callable[[str], None] = lambda said: None
) -> JSONObject:
    """Everything recorded (and, when asked, declared) of one address; `note` is as of `recorded`.

    Raises Usage for what is no address or known to neither.
    """
    from reconciler.render.state import describe

    address = parse_address(text)
    known = recorded(wiring, note)
    manifest = _manifest(wiring, address) if declared else None
    doubtful = any(doubt.address == address for doubt in known.in_doubt.values())
    if manifest is None and not doubtful and address not in known.resources and address not in known.exports:
        near = sorted({*known.resources, *known.exports})
        raise Usage(
            f"nothing is known of {address}",
            "known are: " + ", ".join(map(str, near[:20])) if near else "nothing is recorded yet",
        )
    return describe(known, address, manifest)


def doubts(known: Recorded) -> list[Address]:
    """Everything of which nobody knows what became of it."""
    exports = (export for export in known.exports.values() if export.run is not None and export.run.unknown)
    return sorted({*(doubt.address for doubt in known.in_doubt.values()), *(export.address for export in exports)})


def exit_code(known: Recorded) -> int:
    """7 while something is in doubt, else 0."""
    return 7 if doubts(known) else 0


def parse_address(text: str) -> Address:
    """Read an address from the command line; raises Usage."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise Usage(str(error), "for example blue/report/sales") from error


def _manifest(wiring: Wiring, address: Address) -> Manifest | None:
    return next((found for found in wiring.desired().manifests if found.address == address), None)
