"""Names that a half-typed word of a command line may become: quickly, and without a network.

All functions take the word as it is begun, and may find more than what begins like it.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Final

from reconciler.app.wiring import Wiring, sandbox_module

PATIENCE: Final = 0.5
"""Seconds that a person waits for names of a project; what is not known then is not offered."""

_MOST: Final = 2_000
_SAFE: Final = re.compile(r"[\w@%+=:,./*-]+")  # what shells take as it is


def addresses(wiring: Wiring, begun: str) -> list[str]:
    """The addresses that are recorded or declared."""
    return _sorted(address for address, _ in _resources(wiring))


def selectors(wiring: Wiring, begun: str) -> list[str]:
    """The addresses, and the labels of what they are of, with and without their values."""
    found: set[str] = set()
    for address, labels in _resources(wiring):
        found |= {address, *labels, *(f"{key}={value}" for key, value in labels.items())}
    return _sorted(found)


def environments(wiring: Wiring, begun: str) -> list[str]:
    """The environments that have a file, and the one that needs none."""
    from reconciler.loading.environment.files import DEFAULT
    from reconciler.loading.text.files import ENVIRONMENTS

    names = {DEFAULT}
    with contextlib.suppress(OSError):
        files = (wiring.settings.folder / ENVIRONMENTS).glob("*.yaml")
        names |= {file.stem for file in files if not file.stem.startswith(".")}
    return _sorted(names)


def topics(wiring: Wiring, begun: str) -> list[str]:
    """What `explain` could explain, one step further than what is typed."""
    from reconciler.app.explain import completions

    return _sorted(completions(wiring, begun))


def switches(wiring: Wiring, begun: str) -> list[str]:
    """The behaviour switches of the sandbox, with each of their values."""
    known = sandbox_module("switches").SWITCHES
    return _sorted(f"{name}={value}" for name, switch in known.items() for value in switch.values)


def schemas(wiring: Wiring, begun: str) -> list[str]:
    """The names of the schemas."""
    from reconciler.app.schema import files

    return _sorted(files.schemas(wiring))


def faults(wiring: Wiring, begun: str) -> list[str]:
    """The faults of the sandbox, of any operation or of the one that is typed; a kind's argument is left to type."""
    service, _, rest = begun.partition(":")
    operation, colon, _ = rest.partition(":")
    kinds = sandbox_module("faults").KINDS
    return _sorted(
        f"{each}:{operation if colon and each == service else '*'}:{kind}"
        for each in {kind.provider for kind in wiring.kinds}
        for kind in kinds
    )


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if _SAFE.fullmatch(name)})[:_MOST]


_Resources = list[tuple[str, Mapping[str, str]]]


def _resources(wiring: Wiring) -> _Resources:
    """Addresses and labels, first of what is recorded, then of what is declared; what takes too long is left out."""
    found: _Resources = []

    def look() -> None:
        for source in (_recorded, _declared):
            with contextlib.suppress(Exception):
                found.extend(source(wiring))

    # a thread, because nothing else leaves a library that is waiting for a disk or a lock
    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(PATIENCE)
    return list(found)


def _recorded(wiring: Wiring) -> _Resources:
    from reconciler.state.log import read

    project = wiring.project()
    if not wiring.state_url(project).startswith("sqlite:"):
        return []  # anything else is, or may be, somewhere else
    with closing(wiring.backend(project)) as backend:
        known = read(backend)
    found = [(str(each.address), each.labels) for each in known.resources.values()]
    found += [(str(each.address), each.labels) for each in known.exports.values()]
    return found + [(str(each.address), each.labels) for each in known.in_doubt.values()]


def _declared(wiring: Wiring) -> _Resources:
    desired = wiring.load().desired
    return [(str(each.address), each.labels) for each in desired.manifests] if desired else []
