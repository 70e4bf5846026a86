"""The suite passes what keeps every promise, and each of its tests can fail: whoever breaks a promise is caught."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from folder_logs import MUTANTS, FolderStorage

from reconciler.testing.backends import BackendContract

CAUGHT = {
    "a_log_that_does_not_exist_is_empty": ["NeverEmpty"],
    "batches_come_back_in_order_to_everybody": ["AsNames"],
    "any_bytes_are_kept": ["AsText"],
    "large_batches_are_kept_whole": ["InFrames"],
    "only_the_next_position_is_free": ["OverwritesWhatIsThere"],
    "the_first_position_of_an_empty_log_is_one": ["BeginsAnywhere"],
    "what_is_the_same_is_a_conflict_as_well": ["SameIsFine"],
    "logs_in_one_place_know_nothing_of_each_other": ["MixesLogs"],
    "a_checkpoint_stands_for_what_is_before_it": ["GivesAllBatches", "ReplaysEverything"],
    "the_newest_checkpoint_wins": ["LastCheckpointWins"],
    "a_checkpoint_ahead_of_the_log_is_not_given": ["FromTheFuture"],
    "what_is_closed_can_be_opened_again": ["ClosesOnce"],
    "a_handle_serves_one_thread_after_another": ["OfOneThread"],
    "reading_goes_on_while_others_write": ["OneReaderOnly"],
    "exactly_one_of_many_writers_gets_each_position": ["LooksThenWrites"],
    "exactly_one_of_many_processes_gets_each_position": ["AloneInItsProcess"],
    "what_a_killed_process_was_told_is_there_is_there": ["WritesBehind"],
    "a_storage_out_of_reach_is_not_an_empty_one": ["EmptyWithoutNetwork"],
    "an_append_without_an_answer_has_happened": ["NeverInDoubt"],
    "storage_that_goes_away_in_the_middle_keeps_what_it_acknowledged": ["InTwoSteps", "WritesBehind"],
    "a_log_neither_loses_nor_doubles_what_was_in_doubt": ["TriesElsewhere"],
    "every_damaged_byte_is_found": ["SkipsWhatItCannotRead"],
    "torn_and_strange_batches_are_found": ["SkipsWhatItCannotRead"],
    "a_batch_that_is_gone_is_missed": ["StumblesOverGaps"],
    "batches_that_changed_places_are_found": ["CallsDamageTheNetwork"],
    "a_batch_of_another_log_is_found": ["CallsDamageTheNetwork"],
    "many_entries_are_all_there": ["OnePage"],
    "entries_may_be_large_and_in_any_language": ["InFrames"],
    "a_checkpoint_shortens_the_reading_and_changes_nothing": ["NoCheckpoints"],
    "a_damaged_checkpoint_costs_only_time": ["ReadsItsCheckpoint"],
    "a_checkpoint_of_another_log_costs_only_time": ["CheckpointTrims"],
    "a_checkpoint_of_what_was_lost_costs_only_time": ["CheckpointTrims"],
    "a_checkpoint_of_another_position_costs_only_time": ["CheckpointTrims"],
    "what_is_trimmed_is_gone_and_the_rest_stays": ["CreatesIfAbsent", "TrimsNothing"],
    "a_log_that_does_not_exist_can_be_trimmed": ["TrimsLogsThatAreThere"],
    "checkpoints_go_on_after_a_trim": ["TrimsCheckpoints"],
    "a_trim_disturbs_nobody": ["Lazy"],
    "an_archived_log_begins_with_what_it_was": ["TrimsTooMuch"],
    "what_was_not_archived_may_not_be_missing": ["TrimsNothing"],
    "a_whole_life_is_there_when_it_is_opened_again": ["NoCheckpoints"],
}
"""Each test of the suite, and the backends that it must not let pass."""


class Suite(BackendContract):
    opener = "folder_logs:open_folder"
    stride = 7
    batches = 40


class TestReference(Suite):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> FolderStorage:
        return FolderStorage(tmp_path / "root")


def cases(test: Any) -> Iterator[dict[str, Any]]:
    """What a test is called with besides its fixtures, for each set of its parameters."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for values in product(*(mark.args[1] for mark in marks)):
        yield {mark.args[0]: value for mark, value in zip(marks, values, strict=True)}


@pytest.mark.parametrize(("test", "mutant"), [(test, mutant) for test, found in CAUGHT.items() for mutant in found])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_backend_that_breaks_a_promise_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str, mutant: str
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    method = getattr(Suite, f"test_{test}")
    for number, case in enumerate(cases(method)):
        storage = FolderStorage(tmp_path / f"{number}", mutant)
        given = {"self": Suite(), "storage": storage, "opened": storage.open, **case}
        try:
            method(**{name: given[name] for name in inspect.signature(method).parameters})
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever it is, it is a failure
            return
    raise AssertionError(f"{mutant} passes {test}")


def test_every_test_has_caught_somebody_and_everybody_was_caught() -> None:
    assert {f"test_{name}" for name in CAUGHT} == {name for name in dir(BackendContract) if name.startswith("test_")}
    assert {name for names in CAUGHT.values() for name in names} == set(MUTANTS)
