"""The invented world both emulators start from, and more of it on demand.

Everybody in it is made up and every address ends in `.example`.  Blue: organization `acme`, eight
workspaces (one archived), six people.  Pipefy: organization 300123456 with five pipes the service
account can reach and one it cannot.

Credentials (all of them invented, worth nothing): `server.environment` gives the owner's.  For tests
of permissions `BLUE_TOKENS` and `PIPEFY_TOKENS` hold a member's and an outsider's as well.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Final

from reconciler.sandbox import world_blue, world_pipefy
from reconciler.sandbox.store import Store

BLUE_TOKENS: Final = world_blue.TOKENS
PIPEFY_TOKENS: Final = world_pipefy.TOKENS
PIPEFY_CLIENT: Final = world_pipefy.CLIENT
BLUE_ORGANIZATION: Final = world_blue.COMPANY_ID
PIPEFY_ORGANIZATION: Final = world_pipefy.ORGANIZATION_ID


def seed(store: Store) -> None:
    """Fill an empty store; a store that was filled before is left alone, in one transaction either way."""
    if store.get("world", "seeded") is not None:
        return
    with store.transaction():
        if store.get("world", "seeded") is not None:
            return
        world_blue.seed(store)
        world_pipefy.seed(store)
        store.put("world", "seeded", {"key": uuid.uuid4().hex})


def signing_key(store: Store) -> bytes:
    """Return the key that signs file addresses: made once per store, at random."""
    return str((store.get("world", "seeded") or {})["key"]).encode()


def ensure(
    store: Store,
    mentions: Mapping[tuple[str, str], Collection[str]],
    *,
    blue_organization: str,
    pipefy_organization: str,
) -> None:
    """Invent what manifests name and the world lacks, so that anybody's own can be tried.

    `mentions` has ids by service and sort: ("blue", "workspace"), ("blue", "user"), ("pipefy", "pipe"),
    ("pipefy", "report").  An empty organization is the seeded one.  Everything named ends up within
    reach of the sandbox's own credentials, moved from another organization if need be; nothing is removed.
    """
    seed(store)
    with store.transaction():
        company = world_blue.ensure_company(store, blue_organization or BLUE_ORGANIZATION)
        for user in sorted(mentions.get(("blue", "user"), ())):
            world_blue.ensure_user(store, company, user)
        world_blue.ensure_workspaces(store, company, mentions.get(("blue", "workspace"), ()))
        organization = world_pipefy.ensure_organization(store, pipefy_organization or PIPEFY_ORGANIZATION)
        for pipe in sorted(mentions.get(("pipefy", "pipe"), ())):
            world_pipefy.ensure_pipe(store, organization, pipe)
        for report in sorted(mentions.get(("pipefy", "report"), ())):
            world_pipefy.ensure_report(store, organization, report)
