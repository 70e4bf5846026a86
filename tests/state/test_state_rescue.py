"""What a run could not record: written down as it would stand in the log, and told later as far as it is news."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
from histories import EXPORT, ME, OTHER, REPORT, at, cuts, history, moves
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.entry import (
    Applied,
    Doubted,
    Entry,
    ExportDelivered,
    ExportFailed,
    ExportFinished,
    ExportIntended,
    ExportStarted,
    Forgotten,
    Imported,
    Intended,
    LeaseBroken,
    LeaseTaken,
    Rejected,
    RunFinished,
    Settled,
)
from reconciler.model.errors import StateError
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded, RunState
from reconciler.state import codec, rescue
from reconciler.state.fold import fold
from reconciler.state.rescue import Rescue, Verdict

LINEAGE = "ab" * 16


def saved(*entries: Entry) -> Rescue:
    return Rescue("acme/default", LINEAGE, 7, "r1", "reconciler 1", entries)


def state(*entries: Entry) -> Recorded:
    recorded = Recorded(lineage=LINEAGE)
    fold(recorded, entries)
    return recorded


def intended(operation: str = "o1", action: Action = Action.CREATE) -> Intended:
    known = None if action is Action.CREATE else "77"
    return Intended("r1", operation, at(1), REPORT if operation == "o1" else OTHER, action, known, {"t": 1}, "q")


def export(operation: str = "x1", occurrence: str | None = None) -> ExportIntended:
    return ExportIntended("r1", operation, at(1), EXPORT, occurrence, "c", {"p": 1}, "q")


def judged(recorded: Recorded, *entries: Entry, finished: bool = False) -> Verdict:
    before = copy.deepcopy(recorded)
    verdict = rescue.judge(saved(*entries), recorded, finished=finished)
    assert recorded == before, "judging changes nothing"
    return verdict


APPLIED = Applied("r1", "o1", at(2), "77", {"t": 2}, at(2))
STAGES: list[Entry] = [
    ExportStarted("r1", "x1", at(2), "900"),
    ExportFinished("r1", "x1", at(3), at(3)),
    ExportDelivered("r1", "x1", at(4), "exports/e.xlsx", "ab", 12),
]


def test_it_is_one_line_that_says_where_it_belongs() -> None:
    line = rescue.dump(saved(APPLIED, RunFinished("r1", at(9), 5, {"applied": 1})))
    assert line.isascii()
    assert b"\n" not in line
    found = json.loads(line)
    assert list(found) == ["format", "sum", "body"]
    assert found["format"] == "reconciler.rescue/1"
    assert found["body"] == {
        "log": "acme/default",
        "lineage": LINEAGE,
        "position": 7,
        "run": "r1",
        "tool": "reconciler 1",
        "entries": [
            json.loads(codec.encode(APPLIED)),
            json.loads(codec.encode(RunFinished("r1", at(9), 5, {"applied": 1}))),
        ],
    }
    assert rescue.load(b"\n  " + line + b"\r\n") == saved(APPLIED, RunFinished("r1", at(9), 5, {"applied": 1}))


@given(moves, cuts, st.integers(0, 10**6), st.sampled_from(["flip", "drop", "insert"]), st.integers(1, 255))
def test_it_comes_back_as_it_went_or_not_at_all(
    choices: list[tuple[int, int]], sizes: list[int], place: int, what: str, value: int
) -> None:
    entries = [entry for batch in history(choices, sizes) for entry in rescue.facts(batch)]
    kept = saved(*(replace(entry, run="r1") for entry in entries))
    line = rescue.dump(kept)
    assert rescue.load(line) == kept
    place %= len(line)
    wrong = line[:place] + bytes([value]) + line[place:]
    if what == "drop":
        wrong = line[:place] + line[place + 1 :]
    elif what == "flip":
        wrong = line[:place] + bytes([line[place] ^ value]) + line[place + 1 :]
    if wrong.strip() != line:
        with pytest.raises(StateError):
            rescue.load(wrong)


def resealed(**other: object) -> bytes:
    """A file whose checksum is right although somebody wrote it."""
    body = {**json.loads(rescue.dump(saved(APPLIED)))["body"], **other}
    text = json.dumps({key: value for key, value in body.items() if value is not None}, separators=(",", ":")).encode()
    return b'{"format":"reconciler.rescue/1","sum":"%s","body":%s}' % (codec.sha256(text).encode(), text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "no rescue file"),
        (b'{"format":"reconciler.log/1"}', "no rescue file"),
        (b'{"format":5}', "no rescue file"),
        (b'{"format":"reconciler.rescue/2","sum":"","body":{}}', "written by a newer version"),
        (b'{"format":"reconciler.rescue/1","sum":"","body":{}}', "not as it was written"),
        (resealed(entries=[{"type": "invented"}]), "written by a newer version"),
        (resealed(why="new"), "written by a newer version"),
        (resealed(position="7"), "stands where int belongs"),
        (resealed(lineage=None), "lacks 'lineage'"),
        (resealed(entries={}), "stands where an entry belongs"),
        (resealed(run="r2"), "what no run rescues"),
        (resealed(entries=[json.loads(codec.encode(intended()))]), "what no run rescues"),
        (resealed(entries=[{"type": "lease_released", "run": "r1", "at": ""}]), "what no run rescues"),
    ],
)
def test_what_is_no_rescue_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(StateError) as caught:
        rescue.load(data)
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 5


def test_an_outcome_that_is_still_open_is_news_once() -> None:
    recorded = state(intended(), intended("o2"))
    verdict = judged(recorded, APPLIED, Rejected("r1", "o2", at(3), "BAD", "no"))
    assert verdict == Verdict((APPLIED, Rejected("r1", "o2", at(3), "BAD", "no")), ())
    fold(recorded, verdict.news)
    assert recorded.resources[REPORT].remote == {"t": 2}
    assert not recorded.in_doubt
    again = judged(recorded, APPLIED, Rejected("r1", "o2", at(3), "BAD", "no"))
    assert again.news == ()
    assert len(again.skipped) == 2
    assert "is not open: it was recorded, settled or superseded meanwhile" in again.skipped[0]


@pytest.mark.parametrize(
    "decided",
    [
        [Settled("r2", "o1", at(9), applied=False, how="person")],
        [Settled("r2", "o1", at(9), applied=True, how="lookup", id="88")],
        [Forgotten("r2", at(9), REPORT)],
        [Imported("r2", at(9), REPORT, "99", {"t": 3})],
        [Rejected("r1", "o1", at(9), "BAD", "no")],
    ],
    ids=lambda entries: type(entries[0]).__name__ + getattr(entries[0], "how", ""),
)
def test_what_was_decided_meanwhile_stays(decided: list[Entry]) -> None:
    verdict = judged(state(intended(), *decided), APPLIED, Doubted("r1", "o1", at(2), "?"))
    assert verdict.news == ()
    assert "77, which it made or changed, is not recorded: see whether it is still there" in verdict.skipped[0]
    assert "77" not in verdict.skipped[1]


def test_an_object_that_is_recorded_is_not_said_to_be_lost() -> None:
    verdict = judged(state(intended(), Applied("r1", "o1", at(2), "77")), APPLIED)
    assert "see whether" not in verdict.skipped[0]


def test_a_doubt_says_why_unless_later_things_are_known() -> None:
    recorded = state(LeaseTaken("r1", at(0), ME, at(60)), intended())
    doubted = Doubted("r1", "o1", at(5), "timed out")
    assert judged(recorded, doubted).news == (doubted,)
    fold(recorded, [LeaseBroken("r1", at(70), "r2", "expired")])
    assert judged(recorded, doubted).skipped == (f"operation o1 (doubted), {REPORT}, is in doubt already",)


def test_stages_of_an_export_that_are_not_yet_reached_are_news() -> None:
    recorded = state(export())
    assert judged(recorded, *STAGES).news == tuple(STAGES)
    fold(recorded, [STAGES[0]])
    verdict = judged(recorded, *STAGES)
    assert verdict.news == tuple(STAGES[1:])
    assert verdict.skipped == (f"operation x1 (exportstarted), {EXPORT}, has come as far already",)
    fold(recorded, verdict.news)
    run = recorded.exports[EXPORT].run
    assert run is not None
    assert run.state is RunState.DELIVERED
    assert judged(recorded, *STAGES).news == ()


@pytest.mark.parametrize(
    "decided",
    [
        Settled("r2", "x1", at(9), applied=False, how="person"),
        Settled("r2", "x1", at(9), applied=True, how="person"),
        ExportFailed("r2", "x1", at(9), ran=True, code="ABANDONED", message="given up"),
        ExportIntended("r2", "x2", at(9), EXPORT, None, "d", {"p": 2}, "q"),
        Forgotten("r2", at(9), EXPORT),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_an_export_that_was_decided_or_superseded_stays(decided: Entry) -> None:
    recorded = state(export(occurrence=at(0)), decided)
    assert judged(recorded, *STAGES).news == ()


def test_the_end_of_a_run_is_told_once() -> None:
    end = RunFinished("r1", at(9), 5)
    assert judged(state(), end).news == (end,)
    assert judged(state(), end, finished=True).skipped == ("the end of run r1 is recorded already, or was archived",)


def test_another_log_is_refused() -> None:
    for lineage in (None, "cd" * 16):
        with pytest.raises(StateError, match="belongs to another log") as caught:
            rescue.judge(saved(APPLIED), Recorded(lineage=lineage), finished=False)
        assert "--env" in caught.value.hint


def test_what_contradicts_the_log_is_refused() -> None:
    without_id = Applied("r1", "o1", at(2))
    with pytest.raises(StateError, match="does not fit this log") as caught:
        judged(state(intended()), without_id)
    assert "no id is known" in caught.value.message


@given(moves, cuts, st.integers(0, 40), st.booleans())
def test_importing_anything_twice_is_importing_it_once(
    choices: list[tuple[int, int]], sizes: list[int], cut: int, finished: bool
) -> None:
    """The facts of any history, told to any earlier state of it: never a contradiction, never twice."""
    batches = history(choices, sizes)
    recorded = Recorded()
    for batch in batches[:cut]:
        fold(recorded, batch)
    recorded.lineage = LINEAGE
    kept = saved(*(entry for batch in batches for entry in rescue.facts(batch)))
    first = rescue.judge(kept, recorded, finished=finished)
    fold(recorded, first.news)
    second = rescue.judge(kept, recorded, finished=True)
    assert second.news == ()
    assert len(second.skipped) == len(kept.entries)


def test_an_object_that_another_address_has_by_now_is_not_recorded_twice() -> None:
    mine, others = intended("o1"), intended("o2")
    known = state(mine, others, Applied("r2", "o2", at(3), "77"))
    verdict = judged(known, APPLIED)
    assert verdict.news == ()
    (why,) = verdict.skipped
    assert why.endswith(f"what it made is recorded as {OTHER} meanwhile")
