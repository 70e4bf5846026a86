from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.text.scalars import MAX_INTEGER, STARTS, UnsafeNumber, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None)),
        *(("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False)),
        *(("0", 0), ("-0", 0), ("42", 42), ("+7", 7), ("-19", -19), ("0o14", 12), ("0xC", 12), ("0xff", 255)),
        *(("9007199254740991", MAX_INTEGER), ("-9007199254740991", -MAX_INTEGER)),
        *(("0.5", 0.5), (".5", 0.5), ("1.", 1.0), ("-2E+05", -200000.0), ("12e+03", 12000.0), ("6.02e23", 6.02e23)),
    ],
)
def test_what_is_not_text(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "no", "on", "off", "y", "n", "tRUE", "nUll", "none", "nil"),
        *("2024-01-01", "2001-12-14t21:59:43.10-05:00", "12:30:45", "190:20:30", "1_000", "1,000"),
        *("007", "0123", "00", "-01", "01.5", "0b101", "0o8", "0xg", "1e5", "12e5", "12E5", "1e", "e5"),
        *("+", "-", ".", "..", "1.2.3", "1 2", "0x", "inf", "nan", ".Nan", "+.nan", "٣", "1٣"),
    ],
)
def test_what_stays_text(text):
    assert resolve(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("9007199254740992", "-9007199254740992", "0x20000000000000", "0o400000000000000000", "9" * 1_000_000),
        *(".inf", "-.inf", "+.INF", ".nan", ".NaN", "1.0e999", "0x" + "f" * 100_000),
    ],
)
def test_what_is_refused(text):
    with pytest.raises(UnsafeNumber) as caught:
        resolve(text)
    assert "quote" in caught.value.hint
    assert len(str(caught.value)) < 200


@given(st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False))
def test_json_numbers_keep_their_value(number):
    assert resolve(json.dumps(number)) == number


@given(st.text())
def test_what_starts_otherwise_is_text(text):
    try:
        value = resolve(text)
    except UnsafeNumber:
        value = None
    assert isinstance(value, str) or not text or text[0] in STARTS
