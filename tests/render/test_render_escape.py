from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.render.escape import literal, plain

# A busy machine is slow, not wrong.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_nothing_without_a_shape_gets_through() -> None:
    hidden = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    every = map(chr, range(sys.maxunicode + 1))
    assert [found for found in every if unicodedata.category(found) in hidden and plain(found) == found] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Umsatz \u00fc\u8a9e\U0001f600 \u0301", "Umsatz \u00fc\u8a9e\U0001f600 \u0301"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x00\x1b[31m\x7f\x9b", "\\u0000\\u001b[31m\\u007f\\u009b"),
        ("a\u202eb\u2066c\u200d\ufeff", "a\\u202eb\\u2066c\\u200d\\ufeff"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\u0085"),
        ("a\ufe0f\u3164\U000e0041\ud800", "a\\ufe0f\\u3164\\U000e0041\\ud800"),
        ("\ufffd", "\ufffd"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert plain(text) == shown


@RELAXED
@given(st.text())
def test_it_is_one_line_that_can_be_written_and_stays_as_it_is(text: str) -> None:
    shown = plain(text)
    assert plain(shown) == shown
    assert len(shown.splitlines()) <= 1
    shown.encode()


@RELAXED
@given(st.text(st.characters(max_codepoint=0xFFFF)))
def test_a_literal_is_json(text: str) -> None:
    assert json.loads(literal({"a": text})) == {"a": text}
