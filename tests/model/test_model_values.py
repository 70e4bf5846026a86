"""The small values: addresses, paths into JSON, secrets."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.values import Address, Secret, lookup, parse_path, path_text

CANARY = "canary-3f9a"


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    assert bool(secret)
    assert not Secret("")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", f"{[secret]}"):
        assert CANARY not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_addresses_are_read_as_they_are_written() -> None:
    address = Address.parse("pipefy/export/weekly-sales")
    assert str(address) == "pipefy/export/weekly-sales"
    assert address.is_export
    assert not Address.parse("blue/report/a").is_export


@pytest.mark.parametrize("text", ["", "a", "blue/report", "blue/report/", "blue/report/A", "a/b/c/d", "blue/report/-x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Address.parse(text)


@given(st.lists(st.text() | st.integers(0, 99), max_size=5).map(tuple))
def test_paths_are_read_as_they_are_written(path: tuple[str | int, ...]) -> None:
    assert parse_path(path_text(path)) == path


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(ValueError, match="not a path"):
        parse_path("a..b")


@pytest.mark.parametrize(
    ("path", "found"),
    [((), {"a": [1, {"b": 2}]}), (("a", 1, "b"), 2), (("a", 7), None), (("a", "x"), None), (("c",), None)],
)
def test_a_path_leads_somewhere_or_nowhere(path: tuple[str | int, ...], found: object) -> None:
    assert lookup({"a": [1, {"b": 2}]}, path) == found
