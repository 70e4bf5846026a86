"""Conformance suites for what others may add, to be subclassed in their own tests; needs pytest.

Belongs here: what every backend must pass (`backends`), and fakes that such tests share.
Does not belong here: tests of this program, and anything that the program itself uses.
"""

import pytest

pytest.register_assert_rewrite("reconciler.testing.backends")
