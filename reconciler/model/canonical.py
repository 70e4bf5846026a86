"""Canonical JSON (RFC 8785) and digests of it: equal values, equal bytes."""

from __future__ import annotations

import hashlib

from reconciler.model.values import JSON


def canonical(value: JSON) -> bytes:
    """Return the one RFC 8785 spelling of a JSON value.

    Raises ValueError for what canonical JSON cannot hold: NaN, infinities, integers beyond 2**53
    and lone surrogates.
    """
    import rfc8785  # loaded on first use: most commands never need it

    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error


def digest(value: JSON) -> str:
    """Return `sha256:` and the hexadecimal SHA-256 of the canonical spelling."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
