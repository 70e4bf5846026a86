"""Conformance suites for what others may add, to be subclassed in their own tests; needs pytest.

Belongs here: what every backend must pass (`backends`, which says how to use it), in three parts (`batches`,
`failures`, `logs`), and what these are made of (`storage`, `growing`, `writer`).
Does not belong here: tests of this program, and anything that the program itself uses.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"reconciler.testing.{name}" for name in ("backends", "batches", "failures", "growing", "logs", "storage"))
)
