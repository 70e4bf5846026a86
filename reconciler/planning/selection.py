"""Which resources a plan is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from reconciler.model.errors import Usage
from reconciler.model.manifest import Desired
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address


def choose(desired: Desired, recorded: Recorded, select: Sequence[str]) -> frozenset[Address]:
    """Return the addresses that `select` names, all declared and recorded ones when it is empty.

    A selector is an address, a pattern of addresses (`blue/report/*`), a label (`owner`) or a label
    with its value (`owner=revops`).  Declared resources are matched by their manifest's labels, the others
    by the recorded ones; those that a selected manifest refers to come along.  Raises Usage for a
    selector that matches nothing.
    """
    labels: dict[Address, Mapping[str, str]] = {doubt.address: doubt.labels for doubt in recorded.in_doubt.values()}
    labels |= {resource.address: resource.labels for resource in recorded.resources.values()}
    labels |= {export.address: export.labels for export in recorded.exports.values()}
    labels |= {manifest.address: manifest.labels for manifest in desired.manifests}
    if not select:
        return frozenset(labels)
    chosen: set[Address] = set()
    for selector in select:
        found = {address for address, own in labels.items() if _matches(selector, address, own)}
        if not found:
            raise Usage(
                f"--select {selector}: no declared or recorded resource matches",
                "write an address (blue/report/sales), a pattern (blue/report/*) or a label (owner=revops)",
            )
        chosen |= found
    return frozenset(_with_references(desired, chosen))


def _matches(selector: str, address: Address, labels: Mapping[str, str]) -> bool:
    key, equals, value = selector.partition("=")
    if key in labels and (not equals or labels[key] == value):
        return True
    return fnmatchcase(str(address), selector)


def _with_references(desired: Desired, chosen: set[Address]) -> set[Address]:
    references = {manifest.address: manifest.references for manifest in desired.manifests}
    reached: set[Address] = set()
    ahead = set(chosen)
    while ahead:
        reached |= ahead
        ahead = {reference.target for address in ahead for reference in references.get(address, ())} - reached
    return reached
