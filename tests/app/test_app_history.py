"""The log told by run, and the state as it was: over logs of every kind, also those that runs seldom write."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.app.history import reading, shelf, story, tell
from reconciler.app.history.past import as_of, resource
from reconciler.app.history.query import Query, moment, which_run
from reconciler.app.history.tell import history
from reconciler.app.wiring import Wiring
from reconciler.model.entry import (
    Applied,
    Archived,
    Doubted,
    Entry,
    ExportDelivered,
    ExportFailed,
    ExportFinished,
    ExportIntended,
    ExportSkipped,
    ExportStarted,
    Forgotten,
    Holder,
    Imported,
    Intended,
    LeaseBroken,
    LeaseReleased,
    LeaseRenewed,
    LeaseTaken,
    Migrated,
    Moved,
    Rejected,
    Resolved,
    RunFinished,
    RunStarted,
    Settled,
)
from reconciler.model.errors import Broken, StateError, Usage
from reconciler.model.manifest import Lifecycle
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.state import codec, snapshot
from reconciler.state.chain import Chain
from reconciler.state.exported import Writer

BEGIN = datetime(2026, 11, 23, 6, tzinfo=UTC)
HOLDER = Holder("ann", "build-7", "p", "apply", "https://ci/1")
A, B, E, F = (Address.parse(text) for text in ("blue/report/a", "blue/report/b", "pipefy/export/e", "pipefy/export/f"))
Batches = Sequence[Sequence[Entry]]
Make = Callable[..., Wiring]


def at(seconds: int) -> str:
    return (BEGIN + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def sealed(batches: Batches, prev: str | None = None) -> Iterator[bytes]:
    for entries in batches:
        batch = codec.seal(prev, map(codec.encode, entries))
        prev = codec.sha256(batch)
        yield batch


def write(wiring: Wiring, *batches: Sequence[Entry]) -> None:
    with closing(wiring.backend(wiring.project())) as backend:
        for position, batch in enumerate(sealed(batches), start=1):
            backend.append(position, batch)


def told(wiring: Wiring, **query: Any) -> list[dict[str, Any]]:
    with history(wiring, Query(**query)) as found:
        return [{**about, "items": list(items)} for about, items in found.runs]


def intended(run: str, number: int, address: Address, second: int = 1, **known: Any) -> Intended:
    fields = {"action": Action.CREATE, "id": None, "after": {"title": "T"}, "request": "sha256:r", **known}
    return Intended(run, f"{run}.{number}", at(second), address, **fields)


def exporting(run: str, number: int, address: Address, occurrence: str | None = None, **known: Any) -> ExportIntended:
    fields = {"content": "c", "after": {"pipeIds": ["1"]}, "request": "sha256:r", **known}
    return ExportIntended(run, f"{run}.{number}", at(1), address, occurrence, **fields)


def started(run: str, second: int = 0, **known: Any) -> RunStarted:
    return RunStarted(run, at(second), HOLDER, "reconciler 0", **known)


def leased(run: str, second: int = 0) -> LeaseTaken:
    return LeaseTaken(run, at(second), HOLDER, at(second + 60))


def test_a_run_is_told_whole(wiring: Make) -> None:
    here = wiring()
    write(
        here,
        [leased("r1"), started("r1", commit="abc", plan="sha256:p")],
        [intended("r1", 0, A, lifecycle=Lifecycle(protect=True)), intended("r1", 1, B)],
        [LeaseRenewed("r1", at(20), at(80))],
        [Applied("r1", "r1.0", at(21), id="x1"), Rejected("r1", "r1.1", at(21), "BAD", "no\x1b")],
        [RunFinished("r1", at(30), 7, {"applied": 1, "rejected": 1})],
        [LeaseReleased("r1", at(31))],
    )
    (run,) = told(here)
    assert {key: value for key, value in run.items() if key != "items"} == {
        "run": "r1",
        "position": 1,
        "command": "apply",
        "user": "ann",
        "host": "build-7",
        "ci": "https://ci/1",
        "tool": "reconciler 0",
        "commit": "abc",
        "plan": "sha256:p",
        "started_at": at(0),
        "ended_at": at(31),
        "seconds": 31,
        "state": "finished",
        "exit_code": 7,
        "counts": {"applied": 1, "rejected": 1},
    }
    lease, create, refused = run["items"]
    assert (lease["type"], lease["until"], lease["released_at"]) == ("lease", at(80), at(31))
    assert (create["address"], create["action"], create["state"], create["id"]) == (str(A), "create", "applied", "x1")
    assert create["changes"] == [
        {"path": "title", "before": None, "after": "T"},
        {"path": "lifecycle.protect", "before": None, "after": True},
    ]
    assert (refused["state"], refused["code"], refused["message"]) == ("rejected", "BAD", "no\x1b")


def test_changes_are_those_from_what_was_recorded_then(wiring: Make) -> None:
    here = wiring()
    update = {"action": Action.UPDATE, "id": "x1"}
    write(
        here,
        [started("r1"), intended("r1", 0, A), Applied("r1", "r1.0", at(1), id="x1")],
        [intended("r2", 0, A, after={"title": "U"}, **update), Applied("r2", "r2.0", at(2))],
        [intended("r3", 0, A, after={"title": "V"}, **update), Rejected("r3", "r3.0", at(3), "NO", "no")],
        [intended("r4", 0, A, after={"title": "U", "note": "n"}, request="", **update), Applied("r4", "r4.0", at(4))],
        [intended("r5", 0, A, action=Action.DELETE, id="x1", after=None), Applied("r5", "r5.0", at(5))],
    )
    steps = [run["items"][0] for run in told(here, reverse=True)]
    pairs = [[(change["path"], change["before"], change["after"]) for change in step["changes"]] for step in steps]
    assert pairs == [
        [("title", None, "T")],
        [("title", "T", "U")],
        [("title", "U", "V")],
        [("note", None, "n")],
        [("note", "n", None), ("title", "U", None)],
    ]
    assert [step["sent"] for step in steps] == [True, True, True, False, True]


def test_runs_that_interleave_are_told_apart_newest_first(wiring: Make) -> None:
    here = wiring()
    write(
        here,
        [started("r1", 0), started("r2", 1)],
        [exporting("r1", 0, E), exporting("r2", 0, F, at(0))],
        [ExportStarted("r2", "r2.0", at(2), "77"), ExportStarted("r1", "r1.0", at(2), "76")],
        [ExportFinished("r2", "r2.0", at(3))],
        [ExportDelivered("r1", "r1.0", at(4), "exports/e", "ab", 12), RunFinished("r1", at(4), 0)],
        [ExportFailed("r2", "r2.0", at(5), ran=True, code="LATE", message="too slow"), RunFinished("r2", at(6), 7)],
    )
    two, one = told(here)
    assert (two["run"], one["run"]) == ("r2", "r1")
    assert [run["run"] for run in told(here, reverse=True)] == ["r1", "r2"]
    assert [run["run"] for run in told(here, limit=1)] == ["r2"]
    assert [run["run"] for run in told(here, limit=1, reverse=True)] == ["r2"]
    (delivered,), (failed,) = one["items"], two["items"]
    known = {"id": "76", "location": "exports/e", "sha256": "ab", "bytes": 12, "state": "delivered"}
    assert delivered.items() >= known.items()
    known = {"id": "77", "occurrence": at(0), "state": "failed", "code": "LATE", "ran": True, "ended_at": at(5)}
    assert failed.items() >= known.items()


def test_what_another_run_finds_out_stands_at_both(wiring: Make) -> None:
    here = wiring()
    write(
        here,
        [leased("r1"), started("r1")],
        [intended("r1", 0, A), intended("r1", 1, B), exporting("r1", 2, E), exporting("r1", 3, F)],
        [Doubted("r1", "r1.0", at(2), "time-out"), ExportStarted("r1", "r1.3", at(2), "78")],
        [LeaseBroken("r1", at(70), "r2", "it expired"), leased("r2", 70), started("r2", 70)],
        [Settled("r2", "r1.0", at(71), applied=True, how="lookup", id="x1")],
        [Settled("r2", "r1.1", at(72), applied=False, how="person")],
        [Settled("r2", "r1.2", at(73), applied=True, how="person", id="77")],
        [ExportDelivered("r2", "r1.2", at(74), "exports/e", "ab", 1)],
        [ExportDelivered("r2", "r1.3", at(75), "exports/f", "cd", 2)],
        [LeaseReleased("r2", at(76))],
    )
    two, one = told(here)
    assert (one["state"], two["state"], one["ended_at"]) == ("broken", "released", at(70))
    lease, create, absent, export, other = one["items"]
    assert lease["broken"] == {"at": at(70), "by": "r2", "reason": "it expired"}
    assert (create["state"], create["reason"], create["id"]) == ("in_doubt", "time-out", "x1")
    assert create["settled"] == {"run": "r2", "at": at(71), "how": "lookup", "applied": True, "id": "x1"}
    assert (absent["state"], absent["settled"]["applied"], absent["settled"]["how"]) == ("in_doubt", False, "person")
    assert (export["state"], export["id"], export["location"]) == ("delivered", "77", "exports/e")
    assert (other["state"], other["bytes"]) == ("delivered", 2)
    types = [(item["type"], item.get("address"), item.get("of_run")) for item in two["items"]]
    assert types == [
        ("lease_broken", None, "r1"),
        ("lease", None, None),
        ("settled", str(A), "r1"),
        ("settled", str(B), "r1"),
        ("settled", str(E), "r1"),
        ("export", str(E), "r1"),
        ("export", str(F), "r1"),
    ]


def test_the_word_of_a_person_ends_what_is_open(wiring: Make) -> None:
    here = wiring()
    target = Address.parse("blue/report/c")
    write(
        here,
        [started("r1"), intended("r1", 0, A), intended("r1", 1, B), exporting("r1", 2, E), exporting("r1", 3, F)],
        [Imported("r2", at(2), A, "x1", {"title": "U"})],
        [Imported("r2", at(2), target, "x9", {"title": "W"}), Moved("r2", at(3), target, B.__class__(*"dfg"))],
        [Forgotten("r3", at(4), B), Forgotten("r3", at(5), E)],
        [exporting("r4", 0, F), ExportSkipped("r4", at(6), F, at(0), "late")],
        [Settled("r4", "r4.0", at(7), applied=False, how="person")],
        [Resolved("r5", at(8), "blue", {"user:email:a@b": "u1"}), Migrated("r5", at(9), "s3://bucket")],
    )
    five, four, three, two, one = told(here)
    create, other, export, again = one["items"]
    assert create["settled"] == {"run": "r2", "at": at(2), "how": "import", "applied": None, "id": "x1"}
    assert other["settled"]["how"] == "forget"
    assert (export["settled"], again["settled"]) == (None, None)
    assert [item["type"] for item in two["items"]] == ["imported", "imported", "moved"]
    assert two["items"][0]["changes"] == [{"path": "title", "before": None, "after": "U"}]
    assert two["items"][2]["target"] == "d/f/g"
    assert [item["type"] for item in three["items"]] == ["forgotten", "forgotten"]
    assert [(item["type"], item.get("state")) for item in four["items"]] == [
        ("export", "failed"),
        ("skipped", None),
        ("settled", None),
    ]
    assert four["items"][0]["ran"] is False
    assert [item["type"] for item in five["items"]] == ["resolved", "migrated"]


def test_how_runs_end(wiring: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    here = wiring()
    write(
        here,
        [leased("operator", 0)],
        [LeaseReleased("operator", at(1))],
        [started("killed", 2), exporting("killed", 0, E)],
        [leased("holding", 10), started("holding", 10)],
    )

    def state_at(second: int) -> dict[str, str]:
        monkeypatch.setattr(type(here.clock), "wall", lambda clock: BEGIN + timedelta(seconds=second))
        return {run["run"]: run["state"] for run in told(here)}

    assert state_at(60) == {"holding": "running", "killed": "unknown", "operator": "released"}
    assert state_at(71) == {"holding": "unknown", "killed": "unknown", "operator": "released"}


def test_a_clock_that_was_ahead_for_one_entry_moves_no_run(wiring: Make) -> None:
    """Who takes a lease away may date that after what it does then."""
    here = wiring()
    write(
        here,
        [leased("r1", 0), started("r1", 0), intended("r1", 0, A)],
        [LeaseBroken("r1", at(9), "r2", "its process was gone"), leased("r2", 8), started("r2", 8)],
        [Settled("r2", "r1.0", at(8), applied=False, how="lookup"), intended("r2", 0, A, 8)],
        [Applied("r2", "r2.0", at(8), id="x1"), RunFinished("r2", at(8), 0)],
    )
    two, _ = told(here)
    assert (two["started_at"], two["ended_at"], two["seconds"]) == (at(8), at(9), 1)
    (filtered, _) = told(here, addresses=(str(A),))
    assert filtered["started_at"] == two["started_at"]
    assert as_of(here, BEGIN + timedelta(seconds=8)).about["position"] == 4


def test_addresses_and_patterns_of_them(wiring: Make) -> None:
    here = wiring()
    moved = Address.parse("blue/report/moved")
    write(
        here,
        [leased("r1"), started("r1"), intended("r1", 0, A), intended("r1", 1, B)],
        [Applied("r1", "r1.0", at(1), id="x1"), Applied("r1", "r1.1", at(1), id="x2")],
        [started("r2"), exporting("r2", 0, E), Resolved("r2", at(1), "blue", {"a:b:c": "1"})],
        [Moved("r3", at(2), A, moved)],
    )

    def shown(*addresses: str) -> list[tuple[str, list[str]]]:
        return [(run["run"], [item["address"] for item in run["items"]]) for run in told(here, addresses=addresses)]

    assert shown(str(A)) == [("r3", [str(A)]), ("r1", [str(A)])]
    assert shown(str(moved)) == [("r3", [str(A)])]
    assert shown("blue/*") == [("r3", [str(A)]), ("r1", [str(A), str(B)])]
    assert shown(str(B), "pipefy/export/?") == [("r2", [str(E)]), ("r1", [str(B)])]
    for wrong, said in (
        ("blue/report/moves", "moved"),
        ("zz*", "without --address"),
        ("blue", "is not an address"),
    ):
        with pytest.raises(Usage) as caught:
            told(here, addresses=(wrong,))
        assert said in caught.value.message + caught.value.hint


def test_runs_by_how_their_names_begin(wiring: Make) -> None:
    here = wiring()
    write(here, *([started(name, number)] for number, name in enumerate(("abc1", "abc2", "abd3", "abc"))))
    assert [run["run"] for run in told(here, runs=("abd",))] == ["abd3"]
    assert [run["run"] for run in told(here, runs=("abc", "abc2"))] == ["abc", "abc2"]
    for text, said in (("ab", "abc, abc1, abc2, abd3"), ("zz", "abc (2026-11-23T06:00:03Z), abd3")):
        with pytest.raises(Usage) as caught:
            told(here, runs=(text,))
        assert said in caught.value.hint
    with pytest.raises(Usage, match="no run in the log is called x; before") as caught:
        which_run("x", (), (), "; before")
    assert caught.value.hint == "no run is recorded yet"


def test_runs_that_went_on_at_a_time(wiring: Make) -> None:
    here = wiring()
    write(
        here,
        [started("r1", 0)],
        [started("r2", 100), RunFinished("r1", at(150), 0)],
        [RunFinished("r2", at(300), 0)],
        [started("r3", 400), RunFinished("r3", at(500), 0)],
    )

    def shown(since: int | None, until: int | None) -> list[str]:
        times = [None if second is None else BEGIN + timedelta(seconds=second) for second in (since, until)]
        return [run["run"] for run in told(here, since=times[0], until=times[1], reverse=True)]

    assert shown(None, None) == ["r1", "r2", "r3"]
    assert shown(150, None) == ["r1", "r2", "r3"]
    assert shown(151, None) == ["r2", "r3"]
    assert shown(None, 99) == ["r1"]
    assert shown(160, 399) == ["r2"]
    assert shown(301, 399) == []


def test_times_as_people_write_them() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment("2026-11-23T08:00:00+02:00", now) == BEGIN
    assert moment("2h", now) == now - timedelta(hours=2)
    assert [moment(f"1{unit}", now) for unit in "smdw"] == [
        now - timedelta(**{name: 1}) for name in ("seconds", "minutes", "days", "weeks")
    ]
    assert moment("2026-11-23", now) == datetime(2026, 11, 23, tzinfo=UTC)
    assert moment("2026-11-23", now, end=True) == datetime(2026, 11, 24, tzinfo=UTC) - timedelta(microseconds=1)
    for text in ("", "yesterday", "2026-11-23T06:00:00", "2026-13-01", "999999w", "2x", "-2h", "2026-11-2\u0663"):
        with pytest.raises(Usage, match="is not a time"):
            moment(text, now)


def archived(batches: Batches, run: str, second: int) -> tuple[Recorded, Archived]:
    """The state of a log, and the entry that stands for it."""
    chain = Chain()
    for position, batch in enumerate(sealed(batches), start=1):
        chain.follow(position, batch)
    assert chain.head is not None
    return chain.recorded, Archived(run, at(second), len(batches), chain.head, snapshot.encode(chain.recorded))


class Kept:
    """A log as a list: what an exported file gives."""

    def __init__(self, first: int, batches: Sequence[bytes]) -> None:
        self.rows = list(enumerate(batches, start=first))

    def read(self, after: int) -> tuple[None, list[tuple[int, bytes]]]:
        return None, [row for row in self.rows if row[0] > after]

    def close(self) -> None:
        """Nothing is held."""


OLD = [
    [started("r1", 0), intended("r1", 0, A), intended("r1", 1, B), exporting("r1", 2, E)],
    [Applied("r1", "r1.0", at(5), id="x1"), ExportStarted("r1", "r1.2", at(5), "77")],
]
NEW = [
    [Settled("r3", "r1.1", at(20), applied=True, how="lookup", id="x2")],
    [ExportDelivered("r3", "r1.2", at(21), "exports/e", "ab", 1)],
    [Settled("r3", "r1.9", at(22), applied=False, how="lookup")],
]


@pytest.mark.parametrize("first", [3, 1])
def test_a_log_that_begins_with_an_archive(wiring: Make, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    """Also one that was moved to another place since, where its positions begin anew."""
    here = wiring()
    state, entry = archived(OLD, "r2", 10)
    batches = list(sealed([[leased("r2", 10), entry][::-1], *NEW], entry.head))
    old = list(sealed(OLD))
    monkeypatch.setattr(Wiring, "backend", lambda self, project: Kept(first, batches))
    with history(here, Query()) as found:
        assert found.about["begins"] == {"position": 3, "archived_at": at(10), "archived_by": "r2"}
        three, two = [(about, list(items)) for about, items in found.runs]
    assert [item["type"] for item in two[1]] == ["archived", "lease"]
    assert [(item["type"], item["of_run"]) for item in three[1]] == [("settled", "r1"), ("export", "r1")]
    with pytest.raises(Usage, match="nothing before that is known here"):
        as_of(here, BEGIN + timedelta(seconds=9))
    assert as_of(here, BEGIN + timedelta(seconds=10)).recorded.resources == state.resources
    real = reading.opened

    @contextmanager
    def opened(wiring: Wiring, archives: Sequence[Any] = ()) -> Iterator[list[Any]]:
        with real(wiring, ()) as backends:
            yield [Kept(1, old[:1]), Kept(1, old), *backends]

    for module in ("tell", "past"):
        monkeypatch.setattr(f"reconciler.app.history.{module}.opened", opened)
    with history(here, Query()) as found:
        assert found.about["begins"]["archived_at"] is None
        runs = {about["run"]: list(items) for about, items in found.runs}
    assert [item["type"] for item in runs["r1"]] == ["step", "step", "export"]
    assert runs["r1"][1]["settled"]["run"] == "r3"
    past = as_of(here, BEGIN + timedelta(seconds=9))
    assert (past.about["position"], past.about["next"], set(past.recorded.resources)) == (2, at(10), {A})
    assert as_of(here, BEGIN + timedelta(seconds=60)).about["position"] == 6


def test_files_that_the_beginning_was_archived_into(
    wiring: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = wiring()
    _, entry = archived(OLD, "r2", 10)
    live = Kept(3, list(sealed([[entry], *NEW], entry.head)))
    monkeypatch.setattr(Wiring, "backend", lambda self, project: live)
    file = tmp_path / "old.jsonl"
    with file.open("wb") as stream:
        writer = Writer(stream.write, "acme/default")
        for position, batch in enumerate(sealed(OLD), start=1):
            writer.add(position, batch)
        writer.end()
    with history(here, Query(), [file]) as found:
        assert [about["run"] for about, _ in found.runs] == ["r3", "r2", "r1"]
    assert as_of(here, BEGIN + timedelta(seconds=1), [file]).about["position"] == 1
    with pytest.raises(Usage, match="cannot be opened"), history(here, Query(), [tmp_path / "none"]):
        pass


@pytest.mark.parametrize("number", range(4))
def test_archives_that_do_not_lead_up_to_the_log_are_refused(
    wiring: Make, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    here = wiring()
    _, entry = archived(OLD, "r2", 10)
    live = Kept(3, list(sealed([[entry], *NEW], entry.head)))
    old = list(sealed(OLD))
    other = list(sealed([[started("other")], [started("other", 1)]]))
    wrong = [[Kept(1, other)], [Kept(1, old[:1])], [Kept(1, [*old, *other])], [Kept(1, other[:1]), Kept(1, old)]][
        number
    ]

    @contextmanager
    def opened(wiring: Wiring, archives: Sequence[Any] = ()) -> Iterator[list[Any]]:
        yield [*wrong, live]

    monkeypatch.setattr(tell, "opened", opened)
    with pytest.raises(StateError, match=r"do not lead up to|does not follow"), history(here, Query()):
        pass


def test_the_state_as_it_was(wiring: Make) -> None:
    here = wiring()
    write(
        here,
        [started("r1", 10), intended("r1", 0, A, 10)],
        [Applied("r1", "r1.0", at(20), id="x1"), RunFinished("r1", at(19), 0)],
        [intended("r2", 0, B, 4000)],  # the clock of this writer was ahead
        [Applied("r2", "r2.0", at(30), id="x2")],
    )

    def past(second: int) -> tuple[int, Any, Any, set[Address], int]:
        found = as_of(here, BEGIN + timedelta(seconds=second))
        about, recorded = found.about, found.recorded
        return about["position"], about["last"], about["next"], set(recorded.resources), len(recorded.in_doubt)

    assert past(9) == (0, None, at(10), set(), 0)
    assert past(10) == (1, at(10), at(20), set(), 1)
    assert past(19) == (1, at(10), at(20), set(), 1)
    assert past(20) == (2, at(20), at(4000), {A}, 0)
    assert past(29) == (2, at(20), at(4000), {A}, 0)
    assert past(30) == past(3999) == (4, at(30), None, {A, B}, 0), "what follows it was written by then"
    assert past(4000) == (4, at(30), None, {A, B}, 0)
    assert resource(as_of(here, BEGIN + timedelta(seconds=20)), str(A))["recorded"]["id"] == "x1"
    with pytest.raises(Usage, match="is not an address"):
        resource(as_of(here, BEGIN), "a")


def test_the_state_of_no_log(wiring: Make) -> None:
    found = as_of(wiring(), BEGIN)
    assert (found.recorded, found.about["position"], found.about["next"]) == (Recorded(), 0, None)


@st.composite
def logs(draw: st.DrawFn) -> list[list[Entry]]:
    """What runs might write, interleaved, with clocks of their own."""
    open_: dict[str, Address] = {}
    batches: list[list[Entry]] = []
    for number in range(draw(st.integers(1, 25))):
        run, second = draw(st.sampled_from(["r1", "r2", "r3"])), draw(st.integers(0, 50))
        addresses = [A, B] if draw(st.booleans()) else [E]
        kind = draw(st.sampled_from(["start", "intend", "apply", "reject", "doubt", "settle", "finish", "forget"]))
        closing_ = next(iter(open_), "")
        match kind:
            case "start":
                entry: Entry = started(run, second)
            case "intend":
                operation = f"{run}.{number}"
                open_[operation] = address = draw(st.sampled_from(addresses))
                entry = intended(run, number, address, second)
            case "apply" if closing_:
                entry = Applied(run, closing_, at(second), id="x")
                del open_[closing_]
            case "reject" if closing_:
                entry = Rejected(run, closing_, at(second), "C", "m")
                del open_[closing_]
            case "doubt" if closing_:
                entry = Doubted(run, closing_, at(second), "lost")
            case "settle" if closing_:
                entry = Settled(run, closing_, at(second), applied=draw(st.booleans()), how="lookup", id="x")
                del open_[closing_]
            case "forget":
                address = draw(st.sampled_from(addresses))
                entry = Forgotten(run, at(second), address)
                open_ = {operation: held for operation, held in open_.items() if held != address}
            case _:
                entry = RunFinished(run, at(second), 0)
        if batches and draw(st.booleans()):
            batches[-1].append(entry)
        else:
            batches.append([entry])
    return batches


@given(logs(), st.booleans())
def test_everything_is_told_once(batches: list[list[Entry]], reverse: bool) -> None:
    from reconciler.app.history.query import Wanted
    from reconciler.app.history.story import Story
    from reconciler.app.history.teller import Teller

    tale = Story(Wanted(Query(reverse=reverse)))
    teller, chain = Teller(tale), Chain()
    for link in reading.links([Kept(1, list(sealed(batches)))], chain):
        with chain.fold.trial():
            for entry in link.entries:
                teller.hear(link.position, entry, chain.fold)
                chain.fold.add([entry])
    teller.end()
    tale.end(BEGIN)
    runs = [(about, list(items)) for about, items in tale.told()]
    tale.shut()
    positions = [about["position"] for about, _ in runs]
    assert positions == sorted(positions, reverse=not reverse)
    entries = [entry for entries in batches for entry in entries]
    steps = [item for _, items in runs for item in items if item["type"] == "step"]
    assert sorted(step["operation"] for step in steps) == sorted(
        entry.operation for entry in entries if isinstance(entry, Intended)
    )
    assert {about["run"] for about, _ in runs} == {entry.run for entry in entries}
    for about, items in runs:
        assert all(about["started_at"] <= item["at"] <= about["ended_at"] for item in items)
    said = {entry.operation: type(entry) for entry in entries if isinstance(entry, Applied | Rejected | Settled)}
    for step in steps:
        meant = said.get(step["operation"])
        assert (step["state"] == "applied") is (meant is Applied)
        assert (step["state"] == "rejected") is (meant is Rejected)
        if meant is Settled:
            assert step["settled"]["how"] == "lookup"
    finished = sum(isinstance(entry, RunFinished) for entry in entries)
    assert sum(about["state"] == "finished" for about, _ in runs) <= finished


@given(logs(), st.integers(-1, 51))
def test_the_past_is_a_prefix(batches: list[list[Entry]], second: int) -> None:
    """It ends with the last batch that has no later entry, and a later instant never shows less."""
    when = BEGIN + timedelta(seconds=second)
    keep = max(
        (
            position
            for position, entries in enumerate(batches, start=1)
            if all(datetime.fromisoformat(one.at) <= when for one in entries)
        ),
        default=0,
    )
    expected = Chain()
    for position, batch in enumerate(list(sealed(batches))[:keep], start=1):
        expected.follow(position, batch)

    class Standing(Wiring):
        def __init__(self) -> None:
            """Only the log is asked for."""

        def project(self) -> Any:
            return None

        def backend(self, project: Any) -> Any:
            return Kept(1, list(sealed(batches)))

    past = as_of(Standing(), when)
    assert past.recorded == expected.recorded
    assert past.about["position"] == keep
    behind = past.about["next"]
    assert (behind is None) is (keep == len(batches))
    assert behind is None or datetime.fromisoformat(behind) > when


def test_memory_does_not_grow_with_the_log(wiring: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "_IN_MEMORY", 1)
    monkeypatch.setattr(story, "_LIVE", 20)
    here = wiring()

    def batches(runs: int) -> Iterator[list[Entry]]:
        for number in range(runs):
            run = f"{number:08x}"
            yield [leased(run), started(run), intended(run, 0, A, after={"title": f"T{number}" * 50})]
            # every second run is killed, and somebody finds out later
            if number % 2:
                yield [
                    Rejected(run, f"{run}.0", at(2), "C", "m"),
                    RunFinished(run, at(3), 0),
                    LeaseReleased(run, at(3)),
                ]
            else:
                yield [
                    LeaseBroken(run, at(4), "x", "gone"),
                    Settled("x", f"{run}.0", at(4), applied=False, how="person"),
                ]

    def peak(runs: int) -> int:
        held = Kept(1, list(sealed(list(batches(runs)))))
        monkeypatch.setattr(Wiring, "backend", lambda self, project: held)
        tracemalloc.start()
        with history(here, Query()) as found:
            shown = sum(1 for _ in found.runs)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert shown >= runs
        return most

    assert peak(600) < 1.5 * peak(200)


def test_a_full_disk_is_told(wiring: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    here = wiring()
    write(here, [started("r1"), RunFinished("r1", at(1), 0)])

    class Full:
        def seek(self, place: int) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            """Nothing is held."""

    monkeypatch.setattr(shelf.tempfile, "SpooledTemporaryFile", lambda size: Full())
    with pytest.raises(Broken, match="No space left"), history(here, Query()):
        pass
