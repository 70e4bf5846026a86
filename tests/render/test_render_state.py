from __future__ import annotations

import json
from collections.abc import Callable

from reconciler.model.manifest import Manifest
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.render import renderer
from reconciler.render.state import describe, state_json

Golden = Callable[[str, str], None]


def test_text(golden: Golden, recorded: Recorded) -> None:
    text = renderer("state", "text")(recorded)
    golden("state.txt", text)
    assert all(character == "\n" or character.isprintable() for character in text)


def test_text_of_nothing() -> None:
    assert renderer("state", "text")(Recorded()) == "0 resources, 0 exports, 0 in doubt; log position 0\n"


def test_json(golden: Golden, recorded: Recorded) -> None:
    golden("state.json", renderer("state", "json")(recorded))
    document = state_json(recorded)
    assert [row["address"] for row in document["resources"]] == ["blue/report/emea", "blue/report/z"]
    assert document["resources"][1] == {
        "address": "blue/report/z",
        "id": "r2",
        "protected": False,
        "applied_at": "2026-11-01T00:00:00Z",
    }
    assert [row["action"] for row in document["in_doubt"]] == ["create", "export"]
    assert [row["state"] for row in document["exports"]] == ["delivered", None, "intended"]


def test_json_of_nothing() -> None:
    assert json.loads(renderer("state", "json")(Recorded())) == {
        "format": "reconciler.state/1",
        "lineage": None,
        "position": 0,
        "resources": [],
        "in_doubt": [],
        "exports": [],
    }


def test_one_resource(golden: Golden, recorded: Recorded, manifest: Manifest) -> None:
    known = describe(recorded, manifest.address, manifest)
    golden("resource.txt", renderer("resource", "text")(known))
    golden("resource.json", renderer("resource", "json")(known))


def test_one_export(golden: Golden, recorded: Recorded) -> None:
    golden("export.txt", renderer("resource", "text")(describe(recorded, Address("pipefy", "export", "weekly"))))
    golden("export.json", renderer("resource", "json")(describe(recorded, Address("pipefy", "export", "once"))))


def test_a_doubt_alone(golden: Golden, recorded: Recorded) -> None:
    golden("doubt.txt", renderer("resource", "text")(describe(recorded, Address("blue", "report", "odd"))))


def test_nothing_known() -> None:
    known = describe(Recorded(), Address("a", "b", "c"))
    assert (known["declared"], known["recorded"], known["export"], known["in_doubt"]) == (None, None, None, [])
    assert renderer("resource", "text")(known) == "a/b/c\n"
