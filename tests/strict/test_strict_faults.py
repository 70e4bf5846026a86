"""Whatever goes wrong on the way: nothing is made twice, and every run tells the truth."""

from __future__ import annotations

from typing import Any


def test_smoke(strict: Any) -> None:
    from pathlib import Path
    import sys

    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import BLUE, FULL, SAVED, EXPORT, REFERRING, named

    strict.declare(
        named(BLUE, "a"), named(FULL, "b"), named(SAVED, "c"), named(EXPORT, "d"), named(REFERRING, "e", "c")
    )
    ran = strict.apply()
    print(ran.out, ran.err)
    for s in strict.server.seen:
        print(s.operation, s.kind)
    strict.converged()
