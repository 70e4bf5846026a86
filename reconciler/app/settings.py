"""What the command line and the environment say, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import __version__

TOOL = f"reconciler {__version__}"

DATA = Path(".reconciler")
"""Where state, caches and the sandbox's data live, relative to the working directory."""

CACHE = DATA / "cache"

DEFAULT_STATE = "sqlite:.reconciler/state.db"
SANDBOX_STATE = "sqlite:.reconciler/sandbox-state.db"
SANDBOX_DATA = DATA / "sandbox.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options every command shares.

    `state` is the URL of an explicit --state (or, outside the sandbox, RECONCILER_STATE); empty
    means whatever the project file says.  `environ` is the process environment.  `lock_timeout` is
    how many seconds to wait for a lease that somebody else holds.
    """

    folder: Path = Path("manifests")
    environment: str = "default"
    sandbox: bool = False
    state: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    lock_timeout: float = 0.0
