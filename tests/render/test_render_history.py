from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.render import renderer
from reconciler.render.state import describe

Golden = Callable[[str, str], None]

AT = "2026-11-23T06:30:00Z"
LATER = "2026-11-23T07:00:00Z"
ABOUT = {"lineage": "ab" * 16, "position": 40, "begins": {"position": 7, "archived_at": AT, "archived_by": "r0"}}


def run(name: str, **known: Any) -> dict[str, Any]:
    return {
        "run": name,
        "position": 8,
        "command": "apply",
        "user": "ann",
        "host": "build-7",
        "ci": "",
        "tool": "reconciler 0",
        "commit": "c" * 40,
        "plan": "sha256:p",
        "started_at": AT,
        "ended_at": LATER,
        "seconds": 1800,
        "state": "finished",
        "exit_code": 7,
        "counts": {"applied": 1234, "rejected": 0},
        **known,
    }


def step(action: str, **known: Any) -> dict[str, Any]:
    return {
        "type": "export" if action == "export" else "step",
        "at": AT,
        "address": "blue/report/emea",
        "operation": "r1.0",
        "action": action,
        "id": None,
        "sent": True,
        "changes": [],
        "state": "applied",
        "ended_at": LATER,
        "code": None,
        "message": None,
        "reason": "",
        "settled": None,
        **(
            {"occurrence": None, "location": None, "sha256": None, "bytes": None, "ran": None}
            if action == "export"
            else {}
        ),
        **known,
    }


def change(path: str, before: Any, after: Any) -> dict[str, Any]:
    return {"path": path, "before": before, "after": after}


def settled(**known: Any) -> dict[str, Any]:
    return {"run": "r2", "at": LATER, "how": "lookup", "applied": True, "id": "clx9", **known}


def everything(evil: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    exports = [
        step("export", state="delivered", id="77", location="exports/a.xlsx", bytes=12345, sha256="ab" * 32),
        step("export", state="delivered", occurrence=AT, of_run="r0"),
        step("export", state="failed", ran=True, code="FAILED", message=evil),
        step("export", state="failed", ran=False, settled=settled(applied=False, how="person", id=None)),
        step("export", state="in_doubt", reason="the answer was lost"),
        step("export", state="intended"),
        step("export", state="started", id="78"),
        step("export", state="finished", id="79"),
    ]
    steps = [
        step("create", id="clx1", changes=[change("title", None, evil), change("dataSources", None, [{"name": evil}])]),
        step("update", state="rejected", code="BAD", message=evil, changes=[change('f["a key"]', evil, "b" * 300)]),
        step("update", sent=False, changes=[change(f"list[{index}]", index, index + 1) for index in range(20)]),
        step("delete", id=evil, changes=[change("title", "gone", None)]),
        step("create", state="in_doubt", reason=evil, settled=settled()),
        step("create", state="in_doubt", settled=settled(applied=False, id=None)),
        step("create", state="in_doubt", settled=settled(how="import", applied=None)),
        step("update", state="in_doubt", settled=settled(how="forget", applied=None, id=None)),
        step("update", state="in_doubt"),
    ]
    about = {"at": AT, "address": "blue/report/emea"}
    others = [
        {"type": "settled", **about, "operation": "r0.1", "action": "create", "of_run": "r0", **settled(run=None)},
        {"type": "imported", **about, "id": evil, "changes": [change("title", None, "T")]},
        {"type": "moved", **about, "target": "blue/report/apac"},
        {"type": "forgotten", **about, "id": None},
        {"type": "skipped", **about, "occurrence": AT, "reason": evil},
        {"type": "resolved", "at": AT, "provider": "blue", "names": {f"user:email:{evil}": "u1"}},
        {"type": "lease", "at": AT, "until": LATER, "released_at": AT, "broken": None},
        {"type": "lease", "at": AT, "until": LATER, "released_at": None, "broken": None},
        {
            "type": "lease",
            "at": AT,
            "until": LATER,
            "released_at": None,
            "broken": {"at": AT, "by": "r2", "reason": evil},
        },
        {"type": "lease_broken", "at": AT, "of_run": "r9", "reason": evil},
        {"type": "migrated", "at": AT, "target": f"s3://bucket/{evil}"},
        {"type": "archived", "at": AT, "position": 12345},
    ]
    return [
        (run("r3", user=evil, host=evil, ci=evil, command=evil, commit=evil, plan=evil, tool=evil), steps),
        (run("r2", plan=None, commit=None, state="released", exit_code=None, counts={}), exports),
        (run("r1", tool=None, plan=None, commit=None, state="released", command="state mv"), others),
        (run("r0", state="broken", exit_code=None, counts={}), []),
        (run("q9", state="running"), []),
        (run("q8", state="unknown", user=None, host=None, command=None, tool=None, commit=None, plan=None), []),
    ]


def safe(text: str) -> bool:
    return all(character == "\n" or character.isprintable() for character in text)


def test_text(golden: Golden, evil: str) -> None:
    text = "".join(renderer("history", "text")(ABOUT, everything(evil)))
    golden("history.txt", text)
    assert safe(text)


def test_text_in_full_and_in_colour(golden: Golden, evil: str) -> None:
    text = "".join(renderer("history", "text")(ABOUT, everything(evil), color=True, everything=True))
    golden("history-full.txt", text)
    assert safe(text.replace("\x1b", ""))


def test_json_is_one_document_of_one_run_a_line(golden: Golden, evil: str) -> None:
    text = "".join(renderer("history", "json")(ABOUT, everything(evil)))
    golden("history.json", text)
    assert text.isascii()
    document = json.loads(text)
    assert document["format"] == "reconciler.history/1"
    assert [found["run"] for found in document["runs"]] == ["r3", "r2", "r1", "r0", "q9", "q8"]
    assert document["runs"][0]["items"] == everything(evil)[0][1]
    assert len(text.splitlines()) == 1 + 6 + 1


def test_nothing() -> None:
    nothing = {"lineage": None, "position": 0, "begins": None}
    assert "".join(renderer("history", "text")(nothing, [])) == "Nothing is recorded yet.\n"
    assert json.loads("".join(renderer("history", "json")(nothing, [])))["runs"] == []
    some = {**nothing, "position": 3}
    assert "".join(renderer("history", "text")(some, [])) == "No run that is recorded matches.\n"


def test_the_past(golden: Golden, recorded: Recorded) -> None:
    about = {"asked": LATER, "position": 12, "last": AT, "next": "2026-11-23T08:00:00Z"}
    golden("past.txt", renderer("past", "text")(recorded, about))
    golden("past.json", renderer("past", "json")(recorded, about))
    odd = describe(recorded, Address("blue", "report", "odd"))
    golden("past-resource.txt", renderer("past", "text")(recorded, {**about, "next": None}, odd))
    assert json.loads(renderer("past", "json")(recorded, about, odd))["as_of"] == about


def test_the_past_of_nothing() -> None:
    about = {"asked": AT, "position": 0, "last": None, "next": LATER}
    told = f"Nothing was recorded up to {AT}; the first entry of the log is of {LATER}.\n"
    assert renderer("past", "text")(Recorded(), about) == told
    assert renderer("past", "text")(Recorded(), {**about, "next": None}) == f"Nothing was recorded up to {AT}.\n"
    nobody = describe(Recorded(), Address("a", "b", "c"))
    text = renderer("past", "text")(Recorded(), {**about, "position": 1, "last": AT}, nobody)
    assert text.endswith("\n\nNothing was recorded of a/b/c.\n")


def test_what_resolves_a_doubt(golden: Golden, evil: str) -> None:
    doubts = [
        {
            "address": f"blue/report/{name}",
            "operation": "r1.2",
            "action": "create",
            "run": "r1",
            "since": AT,
            "reason": evil,
            "candidates": candidates,
            "commands": [[f"reconciler state settle x --as {evil}", "it made it"], ["reconciler state rm x", evil]],
        }
        for name, candidates in (("odd", [evil, "clx2"]), ("other", []))
    ]
    text = renderer("doubts", "text")(doubts)
    golden("doubts.txt", text)
    assert safe(text)
