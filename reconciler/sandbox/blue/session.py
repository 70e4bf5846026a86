"""Who calls, and for which organization and workspace: read from the headers ('Authentication')."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.sandbox.blue.errors import refusal
from reconciler.sandbox.blue.values import Doc, by_id_or_slug, moment
from reconciler.sandbox.context import Context
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

TOKEN_ID = ("blue-token-id", "x-bloo-token-id")
TOKEN_SECRET = ("blue-token-secret", "x-bloo-token-secret")
ORGANIZATION = ("blue-org-id", "x-bloo-company-id", "x-company-id")
WORKSPACE = ("blue-workspace-id", "x-bloo-project-id", "x-project-id")


@dataclass(frozen=True, slots=True)
class Session:
    """One request.

    `user` is None without a valid token.  `company` is None unless the header names an organization
    that the user belongs to; `project_key` is what the workspace header says.
    """

    store: Store
    switches: Switches
    now: datetime
    user: Doc | None
    company: Doc | None
    project_key: str | None
    _read: dict[str, list[Doc]] = field(default_factory=dict)

    def caller(self) -> Doc:
        """Return the user; raises UNAUTHENTICATED without one and COMPANY_BANNED for a suspended organization."""
        if self.user is None:
            raise refusal("UNAUTHENTICATED")
        if self.company is not None and self.company.get("isBanned"):
            raise refusal("COMPANY_BANNED")
        return self.user

    def organization(self) -> Doc:
        """Return the organization of the header; raises as `caller` does, and FORBIDDEN without one."""
        self.caller()
        if self.company is None:
            raise refusal("FORBIDDEN")
        return self.company

    def all(self, collection: str) -> list[Doc]:
        """Return a collection that no request changes (people, workspaces, records), read once a request."""
        if collection not in self._read:
            self._read[collection] = self.store.all(collection)
        return self._read[collection]

    def one(self, collection: str, key: str | None) -> Doc | None:
        """Return one document of such a collection, or None."""
        return next((doc for doc in self.all(collection) if doc["id"] == key), None)


def opened(context: Context) -> Session:
    """Open the session of a request; nothing is refused yet."""
    user = _user(context)
    company = _company(context, user) if user else None
    return Session(context.store, context.switches, context.clock(), user, company, header(context.headers, WORKSPACE))


def header(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """Return a header by its current name, else by an older one that is still accepted; None when blank."""
    return next((headers[name] for name in names if headers.get(name)), None)


def _user(context: Context) -> Doc | None:
    token = context.store.get("blue_token", header(context.headers, TOKEN_ID) or "")
    if token is None or "authorization" in context.headers:
        return None  # token headers count only without Authorization, and nobody signs in to the sandbox
    if token["secret"] != header(context.headers, TOKEN_SECRET) or _expired(token, context.clock()):
        return None
    return context.store.get("blue_user", token["userId"])


def _expired(token: Doc, now: datetime) -> bool:
    return token.get("expiresAt") is not None and moment(token["expiresAt"]) <= now


def _company(context: Context, user: Doc) -> Doc | None:
    named = header(context.headers, ORGANIZATION)
    found = by_id_or_slug(context.store.all("blue_company"), named)
    if found is None or found["id"] not in user["companyLevel"]:
        return None
    by_slug = found["id"] != named
    return None if by_slug and context.switches.get("org_header") == "id_only" else found


def current(context: Any) -> Session:
    """Return the session that the endpoint opened for the request of this GraphQL context value."""
    session: Session = context.memo["session"]
    return session
