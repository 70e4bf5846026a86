"""What a resolver is given, and how it says no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.model.values import JSONObject
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches


@dataclass(frozen=True, slots=True)
class Context:
    """The GraphQL context value of one request.

    `headers` have lower-case names.  `base_url` has no trailing slash.  `memo` lives as long as the request.
    """

    store: Store
    switches: Switches
    clock: Callable[[], datetime]
    headers: Mapping[str, str]
    base_url: str
    memo: dict[str, Any] = field(default_factory=dict)


class ServiceError(Exception):
    """A service's refusal, raised by resolvers; how it looks on the wire is the service's formatter's matter.

    `code=None` is an error without a machine-readable code; `extensions` go beside the code.  With
    `keep_changes` what the mutation wrote before it was refused is kept.
    """

    def __init__(
        self, code: str | None, message: str, extensions: JSONObject | None = None, *, keep_changes: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.extensions = dict(extensions or {})
        self.keep_changes = keep_changes
