"""Where Pipefy is, who we are there, and which of its codes mean what.

From the pages 'Unauthorized Error', 'Service Accounts' and 'Status and Error Handling'.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from reconciler.model.errors import CredentialError
from reconciler.model.plan import Target
from reconciler.model.values import Secret
from reconciler.providers.pipefy.export import ExportKind
from reconciler.providers.pipefy.report import LARGEST_ID, ReportKind, normal_id
from reconciler.providers.values import require, variable

if TYPE_CHECKING:
    from reconciler.model.ports import Clock, Kind, Provider
    from reconciler.transport.auth import Credentials
    from reconciler.transport.exchange import App, Permit
    from reconciler.transport.hosts import TrustedHosts

ENDPOINT: Final = "https://api.pipefy.com/graphql"
TOKEN_URL: Final = "https://app.pipefy.com/oauth/token"  # noqa: S105 -- an address, not a token
HOSTS: Final = ("api.pipefy.com", "app.pipefy.com")
FILE_HOSTS: Final = ("*.pipefy.com",)

ID_FIELDS: Final[Mapping[str, str]] = {"pipe": "pipeIds"}

# 500 requests in 30 seconds block a token for about five minutes; this stays below that.
_PER_SECOND: Final = 10.0
_BURST: Final = 100

REFUSED: Final = frozenset(
    {
        "ARGUMENT_ERROR",
        "BAD_USER_INPUT",
        "BLANK_NAME",
        "FEATURE_BLOCKED",
        "FEATURE_NOT_ALLOWED_BY_ORGANIZATION_PLAN",
        "FORBIDDEN",
        "GRAPHQL_VALIDATION_FAILED",
        "INVALID_ARGUMENTS",
        "INVALID_INPUT",
        "INVALID_ROLE",
        "LIMIT_RESOURCES_PER_ORGANIZATION",
        "NAME_NOT_UNIQUE",
        "NAME_TOO_LONG",
        "NOT_FOUND",
        "ORGANIZATION_IN_BLOCKLIST",
        "PERMISSION_DENIED",
        "RECORD_INVALID",
        "RECORD_NOT_DESTROYED",
        "RECORD_NOT_FOUND",
        "RECORD_NOT_SAVED",
        "RESOURCE_NOT_FOUND",
        "UNIQUE_RESOURCE_ALREADY_EXISTS",
        "USAGE_LIMIT_EXCEEDED",
        "argumentLiteralsIncompatible",
        "argumentNotAccepted",
        "missingRequiredArguments",
        "missingRequiredInputObjectAttribute",
        "undefinedField",
        "variableMismatch",
    }
)
CREDENTIALS: Final = frozenset({"UNAUTHENTICATED", "UNAUTHORIZED"})


def kinds(check_schedule: Callable[[str, str], str]) -> tuple[Kind, ...]:
    """The kinds Pipefy offers."""
    return (ReportKind(), ExportKind(check_schedule))


def target(environ: Mapping[str, str], organization: str, endpoint: str) -> Target:
    """Where requests go; the environment wins over the project file."""
    return Target(
        endpoint=variable(environ, "PIPEFY_API_URL") or endpoint or ENDPOINT,
        organization=variable(environ, "PIPEFY_ORG_ID") or organization,
    )


def connect(
    target: Target,
    *,
    environ: Mapping[str, str],
    clock: Clock,
    timeout: float,
    concurrency: int,
    app: App | None,
    read_only: bool,
    permit: Permit,
) -> AbstractAsyncContextManager[Provider]:
    """See the registry."""
    secrets = _secrets(environ, target.organization)
    organization = normal_id(target.organization)
    if not isinstance(organization, int) or not 0 < organization <= LARGEST_ID:
        raise CredentialError(
            f"the Pipefy organization {target.organization!r} is not a number from 1 to {LARGEST_ID}",
            "take it from the address https://app.pipefy.com/organizations/<number>",
        )

    from reconciler.providers.pipefy.provider import PipefyProvider
    from reconciler.transport.answer import Codes
    from reconciler.transport.client import Client, Reader
    from reconciler.transport.hosts import VARIABLE, TrustedHosts
    from reconciler.transport.pace import Pace

    extra = environ.get(VARIABLE, "")
    hosts = TrustedHosts(HOSTS, extra, in_process=app is not None)
    official = hosts.is_official(hosts.check(target.endpoint, "the credentials"))
    client = (Reader if read_only else Client)(
        target.endpoint,
        hosts,
        _credentials(secrets, _token_url(environ, target.endpoint, official=official), hosts, clock),
        Codes(refused=REFUSED, credentials=CREDENTIALS, uncoded_refuses=False),
        timeout=timeout,
        concurrency=concurrency,
        clock=clock,
        file_hosts=TrustedHosts(FILE_HOSTS, extra, in_process=app is not None),
        pace=Pace(_PER_SECOND, _BURST) if official else None,
        app=app,
        permit=permit,
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Provider]:
        async with client:
            yield PipefyProvider(client, organization)

    return opened()


def _secrets(environ: Mapping[str, str], organization: str) -> dict[str, str]:
    """The token alone, or else client id and secret; raises CredentialError for what is missing."""
    hint = "use a service account's client id and secret, or a token, from the environment"
    token = {"PIPEFY_TOKEN": variable(environ, "PIPEFY_TOKEN")}
    pair = {name: variable(environ, name) for name in ("PIPEFY_CLIENT_ID", "PIPEFY_CLIENT_SECRET")}
    chosen = pair if not token["PIPEFY_TOKEN"] and any(pair.values()) else token
    needed = {**chosen, "PIPEFY_ORG_ID": organization}
    if not any(chosen.values()):
        needed = {"PIPEFY_TOKEN (or PIPEFY_CLIENT_ID and PIPEFY_CLIENT_SECRET)": "", "PIPEFY_ORG_ID": organization}
    require(needed, "Pipefy", hint)
    return chosen


def _token_url(environ: Mapping[str, str], endpoint: str, *, official: bool) -> str:
    """Single-tenant servers have a token address of their own beside the endpoint."""
    if url := variable(environ, "PIPEFY_TOKEN_URL"):
        return url
    parts = urlsplit(endpoint)
    return TOKEN_URL if official else f"{parts.scheme}://{parts.netloc}/oauth/token"


def _credentials(secrets: Mapping[str, str], token_url: str, hosts: TrustedHosts, clock: Clock) -> Credentials:
    from reconciler.transport.auth import ClientCredentials, HeaderCredentials, bearer

    if "PIPEFY_TOKEN" in secrets:
        return HeaderCredentials(bearer(Secret(secrets["PIPEFY_TOKEN"])))
    return ClientCredentials(
        hosts.check(token_url, "the client secret"),
        secrets["PIPEFY_CLIENT_ID"],
        Secret(secrets["PIPEFY_CLIENT_SECRET"]),
        clock,
    )
