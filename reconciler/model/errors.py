"""Every failure the program means to report, as a table of contents; the exit code is on the class.

Reconciler
├─ InvalidManifests (3)      the manifests are wrong; carries every diagnostic
├─ CredentialError (4)       missing, refused, or withheld from an untrusted host
├─ StateError (5)            the state is damaged or unreachable
│  ├─ Conflict (5)           somebody has claimed the position
│  ├─ Unreachable (5)        the storage did not answer; waiting may help
│  └─ Locked (5)             somebody holds the lease, or took it from us
├─ PlanRefused (6)           the saved plan is stale, edited, expired, used or for somebody else
├─ RailRefused (8)           a safety rail refused
├─ Usage (64)                wrong usage of the command line
├─ Unavailable (7)           a read from a service failed, so the work could not be finished
└─ Broken (1)                the program or the machine failed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from reconciler.model.diagnostic import Diagnostic, Severity


class ReconcilerError(Exception):
    """A failure with a sentence for people: `message` says what and where, `hint` what to do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidManifests(ReconcilerError):
    """The manifests are wrong; every diagnostic is here, sorted, warnings included."""

    exit_code = 3

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda found: found.sort_key))
        errors = sum(found.severity is Severity.ERROR for found in self.diagnostics)
        super().__init__(f"{errors} {'error' if errors == 1 else 'errors'} in the manifests")


class CredentialError(ReconcilerError):
    """Credentials are missing, were refused, or would have gone to a host that is not trusted."""

    exit_code = 4


class StateError(ReconcilerError):
    """The recorded state is damaged, from a newer version, or out of reach."""

    exit_code = 5


class Conflict(StateError):
    """The position is taken: somebody else has appended; read again before trying again."""


class Unreachable(StateError):
    """The storage did not answer, or not in time: what was asked of it may have happened."""


class Locked(StateError):
    """Somebody else holds the lease, or took it while we held it."""


class PlanRefused(ReconcilerError):
    """A saved plan may not be performed; the message says which of the reasons it is."""

    exit_code = 6


class Unavailable(ReconcilerError):
    """A service could not be read (after retries), so there is nothing sure to say."""

    exit_code = 7


class RailRefused(ReconcilerError):
    """A safety rail refused the plan: deletes, protection or policy; nothing was sent."""

    exit_code = 8


class Usage(ReconcilerError):
    """The command line makes no sense."""

    exit_code = 64


class Broken(ReconcilerError):
    """The machine failed under us: a disk that cannot be read or written."""
