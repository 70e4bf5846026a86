"""Logs that earlier versions have written fold to what they always folded to; what only a later one writes is refused.

`RECONCILER_UPDATE_GOLDEN=1` writes the expected states anew: look at the difference before believing it.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from running import Program
from todays_log import ARCHIVED, CORPUS, NAME, files

from reconciler.model.entry import Archived, Holder
from reconciler.model.errors import StateError
from reconciler.model.manifest import Lifecycle
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Lease, Resource
from reconciler.state import codec, snapshot
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.state.chain import Chain, load

LOGS = sorted(path.name for path in CORPUS.glob("*.log"))
CHECKPOINTS = sorted(path.name for path in CORPUS.glob("*.checkpoint"))
PARTS = 3

RECORDS: dict[str, type] = {
    "holder": Holder,
    "lifecycle": Lifecycle,
    "resources": Resource,
    "exports": ExportRecord,
    "in_doubt": Doubt,
    "lease": Lease,
    "run": ExportRun,
    "state": snapshot.State,
}


def batches(name: str) -> list[bytes]:
    return (CORPUS / name).read_bytes().splitlines()


def states(name: str) -> dict[str, Any]:
    """The state after each third of a log, by position."""
    chain, found = Chain(), {}
    rows = batches(name)
    ends = {len(rows) * part // PARTS for part in range(1, PARTS + 1)}
    for number, batch in enumerate(rows, 1):
        chain.follow(number, batch)
        if number in ends:
            found[f"after {number} batches"] = snapshot.encode(chain.recorded)
    return found


@pytest.mark.parametrize("name", LOGS)
def test_every_log_folds_to_what_it_did(name: str) -> None:
    expected = CORPUS / f"{name.removesuffix('.log')}.json"
    found = json.dumps(states(name), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("RECONCILER_UPDATE_GOLDEN"):
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


def test_the_corpus_spans_versions() -> None:
    assert len(LOGS) >= 5
    assert {NAME, ARCHIVED} <= set(LOGS)
    formats = {json.loads((CORPUS / name).read_bytes())["format"] for name in CHECKPOINTS}
    assert formats == {"reconciler.checkpoint/1", "reconciler.checkpoint/2"}


def test_todays_log_is_in_the_corpus_as_it_is_written_today() -> None:
    for name, data in files().items():
        assert (CORPUS / name).read_bytes() == data, f"python tests/support/todays_log.py writes {name}"


def test_a_log_without_what_was_archived_folds_to_the_same() -> None:
    whole, rest = (Chain(), Chain())
    for chain, name in ((whole, NAME), (rest, ARCHIVED)):
        for number, batch in enumerate(batches(name), 1):
            chain.follow(number, batch)
    assert whole.recorded == rest.recorded
    assert whole.head == rest.head


def written(value: Any, key: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Each record that stands in an entry, by the field it stands in, with the fields it has."""
    if isinstance(value, dict):
        yield key, frozenset(value)
        for name, item in value.items():
            if name not in ("after", "spec", "remote"):
                yield from written(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from written(item, key)


def test_every_entry_and_every_field_occurs() -> None:
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for name in LOGS:
        for batch in batches(name):
            for entry in json.loads(batch)["entries"]:
                for key, has in written(entry, entry["type"]):
                    seen[key] |= has
    for kind, entry_type in codec.TYPES.items():
        assert seen[kind] == {"type", *(item.name for item in fields(entry_type))}, kind
    for key, record in RECORDS.items():
        missing = {item.name for item in fields(record)} - seen[key]
        # a log that was moved is not archived any more
        assert missing == ({"moved_to"} if key == "state" else set()), key


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[SqliteBackend]:
    with closing(SqliteBackend(str(tmp_path / "state.db"), "acme/default")) as backend:
        yield backend


def fill(backend: SqliteBackend, rows: Iterable[bytes]) -> None:
    for position, batch in enumerate(rows, 1):
        backend.append(position, batch)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_of_older_formats_are_replayed_past(stored: SqliteBackend, name: str) -> None:
    rows = batches(name.replace(".checkpoint", ".log"))
    fill(stored, rows)
    stored.checkpoint(40, (CORPUS / name).read_bytes())
    assert stored.read(0)[0] is not None
    assert load(stored).recorded == replayed(rows)


def replayed(rows: Iterable[bytes]) -> object:
    chain = Chain()
    for number, batch in enumerate(rows, 1):
        chain.follow(number, batch)
    return chain.recorded


def newer() -> dict[str, bytes]:
    """Batches that follow the last one of the corpus's first log and that only a later version can have written."""
    head = codec.sha256(batches(LOGS[0])[-1])
    sealed = {
        "entry": b'{"type":"painted","run":"r","at":"t"}',
        "field": b'{"type":"lease_released","run":"r","at":"t","why":"done"}',
        "word": b'{"type":"intended","run":"r","operation":"o","at":"t","address":"blue/report/a","action":"paint",'
        b'"id":null,"after":null,"request":"q"}',
        "nested field": b'{"type":"lease_taken","run":"r","at":"t","until":"t",'
        b'"holder":{"user":"","host":"","process":"","command":"","shell":"zsh"}}',
    }
    made = {name: codec.seal(head, [entry]) for name, entry in sealed.items()}
    format_2 = codec.seal(head, [sealed["entry"]]).replace(b"reconciler.log/1", b"reconciler.log/2")
    return {"format": format_2, **made}


@pytest.mark.parametrize("what", newer())
def test_what_a_later_version_wrote_is_refused(stored: SqliteBackend, what: str) -> None:
    fill(stored, [*batches(LOGS[0]), newer()[what]])
    with pytest.raises(StateError, match="newer version") as caught:
        load(stored)
    assert caught.value.exit_code == 5
    assert "Position 52" in caught.value.message
    assert "Install the version that wrote it, or a later one" in caught.value.hint


@pytest.mark.parametrize("what", newer())
def test_the_program_says_what_to_install(stored: SqliteBackend, tmp_path: Path, what: str) -> None:
    fill(stored, [*batches(LOGS[0]), newer()[what]])
    program = Program(tmp_path)
    program.write("manifests/reconciler.yaml", "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n")
    ran = program("state", "list", "--state", "sqlite:state.db")
    assert (ran.code, ran.out) == (5, "")
    assert "newer version" in ran.err
    assert "Install the version that wrote it, or a later one" in ran.err


def test_an_archive_of_a_later_version_is_refused(stored: SqliteBackend) -> None:
    first = batches(ARCHIVED)[0]
    (entry,) = codec.unseal(codec.link(first), first)
    assert isinstance(entry, Archived)
    changed = json.loads(codec.encode(entry)) | {"state": {**entry.state, "colours": {}}}
    fill(stored, [codec.seal(codec.link(first), [json.dumps(changed, separators=(",", ":")).encode()])])
    with pytest.raises(StateError, match="newer version") as caught:
        load(stored)
    assert "'colours'" in caught.value.message
