"""Canonical JSON is what rfc8785 writes, by whichever way it is made."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.model.canonical import canonical, digest

texts = st.text(st.characters(exclude_categories=()))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**53) - 2, -(2**53) + 2)
    | st.integers(2**53 - 2, 2**53 + 2)
    | st.floats()
    | st.floats(-1e17, 1e17)
    | st.floats(-1e-3, 1e-3)
    | texts
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner))


class Colour(StrEnum):
    RED = "red"


@given(values)
@example({"\ue000": 1, "\U00010000": 2})
@example({"\ufb33": 1, "\U0001f600": {"\u20ac": '\u2028\x7f\x1f\b\f/\\"'}, "\r": 1, "1": -0.0, "\u0080": 0.5})
@example([1e-4, 9.999e-5, 1e16, 1e15 + 0.5, 1e21, 1.0, -0.5, 5e-324, float("nan")])
@example({"\ud800": 1})
@example(["\ud83d", "\ude00"])
@example({Colour.RED: Colour.RED})
@example({1: 2})
@example({"a": (1, 2)})
@example({"a": b"bytes"})
def test_it_is_what_the_reference_writes(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            canonical(value)
    else:
        assert canonical(value) == expected
        assert digest(value) == f"sha256:{hashlib.sha256(expected).hexdigest()}"


@pytest.mark.parametrize(
    "value", [float("inf"), float("nan"), 2**53, -(2**53), "\ud800", {"\udfff": 1}, {1: 1}, {None}]
)
def test_what_it_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical({"a": [value]})


def test_endless_values_are_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(RecursionError):
        canonical(value)
