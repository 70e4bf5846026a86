"""The order in which steps are listed, and which of them wait for which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.errors import InvalidManifests
from reconciler.model.manifest import Manifest
from reconciler.model.plan import Action, Step
from reconciler.model.values import Address

_RANK = {action: rank for rank, action in enumerate(Action)}


def arrange(steps: Iterable[Step], manifests: Mapping[Address, Manifest]) -> tuple[Step, ...]:
    """Return the steps by action, then what is referred to before what refers, then by address.

    Each gets the addresses it needs: those its manifest refers to that have steps too.  An update that
    follows its own create gets none.  Raises InvalidManifests when references run in a circle.
    """
    listed = list(steps)
    present = {step.address for step in listed}
    created = {step.address for step in listed if step.action is Action.CREATE}
    targets = {address: _targets(manifests.get(address), present) for address in present}
    depth = _depths(targets, manifests)
    needing = [
        step if step.action is Action.UPDATE and step.address in created else replace(step, needs=targets[step.address])
        for step in listed
    ]
    return tuple(sorted(needing, key=lambda step: (_RANK[step.action], depth[step.address], step.address)))


def _targets(manifest: Manifest | None, present: set[Address]) -> tuple[Address, ...]:
    if manifest is None:
        return ()
    return tuple(sorted({reference.target for reference in manifest.references} & present))


def _depths(targets: Mapping[Address, Sequence[Address]], manifests: Mapping[Address, Manifest]) -> dict[Address, int]:
    """How many references deep below each address the graph goes."""
    depth: dict[Address, int] = {}
    try:
        for address in TopologicalSorter(targets).static_order():
            depth[address] = 1 + max((depth[target] for target in targets[address]), default=-1)
    except CycleError as error:
        circle: list[Address] = error.args[1]
        manifest = manifests[circle[0]]
        message = "references run in a circle: " + " -> ".join(map(str, circle))
        raise InvalidManifests(
            [Diagnostic(Severity.ERROR, "cyclic-reference", message, manifest.origin, manifest.address)]
        ) from None
    return depth
