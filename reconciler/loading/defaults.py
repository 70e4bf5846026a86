"""Defaults of the project file and of environments, by kind."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.loading.layers import Layer


class Defaults:
    """What manifests have unless they say otherwise."""

    def of(self, provider: str, kind: str) -> Sequence[Layer]:
        """Return the defaults of a kind (in lower case), nearest first."""
        return ()
