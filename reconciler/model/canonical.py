"""Canonical JSON (RFC 8785) and digests of it: equal values, equal bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Final

from reconciler.model.values import JSON

_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode
_LEAVES: Final = frozenset({str, bool, type(None)})
# RFC 8785 sorts keys by their UTF-16 code units: as code points are sorted, but for these.
_SORTED_OTHERWISE: Final = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]")


def canonical(value: JSON) -> bytes:
    """Return the one RFC 8785 spelling of a JSON value.

    Raises ValueError for what canonical JSON cannot hold: NaN, infinities, integers beyond 2**53
    and lone surrogates.
    """
    if _is_plain(value):
        try:
            return _ENCODE(value).encode()
        except UnicodeEncodeError:
            pass  # the library below says it better
    import rfc8785  # loaded on first use: most commands never need it

    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error


def digest(value: JSON) -> str:
    """Return `sha256:` and the hexadecimal SHA-256 of the canonical spelling."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def _is_plain(value: JSON) -> bool:
    """Whether the encoder of the standard library, which is many times faster, writes it the same way.

    Left out are keys that it orders in another way, numbers that it spells in another way, and what it takes
    although canonical JSON does not.
    """
    kind = value.__class__
    if kind is dict:
        if not _are_plain(value):
            return False
        value = value.values()
    elif kind is int:
        return bool(-(2**53) < value < 2**53)
    elif kind is float:
        return 1e-4 <= abs(value) < 1e16 and not value.is_integer()
    elif kind is not list:
        return kind in _LEAVES
    for item in value:  # noqa: SIM110 - a generator takes half as long again, on every value of a plan
        if item.__class__ not in _LEAVES and not _is_plain(item):
            return False
    return True


def _are_plain(keys: Iterable[JSON]) -> bool:
    try:
        text = "".join(keys)
    except TypeError:
        return False
    return text.isascii() or _SORTED_OTHERWISE.search(text) is None
