"""Hints that name what is known."""

from __future__ import annotations

import pytest

from reconciler.loading.text.sources import did_you_mean


@pytest.mark.parametrize(("count", "end"), [(1, "n00"), (20, "n19"), (21, "n19, …"), (99, "n19, …")])
def test_a_list_that_is_cut_says_so(count: int, end: str) -> None:
    hint = did_you_mean("something else", [f"n{number:02}" for number in range(count)])
    assert hint.startswith("known: n00")
    assert hint.endswith(end)
