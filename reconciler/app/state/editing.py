"""What is recorded, edited by hand: moved to another address, or forgotten.  Nothing is asked of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from reconciler.app.state.reading import parse_address
from reconciler.app.state.writing import write
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Entry, Forgotten, Moved
from reconciler.model.errors import Usage
from reconciler.model.manifest import Manifest
from reconciler.model.recorded import ExportRun, Recorded
from reconciler.model.values import Address, JSONObject

Note = Callable[[str], None]

_SHOWN: Final = 20


async def move(wiring: Wiring, source: str, target: str, *, note: Note) -> JSONObject:
    """Record what is known of one address under another one of the same kind, doubts and export runs included.

    Returns `reconciler.edit/1`.  Raises Usage when nothing is recorded of the first, or anything of the second.
    """
    old, new = parse_address(source), parse_address(target)
    if (old.provider, old.kind) != (new.provider, new.kind):
        raise Usage(
            f"{old} cannot become {new}: what it is stays as it is, only its name can change",
            f"write {old.provider}/{old.kind}/{new.name}",
        )
    edit = _Edit(wiring)

    def judge(recorded: Recorded, run: str, at: str) -> Sequence[Entry]:
        _check_move(recorded, old, new)
        edit.change(recorded, old, new)
        return [Moved(run, at, old, new)]

    recorded = await write(wiring, "state mv", judge, note=note)
    return edit.report(recorded, [*_to_rename(edit, old, new), *edit.references(recorded, {old: new})])


async def remove(wiring: Wiring, texts: Sequence[str], *, note: Note) -> JSONObject:
    """Forget what is recorded of some addresses, all of them or none; what is in doubt there is forgotten too.

    Returns `reconciler.edit/1`.  Raises Usage, naming all of them, for addresses of which nothing is known.
    """
    addresses = list(dict.fromkeys(map(parse_address, texts)))
    edit = _Edit(wiring)

    def judge(recorded: Recorded, run: str, at: str) -> Sequence[Entry]:
        _check_known(recorded, addresses)
        edit.changes.clear()
        for address in addresses:
            edit.change(recorded, address, None)
        return [Forgotten(run, at, address) for address in addresses]

    recorded = await write(wiring, "state rm", judge, note=note)
    warnings = [warning for address in addresses for warning in _made_again(edit, address)]
    return edit.report(recorded, [*warnings, *edit.references(recorded, dict.fromkeys(addresses))])


class _Edit:
    """What is changed, and what has to be known about that."""

    def __init__(self, wiring: Wiring) -> None:
        self.changes: dict[Address, JSONObject] = {}
        self._wiring = wiring
        desired = wiring.load().desired
        self.declared: Mapping[Address, Manifest] | None = (
            None if desired is None else {manifest.address: manifest for manifest in desired.manifests}
        )

    def change(self, recorded: Recorded, address: Address, target: Address | None) -> None:
        """Take down what is known of an address that gets another one, or none."""
        resource, export = recorded.resources.get(address), recorded.exports.get(address)
        manifest = (self.declared or {}).get(address)
        self.changes[address] = {
            "address": str(address),
            "to": None if target is None else str(target),
            "id": None if resource is None else resource.id,
            "in_doubt": [
                {"operation": doubt.operation, "action": doubt.action.value, "since": doubt.since}
                for doubt in recorded.in_doubt.values()
                if doubt.address == address
            ],
            "run": None if export is None or export.run is None else _run(export.run),
            "declared": None if manifest is None else place(manifest),
        }

    def references(self, recorded: Recorded, edited: Mapping[Address, Address | None]) -> Iterator[str]:
        """What becomes of those that refer to an address which is no longer the one it was."""
        for manifest in (self.declared or {}).values():
            for reference in manifest.references:
                if reference.target in edited and (target := edited[reference.target]) is not None:
                    yield f"{place(manifest)}: {manifest.address} refers to {reference.target}; write {target} there"
        specs = [(kept.address, kept.spec) for kept in recorded.resources.values()]
        specs += [(export.address, export.spec) for export in recorded.exports.values()]
        specs += [(doubt.address, doubt.after) for doubt in recorded.in_doubt.values() if doubt.after is not None]
        for address, spec in sorted(specs, key=lambda each: each[0]):
            for old in self._targets(address, spec):
                if old in edited:
                    yield from _referred(recorded, address, old, edited[old])

    def _targets(self, address: Address, spec: JSONObject) -> Iterable[Address]:
        kind = self._wiring.kind_table.get((address.provider, address.kind))
        return () if kind is None else dict.fromkeys(reference.target for reference in kind.references(spec))

    def report(self, recorded: Recorded, warnings: Iterable[str]) -> JSONObject:
        """Return `reconciler.edit/1`."""
        return {
            "format": "reconciler.edit/1",
            "position": recorded.position,
            "changes": list(self.changes.values()),
            "warnings": list(dict.fromkeys(warnings)),
        }


def place(manifest: Manifest) -> str:
    """Where a manifest names itself."""
    return f"{manifest.origin.file}:{manifest.origin.line}"


def _run(run: ExportRun) -> JSONObject:
    return {"operation": run.operation, "state": run.state.value, "export_id": run.export_id}


def _check_move(recorded: Recorded, old: Address, new: Address) -> None:
    known = {*recorded.resources, *recorded.exports}
    if old == new:
        raise Usage(f"{old} is its name already", "name another one")
    if old not in known:
        if any(doubt.address == old for doubt in recorded.in_doubt.values()):
            raise Usage(f"{old} is not recorded yet, only in doubt", f"settle that first: state settle {old}")
        raise _unknown(recorded, [old])
    if new in known:
        raise Usage(f"{new} is recorded already", f"forget it first, if it is not wanted: state rm {new}")
    if any(doubt.address == new for doubt in recorded.in_doubt.values()):
        raise Usage(f"{new} is in doubt", f"settle that first: state settle {new}")


def _check_known(recorded: Recorded, addresses: Sequence[Address]) -> None:
    known = {*recorded.resources, *recorded.exports, *(doubt.address for doubt in recorded.in_doubt.values())}
    unknown = [address for address in addresses if address not in known]
    if unknown:
        raise _unknown(recorded, unknown)


def _unknown(recorded: Recorded, addresses: Sequence[Address]) -> Usage:
    """The error for addresses of which nothing is known, which shows those that are nearest."""
    doubtful = (doubt.address for doubt in recorded.in_doubt.values())
    known = sorted({str(address) for address in (*recorded.resources, *recorded.exports, *doubtful)})
    hints = []
    for address in addresses[:_SHOWN]:
        near = get_close_matches(str(address), known, n=3)
        if near:
            hints.append(f"near {address}: {', '.join(near)}" if len(addresses) > 1 else f"near it: {', '.join(near)}")
    if not hints:
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        hints.append(f"known are: {', '.join(known[:_SHOWN])}{more}" if known else "nothing is recorded yet")
    return Usage(f"nothing is known of {', '.join(map(str, addresses))}; nothing was changed", "\n".join(hints))


def _to_rename(edit: _Edit, old: Address, new: Address) -> Iterator[str]:
    """What to do in the manifests, so that the next apply takes the object for what it is."""
    loses = f"or the next apply takes {new} for removed and {old} for new"
    if edit.declared is None:
        yield f"the manifests cannot be read: call what was {old.name} there {new.name}, {loses}"
        return
    source = edit.declared.get(old)
    if source is not None and new in edit.declared:
        yield f"{place(source)} still declares {old}, and {new} is declared too: the next apply makes a new {old}"
    elif source is not None and source.entry:
        yield f"{place(source)}: {old} comes from the forEach entry {source.entry!r}; make it {new.name}, {loses}"
    elif source is not None:
        yield f"{place(source)}: write `name: {new.name}` instead of {old.name}, {loses}"
    elif new not in edit.declared:
        yield f"no manifest declares {new}: the next apply takes it for removed"


def _made_again(edit: _Edit, address: Address) -> Iterator[str]:
    """What the next apply does with something that it does not know any more."""
    again = "starts it afresh" if address.is_export else "makes a second one"
    if edit.declared is None:
        yield f"the manifests cannot be read: if one declares {address}, the next apply {again}"
    elif address in edit.declared:
        where = place(edit.declared[address])
        yield f"{where} still declares {address}: the next apply {again}"


def _referred(recorded: Recorded, address: Address, old: Address, new: Address | None) -> Iterator[str]:
    if new is None:
        yield f"{address} refers to {old}, which has no id any more: it cannot be run before there is one again"
        return
    export = recorded.exports.get(address)
    if export is not None and export.run is not None and not export.spec.get("schedule"):
        yield f"once {address} refers to {new}, it counts as changed and is run once more"
