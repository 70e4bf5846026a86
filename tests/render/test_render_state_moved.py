"""What operators are shown of the log, with names that mean harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.render import renderer

Golden = Callable[[str, str], None]


def shown(golden: Golden, what: str, name: str, document: dict[str, Any]) -> str:
    text: str = renderer(what, "text")(document)
    golden(f"{name}.txt", text)
    assert all(character == "\n" or character.isprintable() for character in text)
    assert json.loads(renderer(what, "json")(document)) == document
    return text


def change(address: str, **more: Any) -> dict[str, Any]:
    return {"address": address, "to": None, "id": None, "in_doubt": [], "run": None, "declared": None, **more}


def test_edits(golden: Golden, evil: str) -> None:
    doubt = {"operation": f"r1.{evil}", "action": "create", "since": "2026-11-23T06:30:00Z"}
    document = {
        "format": "reconciler.edit/1",
        "position": 12,
        "changes": [
            change("blue/report/a", to="blue/report/b", id=evil),
            change("blue/report/c", id=evil, in_doubt=[doubt]),
            change("blue/report/d", in_doubt=[doubt]),
            change("blue/report/e", to="blue/report/f", id="r2", in_doubt=[doubt]),
            *(
                change("pipefy/export/g", to=to, run={"operation": evil, "state": state, "export_id": known})
                for to in (None, "pipefy/export/h")
                for state, known in (("started", evil), ("in_doubt", None), ("delivered", "77"))
            ),
        ],
        "warnings": [f"{evil}:3: write `name: b` instead of a"],
    }
    shown(golden, "edit", "edit", document)


def verified(**more: Any) -> dict[str, Any]:
    return {
        "format": "reconciler.verification/1",
        "log": "acme/default",
        "file": None,
        "archives": [],
        "batches": 1234,
        "entries": 5678,
        "bytes": 1_000_000,
        "first": 15,
        "last": 1248,
        "head": "ab" * 32,
        "lineage": "cd" * 16,
        "archived_until": 14,
        "first_at": "2026-11-01T00:00:00Z",
        "last_at": "2026-11-23T06:30:00Z",
        "runs": 77,
        "resources": 1,
        "exports": 2,
        "in_doubt": 0,
        "moved_to": None,
        "checkpoint": {"position": 1200, "state": "good"},
        "warnings": [],
        "damage": None,
        **more,
    }


def test_a_sound_log(golden: Golden) -> None:
    shown(golden, "verification", "verification", verified())


def test_a_damaged_log(golden: Golden, evil: str) -> None:
    document = verified(
        log=evil,
        file=evil,
        archives=[evil],
        moved_to=evil,
        batches=1,
        entries=1,
        checkpoint={"position": 9, "state": "damaged"},
        warnings=[f"the checkpoint {evil}"],
        damage={"message": f"Position 1249: {evil}", "hint": evil},
    )
    shown(golden, "verification", "verification-damaged", document)


def test_a_log_that_does_not_exist() -> None:
    nothing = dict.fromkeys(
        ("first", "last", "head", "lineage", "archived_until", "first_at", "last_at", "moved_to", "checkpoint")
    )
    text = renderer("verification", "text")(verified(**nothing, batches=0, entries=0, runs=0))
    assert "None" not in text
    assert "positions" not in text


def extent(**more: Any) -> dict[str, Any]:
    facts = {"first": 1, "last": 14, "head": "ab" * 32, "lineage": "cd" * 16, "batches": 14, "entries": 20}
    return {"bytes": 5503, **facts, **more}


@pytest.mark.parametrize("what", ["exported", "archive"])
def test_files(golden: Golden, evil: str, what: str) -> None:
    more = {"already": False} if what == "archive" else {}
    shown(golden, what, what, extent(format=f"reconciler.{what}/1", log=evil, file=evil, **more))


def test_an_archive_that_was_there(golden: Golden, evil: str) -> None:
    shown(
        golden, "archive", "archive-already", extent(format="reconciler.archive/1", log=evil, file=evil, already=True)
    )


@pytest.mark.parametrize("sandbox", [False, True])
def test_a_migration(golden: Golden, sandbox: bool) -> None:
    document = {
        "format": "reconciler.migration/1",
        "from": "acme/default",
        "file": None,
        "to": "sqlite:new.db",
        "log": "acme/default",
        "lineage": "cd" * 16,
        "position": 10,
        "copied": {"batches": 1, "bytes": 3564},
        "moved_to": None,
        "ended": None,
        "hidden": False,
        "sandbox": sandbox,
    }
    shown(golden, "migration", f"migration{'-sandbox' if sandbox else ''}", document)


def test_a_migration_with_everything(golden: Golden, evil: str) -> None:
    document = {
        "format": "reconciler.migration/1",
        "from": f"{evil}/prod",
        "file": evil,
        "to": f"postgresql://{evil}/db",
        "log": "acme/default",
        "lineage": "cd" * 16,
        "position": 10_000,
        "copied": {"batches": 9_999, "bytes": 3_564_000},
        "moved_to": evil,
        "ended": evil,
        "hidden": True,
        "sandbox": False,
    }
    shown(golden, "migration", "migration-everything", document)
