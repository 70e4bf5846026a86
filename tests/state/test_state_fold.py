"""The fold and its checkpoints: what each entry means, and that any history can be cut anywhere."""

from __future__ import annotations

import copy
import typing
from dataclasses import replace

import pytest
from histories import EXPORT, ME, OTHER, RENAMED, REPORT, at, cuts, history, moves
from hypothesis import given, settings
from hypothesis import strategies as st

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
from reconciler.model.errors import StateError
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.plan import Action
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Lease, Recorded, Resource, RunState
from reconciler.model.values import Address
from reconciler.state import codec, snapshot
from reconciler.state import fold as folding
from reconciler.state.fold import Fold, fold

KEPT = Lifecycle(protect=True, on_remove=OnRemove.DETACH)


def folded(*entries: Entry) -> Recorded:
    recorded = Recorded()
    fold(recorded, entries)
    return recorded


def intended(
    operation: str = "o1", address: Address = REPORT, action: Action = Action.CREATE, **more: typing.Any
) -> Intended:
    values = {"id": None, "after": {"title": "A"}, "request": "sha256:1"} | more
    return Intended("r1", operation, at(1), address, action, **values)


def export(operation: str = "x1", occurrence: str | None = None, **more: typing.Any) -> ExportIntended:
    values = {"content": "sha256:c", "after": {"pipeIds": ["1"]}, "request": "sha256:q"} | more
    return ExportIntended("r1", operation, at(1), EXPORT, occurrence, **values)


def run_of(recorded: Recorded) -> ExportRun:
    run = recorded.exports[EXPORT].run
    assert run is not None
    return run


def test_every_type_of_entry_is_folded() -> None:
    assert set(folding._HANDLERS) == set(typing.get_args(Entry))


def test_a_create_is_in_doubt_until_its_outcome() -> None:
    intention = intended(lifecycle=KEPT, labels={"owner": "revops"})
    recorded = folded(intention)
    assert recorded.in_doubt == {
        "o1": Doubt(
            operation="o1",
            run="r1",
            address=REPORT,
            action=Action.CREATE,
            id=None,
            after={"title": "A"},
            since=at(1),
            intended_at=at(1),
            lifecycle=KEPT,
            labels={"owner": "revops"},
        )
    }
    fold(recorded, [Applied("r1", "o1", at(2), "77", {"title": "a"}, at(0))])
    assert recorded.in_doubt == {}
    assert recorded.resources == {
        REPORT: Resource(REPORT, "77", {"title": "A"}, at(2), KEPT, {"owner": "revops"}, {"title": "a"}, at(0))
    }
    assert (recorded.position, recorded.changed, recorded.lineage) == (2, 2, None)


def test_an_update_keeps_the_id_of_the_intention() -> None:
    update = intended("o2", action=Action.UPDATE, id="77", after={"title": "B"})
    recorded = folded(intended(), Applied("r1", "o1", at(2), "77"), update, Applied("r1", "o2", at(3)))
    assert recorded.resources[REPORT] == Resource(REPORT, "77", {"title": "B"}, at(3))


@pytest.mark.parametrize("action", [Action.DELETE, Action.FORGET])
def test_what_is_deleted_is_gone(action: Action) -> None:
    gone = intended("o2", action=action, id="77", after=None)
    assert folded(intended(), Applied("r1", "o1", at(2), "77"), gone, Applied("r1", "o2", at(3))).resources == {}


def test_a_rejected_intention_leaves_nothing() -> None:
    recorded = folded(intended(), Rejected("r1", "o1", at(2), "BAD", "no"))
    assert (recorded.in_doubt, recorded.resources) == ({}, {})


def test_a_doubt_says_since_when_and_why() -> None:
    doubt = folded(intended(), Doubted("r1", "o1", at(9), "timed out")).in_doubt["o1"]
    assert (doubt.since, doubt.intended_at, doubt.reason) == (at(9), at(1), "timed out")


def test_a_run_says_where_the_objects_are() -> None:
    first = RunStarted("r1", at(0), ME, "1", places={"blue": "here", "pipefy": "there"})
    assert folded(first, RunStarted("r2", at(1), ME, "1", places={"blue": "elsewhere"})).places == {
        "blue": "elsewhere",
        "pipefy": "there",
    }


def test_settling_is_the_late_outcome() -> None:
    doubt = [intended(), Doubted("r1", "o1", at(2), "timed out")]
    found = folded(
        *doubt, Settled("r2", "o1", at(9), applied=True, how="lookup", id="77", remote={"title": "a"}, version=at(2))
    )
    assert found.resources == {
        REPORT: Resource(REPORT, "77", {"title": "A"}, at(9), remote={"title": "a"}, version=at(2))
    }
    absent = folded(*doubt, Settled("r2", "o1", at(9), applied=False, how="lookup"))
    assert (absent.resources, absent.in_doubt) == ({}, {})


@pytest.mark.parametrize(
    "late",
    [
        Rejected("r1", "o1", at(3), "BAD", "no"),
        Doubted("r1", "o1", at(3), "?"),
        Settled("r1", "o1", at(3), applied=True, how="person", id="78"),
        Settled("r1", "o1", at(3), applied=False, how="person"),
        ExportStarted("r1", "o1", at(3), "9"),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_a_late_outcome_of_what_is_no_longer_open_changes_nothing(late: Entry) -> None:
    before = folded(intended(), Applied("r1", "o1", at(2), "77"))
    after = copy.deepcopy(before)
    fold(after, [late])
    assert after.resources == before.resources
    assert after.in_doubt == {}


def test_a_registration_records_an_export_without_a_run() -> None:
    create = intended(address=EXPORT, after={"pipeIds": ["1"]}, due_from=at(30), lifecycle=KEPT, labels={"a": "b"})
    recorded = folded(create, Applied("r1", "o1", at(2)))
    assert recorded.exports == {EXPORT: ExportRecord(EXPORT, {"pipeIds": ["1"]}, at(30), KEPT, {"a": "b"})}
    assert (recorded.resources, recorded.in_doubt) == ({}, {})
    update = intended("o2", EXPORT, Action.UPDATE, after={"pipeIds": ["2"]})
    fold(recorded, [export(occurrence=at(40)), update, Applied("r1", "o2", at(3))])
    record = recorded.exports[EXPORT]
    assert (record.spec, record.due_from, record.last_occurrence) == ({"pipeIds": ["2"]}, at(30), at(40))
    assert run_of(recorded).operation == "x1"


def test_a_registration_that_says_nothing_counts_from_its_intention() -> None:
    assert folded(intended(address=EXPORT), Applied("r1", "o1", at(2))).exports[EXPORT].due_from == at(1)
    assert folded(export()).exports[EXPORT].due_from == at(1)


def test_an_export_runs_from_intention_to_file() -> None:
    recorded = folded(export(occurrence=at(0), due_from=at(0), lifecycle=KEPT, labels={"a": "b"}))
    assert recorded.exports[EXPORT] == ExportRecord(
        EXPORT,
        {"pipeIds": ["1"]},
        at(0),
        KEPT,
        {"a": "b"},
        at(0),
        ExportRun("x1", "r1", at(0), "sha256:c", at(1)),
        None,
    )
    assert run_of(recorded).unknown
    fold(recorded, [ExportStarted("r1", "x1", at(2), "900")])
    assert (run_of(recorded).state, run_of(recorded).export_id, run_of(recorded).started_at) == (
        "started",
        "900",
        at(2),
    )
    fold(recorded, [ExportFinished("r1", "x1", at(3), at(3))])
    assert run_of(recorded).in_flight
    fold(recorded, [ExportDelivered("r1", "x1", at(4), "exports/e.xlsx", "ab", 12)])
    run = run_of(recorded)
    assert (run.state, run.location, run.sha256, run.bytes, run.ran) == ("delivered", "exports/e.xlsx", "ab", 12, True)
    assert recorded.in_doubt == {}


@pytest.mark.parametrize(
    ("outcome", "handled"),
    [
        (ExportFailed("r1", "x2", at(3), ran=False, code="BUSY", message="try later"), False),
        (Rejected("r1", "x2", at(3), "BAD", "no"), False),
        (Settled("r1", "x2", at(3), applied=False, how="person"), False),
        (ExportFailed("r1", "x2", at(3), ran=True, code="FAILED", message="no file"), True),
        (Doubted("r1", "x2", at(3), "timed out"), True),
        (ExportStarted("r1", "x2", at(3), "900"), True),
        (Settled("r1", "x2", at(3), applied=True, how="person"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_occurrence_is_handled_unless_it_provably_never_ran(outcome: Entry, handled: bool) -> None:
    recorded = folded(export("x1", at(10)), ExportStarted("r1", "x1", at(2), "899"), export("x2", at(20)), outcome)
    assert recorded.exports[EXPORT].last_occurrence == (at(20) if handled else at(10))
    assert run_of(recorded).ran is handled


def test_a_run_that_never_ran_is_failed_and_says_why() -> None:
    run = run_of(folded(export(), Rejected("r1", "x1", at(3), "BAD", "not allowed")))
    assert (run.state, run.ran, run.message) == (RunState.FAILED, False, "not allowed")


def test_a_doubtful_start_is_in_doubt() -> None:
    run = run_of(folded(export(), Doubted("r1", "x1", at(3), "timed out")))
    assert (run.state, run.message, run.unknown) == (RunState.IN_DOUBT, "timed out", True)


def test_a_doubtful_start_that_a_look_up_finds_is_in_flight() -> None:
    run = run_of(
        folded(
            export(), Doubted("r1", "x1", at(3), "?"), Settled("r2", "x1", at(9), applied=True, how="lookup", id="900")
        )
    )
    assert (run.state, run.export_id, run.started_at) == (RunState.STARTED, "900", at(9))


def test_a_doubtful_start_that_a_person_confirms_is_over() -> None:
    run = run_of(
        folded(export(), Doubted("r1", "x1", at(3), "?"), Settled("r2", "x1", at(9), applied=True, how="person"))
    )
    assert (run.state, run.location, run.ran) == (RunState.DELIVERED, None, True)


def test_a_run_never_goes_back() -> None:
    delivered = folded(export(occurrence=at(0)), ExportDelivered("r1", "x1", at(4), "exports/e.xlsx", "ab", 12))
    before = run_of(delivered)
    for late in (
        ExportStarted("r1", "x1", at(5), "901"),
        ExportFinished("r1", "x1", at(5)),
        ExportFailed("r1", "x1", at(5), ran=False, code="GONE", message="too slow"),
        Doubted("r1", "x1", at(5), "?"),
        ExportDelivered("r2", "x1", at(6), "exports/other.xlsx", "cd", 13),
    ):
        fold(delivered, [late])
        assert run_of(delivered) == before
    assert delivered.exports[EXPORT].last_occurrence == at(0)


def test_a_superseded_run_no_longer_counts() -> None:
    recorded = folded(
        export("x1", at(10)), export("x2", at(20)), ExportFailed("r1", "x1", at(30), ran=False, code="", message="")
    )
    assert (run_of(recorded).operation, recorded.exports[EXPORT].last_occurrence) == ("x2", at(20))


def test_a_run_for_its_content_leaves_the_occurrences_alone() -> None:
    recorded = folded(export("x1", at(10)), ExportStarted("r1", "x1", at(2), "1"), export("x2"))
    assert recorded.exports[EXPORT].last_occurrence == at(10)
    fold(recorded, [ExportFailed("r1", "x2", at(3), ran=False, code="", message="")])
    assert recorded.exports[EXPORT].last_occurrence == at(10)


def test_a_skipped_occurrence_is_handled_and_stays_so() -> None:
    recorded = folded(export("x1", at(10)), ExportSkipped("r1", at(5), EXPORT, at(20), "by hand"))
    assert recorded.exports[EXPORT].last_occurrence == at(20)
    fold(
        recorded,
        [
            ExportSkipped("r1", at(6), EXPORT, at(15), "late"),
            ExportFailed("r1", "x1", at(7), ran=False, code="", message=""),
        ],
    )
    assert recorded.exports[EXPORT].last_occurrence == at(20)
    assert folded(ExportSkipped("r1", at(5), EXPORT, at(20), "unknown")).exports == {}


def test_an_import_adopts_and_ends_the_doubt() -> None:
    recorded = folded(
        intended(),
        intended("o2", OTHER),
        Imported("r2", at(5), REPORT, "9", {"title": "A"}, KEPT, {"a": "b"}, {"t": 1}, at(4)),
    )
    assert recorded.resources == {
        REPORT: Resource(REPORT, "9", {"title": "A"}, at(5), KEPT, {"a": "b"}, {"t": 1}, at(4))
    }
    assert list(recorded.in_doubt) == ["o2"]


def test_a_move_takes_everything_along() -> None:
    recorded = folded(intended(), Applied("r1", "o1", at(2), "77"), intended("o2", action=Action.UPDATE, id="77"))
    fold(recorded, [Moved("r1", at(3), REPORT, OTHER)])
    assert recorded.resources == {OTHER: Resource(OTHER, "77", {"title": "A"}, at(2))}
    assert recorded.in_doubt["o2"].address == OTHER
    moved = folded(export(), Moved("r1", at(3), EXPORT, RENAMED), ExportStarted("r1", "x1", at(4), "900"))
    assert list(moved.exports) == [RENAMED]
    record = moved.exports[RENAMED]
    assert record.address == RENAMED
    assert record.run is not None
    assert record.run.state is RunState.STARTED
    registered = folded(intended(address=EXPORT), Applied("r1", "o1", at(2)), Moved("r1", at(3), EXPORT, RENAMED))
    assert registered.exports[RENAMED].run is None


def test_what_is_forgotten_is_no_longer_known() -> None:
    recorded = folded(
        intended(),
        Applied("r1", "o1", at(2), "77"),
        intended("o2", action=Action.UPDATE),
        Forgotten("r1", at(3), REPORT),
    )
    assert (recorded.resources, recorded.in_doubt) == ({}, {})
    recorded = folded(export(), Forgotten("r1", at(3), EXPORT), ExportStarted("r1", "x1", at(4), "900"))
    assert recorded.exports == {}
    assert folded(intended(address=EXPORT), Applied("r1", "o1", at(2)), Forgotten("r1", at(3), EXPORT)).exports == {}
    assert folded(Forgotten("r1", at(3), REPORT)).resources == {}


def test_the_lease_is_taken_renewed_given_back_and_broken() -> None:
    recorded = folded(LeaseTaken("r1", at(0), ME, at(60)))
    assert recorded.lease == Lease("r1", ME, at(0), at(60))
    fold(recorded, [LeaseRenewed("r1", at(20), at(80))])
    assert recorded.lease == Lease("r1", ME, at(0), at(80))
    fold(recorded, [LeaseReleased("r9", at(21)), LeaseBroken("r9", at(21), "r2", "not its own")])
    assert recorded.lease is not None
    fold(recorded, [LeaseBroken("r1", at(90), "r2", "expired"), LeaseTaken("r2", at(90), ME, at(150))])
    assert recorded.lease == Lease("r2", ME, at(90), at(150))
    fold(recorded, [LeaseReleased("r2", at(91)), LeaseReleased("r1", at(91))])
    assert (recorded.lease, recorded.position, recorded.changed) == (None, 5, 0)


def test_performed_plans_are_remembered() -> None:
    recorded = folded(
        RunStarted("r1", at(0), ME, "1"), RunStarted("r2", at(1), ME, "1", plan="sha256:p"), RunFinished("r2", at(2), 0)
    )
    fold(recorded, [RunStarted("r3", at(3), ME, "1", plan="sha256:p")])
    assert (recorded.plans, recorded.changed) == ({"sha256:p"}, 0)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([Applied("r1", "o9", at(2))], "applied, but never intended"),
        ([intended(), intended()], "intended twice"),
        ([export(), export()], "intended twice"),
        ([export("o1"), intended("o1")], "intended twice"),
        ([intended(), Applied("r1", "o1", at(2))], "no id is known"),
        ([intended(after=None), Applied("r1", "o1", at(2), "7")], "made blue/report/a of nothing"),
        ([Moved("r1", at(1), REPORT, OTHER)], "is not recorded"),
        (
            [intended(), Applied("r1", "o1", at(2), "7"), Moved("r1", at(1), REPORT, REPORT)],
            "which is there already",
        ),
        ([export(), Moved("r1", at(1), REPORT, EXPORT)], "which is there already"),
        ([LeaseTaken("r1", at(0), ME, at(9)), LeaseTaken("r2", at(1), ME, at(9))], "that run r1 held"),
        ([LeaseRenewed("r1", at(0), at(9))], "did not hold"),
        ([LeaseTaken("r1", at(0), ME, at(9)), LeaseRenewed("r2", at(1), at(9))], "did not hold"),
    ],
)
def test_a_contradiction_is_damage_and_folds_nothing_of_its_batch(entries: list[Entry], said: str) -> None:
    recorded = folded(intended("o0", Address.parse("blue/report/z")), RunStarted("r0", at(0), ME, "1", plan="sha256:0"))
    before = copy.deepcopy(recorded)
    with pytest.raises(StateError, match="damaged") as caught:
        fold(recorded, [RunStarted("r1", at(0), ME, "1", plan="sha256:p"), *entries])
    assert said in caught.value.message
    assert recorded == before


def state_after(batches: list[list[Entry]]) -> Recorded:
    recorded = Recorded()
    for batch in batches:
        fold(recorded, batch)
    return recorded


def archived(recorded: Recorded, **other: typing.Any) -> Archived:
    state = snapshot.encode(recorded) | other
    return Archived("r9", at(50), recorded.position, "ab" * 32, state)


def lived() -> Recorded:
    """A state with something in every table, as a chain would have it."""
    recorded = folded(intended(), Applied("r1", "o1", at(2), "77"), intended("o2", OTHER), export())
    fold(recorded, [RunStarted("r2", at(3), ME, "1", plan="sha256:p", places={"blue": "here"})])
    fold(recorded, [Resolved("r2", at(3), "blue", {"a": "1"}), LeaseTaken("r2", at(3), ME, at(63))])
    recorded.lineage = "cd" * 16
    return recorded


def test_nothing_follows_a_log_that_was_moved() -> None:
    recorded = folded(LeaseTaken("r1", at(0), ME, at(60)), intended(), Migrated("r1", at(1), "postgresql://db/state"))
    assert (recorded.moved_to, recorded.lease) == ("postgresql://db/state", None)
    assert list(recorded.in_doubt) == ["o1"]
    assert recorded.changed == 1
    before = copy.deepcopy(recorded)
    for later in (LeaseReleased("r1", at(2)), RunFinished("r1", at(2), 0), Migrated("r1", at(2), "elsewhere")):
        with pytest.raises(StateError, match="although it was moved to postgresql://db/state"):
            fold(recorded, [later])
        with pytest.raises(StateError, match="although it was moved"):
            folded(Migrated("r1", at(1), "x"), later)
    assert recorded == before


def test_an_archive_is_where_a_log_begins_or_agrees_with_it() -> None:
    recorded = lived()
    before = copy.deepcopy(recorded)
    fold(recorded, [archived(recorded), LeaseReleased("r2", at(51))])
    begun = folded(archived(before), LeaseReleased("r2", at(51)))
    assert begun == recorded
    assert (recorded.position, recorded.changed) == (before.position + 1, before.changed)
    for later in (begun, recorded):
        fold(later, [ExportStarted("r1", "x1", at(52), "900"), Applied("r1", "o2", at(52), "78")])
        assert run_of(later).export_id == "900"
    assert begun == recorded


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"lineage": None}, "is the state of something else"),
        ({"moved_to": "elsewhere"}, "is the state of something else"),
        ({"position": 7}, "is the state of something else"),
        ({"lineage": "ab" * 16}, "is not what the log says"),
        ({"resources": []}, "is not what the log says"),
        ({"changed": 9}, "is not what the log says"),
        ({"plans": "p"}, "'p' stands where a list of str belongs"),
        ({"plans": [1]}, "stands where a list of str belongs"),
        ({"names": []}, "stands where a mapping to mappings belongs"),
        ({"names": {"blue": 1}}, "stands where a mapping to str belongs"),
        ({"resources": {}}, "stands where a list of Resource belongs"),
        ({"doubts": []}, "a State has a field 'doubts'"),
    ],
)
def test_an_archive_of_something_else_is_refused(other: dict[str, typing.Any], said: str) -> None:
    recorded = lived()
    before = copy.deepcopy(recorded)
    with pytest.raises(StateError) as caught:
        fold(recorded, [archived(recorded, **other)])
    assert said in caught.value.message
    assert recorded == before


def test_an_archive_comes_first_in_its_batch() -> None:
    recorded = lived()
    before = copy.deepcopy(recorded)
    with pytest.raises(StateError, match="in the middle of a batch"):
        fold(recorded, [RunFinished("r1", at(50), 0), archived(recorded)])
    folded_on = Fold(recorded)
    folded_on.add([RunFinished("r1", at(50), 0)])
    with pytest.raises(StateError, match="in the middle of a batch"):
        folded_on.add([archived(recorded)])
    folded_on.commit()
    folded_on.add([archived(recorded)])
    folded_on.commit()
    assert recorded.position == before.position + 2
    with pytest.raises(StateError, match="in the middle of a batch"):
        folded(RunFinished("r1", at(50), 0), archived(before))


@given(moves, cuts)
def test_the_fold_of_any_prefix_is_valid(choices: list[tuple[int, int]], sizes: list[int]) -> None:
    recorded = Recorded()
    changed = 0
    for position, batch in enumerate(history(choices, sizes), 1):
        before = {address: record.last_occurrence for address, record in recorded.exports.items()}
        fold(recorded, batch)
        assert recorded.position == position
        assert changed <= recorded.changed <= position
        changed = recorded.changed
        assert all(address == resource.address for address, resource in recorded.resources.items())
        assert all(not address.is_export for address in recorded.resources)
        assert all(operation == doubt.operation for operation, doubt in recorded.in_doubt.items())
        for address, record in recorded.exports.items():
            assert address == record.address
            assert address.is_export
            never_ran = any(
                getattr(entry, "ran", True) is False or isinstance(entry, Rejected | Settled) for entry in batch
            )
            moved = any(isinstance(entry, Moved | Forgotten | Intended | Applied) for entry in batch)
            if not never_ran and not moved:
                assert (record.last_occurrence or "") >= (before.get(address) or "")


@given(moves, cuts, st.integers(0, 40))
def test_a_checkpoint_anywhere_makes_no_difference(choices: list[tuple[int, int]], sizes: list[int], cut: int) -> None:
    batches = history(choices, sizes)
    whole = state_after(batches)
    part = state_after(batches[:cut])
    part.lineage = "ab" * 16
    restored, head, offset = snapshot.load(snapshot.dump(part, "cd" * 32, cut))
    assert (restored, head, offset) == (part, "cd" * 32, cut)
    restored.lineage = None
    for batch in batches[cut:]:
        fold(restored, batch)
    assert restored == whole


@given(moves, cuts)
def test_a_trial_leaves_no_trace(choices: list[tuple[int, int]], sizes: list[int]) -> None:
    batches = history(choices, sizes)
    folded_on = Fold(Recorded())
    for batch in batches:
        before = copy.deepcopy(folded_on.recorded)
        runs = dict(folded_on._runs)
        with folded_on.trial():
            folded_on.add(batch)
        assert folded_on.recorded == before
        assert folded_on._runs == runs
        folded_on.add(batch)
        folded_on.commit()
        assert folded_on._runs == Fold(folded_on.recorded)._runs
    assert folded_on.recorded == state_after(batches)


@settings(max_examples=50)
@given(moves, st.data())
def test_no_byte_of_a_checkpoint_can_change_unseen(choices: list[tuple[int, int]], data: st.DataObject) -> None:
    written = bytearray(snapshot.dump(state_after(history(choices, [])), "cd" * 32))
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError, match="damaged"):
        snapshot.load(bytes(written))


def written(body: bytes) -> bytes:
    """A checkpoint whose checksum is right, whatever it holds."""
    return b'{"format":"reconciler.checkpoint/3","sum":"%s","body":%s}' % (codec.sha256(body).encode(), body)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b'{"format":"reconciler.checkpoint/2"}', b"\xff" * 200, written(b"{"), written(b"{}"), written(b"7")],
)
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(StateError, match="damaged"):
        snapshot.load(data)


def test_names_are_known_until_they_lead_elsewhere() -> None:
    recorded = folded(Resolved("r1", at(1), "blue", {"workspace:slug:a": "1", "workspace:slug:b": "2"}))
    assert (recorded.position, recorded.changed) == (1, 0), "a plan made before it is not stale"
    fold(recorded, [Resolved("r2", at(2), "pipefy", {"pipe:name:a": "3"})])
    fold(recorded, [Resolved("r2", at(2), "blue", {"workspace:slug:a": "1", "user:email:x": "4"})])
    assert recorded.names == {
        "blue": {"workspace:slug:a": "1", "workspace:slug:b": "2", "user:email:x": "4"},
        "pipefy": {"pipe:name:a": "3"},
    }
    assert (recorded.position, recorded.changed) == (3, 0)
    fold(recorded, [Resolved("r3", at(3), "blue", {"workspace:slug:a": "9"})])
    assert recorded.names["blue"]["workspace:slug:a"] == "9"
    assert (recorded.position, recorded.changed) == (4, 4), "what was planned with the other id is stale"
    fold(recorded, [Resolved("r4", at(4), "blue", {"workspace:slug:c": "2", "workspace:name:c": "9"})])
    assert recorded.names["blue"] == {
        "workspace:slug:a": "9",
        "user:email:x": "4",
        "workspace:slug:c": "2",
        "workspace:name:c": "9",
    }, "a workspace has one slug and one name at a time"
    assert recorded.changed == 5


def test_names_are_forgotten_where_the_objects_are_somewhere_else() -> None:
    here = RunStarted("r1", at(0), ME, "1", places={"blue": "here", "pipefy": "there"})
    names = [Resolved("r1", at(1), "blue", {"a": "1"}), Resolved("r1", at(1), "pipefy", {"b": "2"})]
    recorded = folded(here, *names)
    fold(recorded, [here])
    assert recorded.names == {"blue": {"a": "1"}, "pipefy": {"b": "2"}}
    fold(recorded, [replace(here, places={"blue": "elsewhere"})])
    assert recorded.names == {"pipefy": {"b": "2"}}


def test_what_a_broken_run_left_may_have_been_on_its_way_until_its_lease_was_broken() -> None:
    recorded = folded(intended(), intended("o2", OTHER), Doubted("r1", "o2", at(2), "timed out"))
    fold(recorded, [replace(intended("o3"), run="r2"), LeaseBroken("r1", at(9), "r3", "expired")])
    assert {doubt.operation: doubt.since for doubt in recorded.in_doubt.values()} == {
        "o1": at(9),
        "o2": at(9),
        "o3": at(1),
    }
    assert {doubt.intended_at for doubt in recorded.in_doubt.values()} == {at(1)}


def test_what_a_run_left_without_a_word_may_have_been_on_its_way_until_it_ended() -> None:
    taken = LeaseTaken("r1", at(0), ME, at(60))
    recorded = folded(taken, intended(), intended("o2", OTHER), Doubted("r1", "o2", at(2), "timed out"))
    fold(recorded, [replace(intended("o3"), run="r2"), LeaseReleased("r1", at(9))])
    fold(recorded, [LeaseReleased("r1", at(11))])  # too late: it holds the lease no longer
    assert {doubt.operation: doubt.since for doubt in recorded.in_doubt.values()} == {
        "o1": at(9),
        "o2": at(2),
        "o3": at(1),
    }
