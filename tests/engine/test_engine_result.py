"""What a run came to, as an exit code."""

from __future__ import annotations

import pytest

from reconciler.engine.result import COUNTED, Result
from reconciler.model.event import EventType


def result(unfinished: int = 0, refused: int = 0, interrupted: bool = False, **counts: int) -> Result:
    return Result({**dict.fromkeys(COUNTED.values(), 0), **counts}, unfinished, refused, interrupted)


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (result(), 0),
        (result(applied=3, delivered=1, accepted=1), 0),
        (result(rejected=1), 7),
        (result(doubted=1), 7),
        (result(failed=1, applied=1), 7),
        (result(skipped=1), 7),
        (result(accepted=1, unfinished=1), 7),
        (result(rejected=1, skipped=4, refused=1), 4),
        (result(accepted=1, unfinished=1, refused=1), 4),
        (result(rejected=2, refused=1), 7),
        (result(rejected=1, refused=1, applied=1), 7),
        (result(rejected=1, refused=1, delivered=1), 7),
        (result(rejected=1, refused=1, accepted=1), 7),
        (result(interrupted=True, applied=1), 0),
        (result(interrupted=True, skipped=1), 130),
        (result(interrupted=True, doubted=1), 130),
        (result(interrupted=True, accepted=1, unfinished=1), 130),
        (result(interrupted=True, rejected=1), 7),
    ],
)
def test_the_exit_code_tells_the_truth(ended: Result, code: int) -> None:
    assert ended.exit_code() == code


def test_every_terminal_event_is_counted_under_a_name_of_its_own() -> None:
    assert set(COUNTED) == {type_ for type_ in EventType if type_.is_terminal}
    assert len(set(COUNTED.values())) == len(COUNTED)
