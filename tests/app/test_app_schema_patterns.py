"""Patterns of schemas let through what the rules behind them let through."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.providers.pipefy.report import LARGEST_ID, normal_id
from reconciler.providers.schemas import CRON, number_texts
from reconciler.schedule.cron import check

NUMBERS = st.integers(0, 70).map(str) | st.integers(0, 9).map("0{}".format)
VALUES = NUMBERS | st.sampled_from(["MON", "SUN", "JAN", "DEC", "L", "LW", "5L", "1#2", "MON#5", "*"])
ITEMS = st.tuples(VALUES, st.sampled_from(["", "-"]), VALUES, st.sampled_from(["", "/2", "/0", "/05"])).map(
    lambda parts: parts[0] + (parts[1] + parts[2] if parts[1] else "") + parts[3]
)
FIELDS = st.lists(ITEMS, min_size=1, max_size=3).map(",".join)
CRONS = st.lists(FIELDS | st.just("*"), min_size=4, max_size=6).map(" ".join)


@given(CRONS)
@example("0 6 * * 1")
@example("*/15 0-23 L JAN,DEC MON#1")
@example("00 06 LW 012 7")
def test_every_cron_expression_fits_its_pattern(cron: str) -> None:
    if not check(cron, "UTC"):
        assert re.search(CRON, cron)


@given(st.integers(-10, 10**12) | st.integers(LARGEST_ID - 30, LARGEST_ID + 30), st.integers(0, 8))
def test_ids_as_texts_fit_their_pattern_exactly(number: int, zeros: int) -> None:
    text = "0" * zeros + str(number)
    known = normal_id(text)
    right = isinstance(known, int) and 0 < known <= LARGEST_ID
    assert bool(re.search(number_texts(LARGEST_ID), text)) is right


@given(st.integers(1, 10**6), st.integers(0, 2 * 10**6))
def test_numbers_up_to_any_number(largest: int, number: int) -> None:
    if largest >= 10:
        assert bool(re.search(number_texts(largest), str(number))) is (0 < number <= largest)
