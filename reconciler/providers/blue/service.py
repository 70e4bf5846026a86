"""Where Blue is, who we are there, and which of its codes mean what.

From the pages 'Making Requests', 'Authentication' and 'Error Codes'.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final

from reconciler.model.plan import Target
from reconciler.model.values import Secret
from reconciler.providers.blue.report import ReportKind
from reconciler.providers.values import require, variable

if TYPE_CHECKING:
    from reconciler.model.ports import Clock, Kind, Provider
    from reconciler.transport.exchange import App, Permit

ENDPOINT: Final = "https://api.blue.app/graphql"
HOSTS: Final = ("api.blue.app", "api.blue.cc")

ID_FIELDS: Final[Mapping[str, str]] = {"workspace": "projectIds", "user": "userId"}

REFUSED: Final = frozenset(
    {
        "BAD_USER_INPUT",
        "COMPANY_NOT_FOUND",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "PLAN_LIMIT_REACHED",
        "PROJECT_NOT_FOUND",
        "PRO_REQUIRED",
        "REPORT_NOT_FOUND",
        "USER_NOT_FOUND",
        "USER_NOT_IN_COMPANY",
    }
)
CREDENTIALS: Final = frozenset({"COMPANY_BANNED", "FORBIDDEN", "UNAUTHENTICATED"})


def kinds(check_schedule: Callable[[str, str], str]) -> tuple[Kind, ...]:
    """The kinds Blue offers; none has a schedule."""
    return (ReportKind(),)


def target(environ: Mapping[str, str], organization: str, endpoint: str) -> Target:
    """Where requests go; the environment wins over the project file."""
    return Target(
        endpoint=variable(environ, "BLUE_API_URL") or endpoint or ENDPOINT,
        organization=variable(environ, "BLUE_ORG_ID") or organization,
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
    names = ("BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET")
    tokens = {name: variable(environ, name) for name in names}
    require(
        {**tokens, "BLUE_ORG_ID": target.organization},
        "Blue",
        "make a personal access token and set them in the environment (the organization also fits the project file)",
    )

    from reconciler.providers.blue.provider import BlueProvider
    from reconciler.transport.answer import Codes
    from reconciler.transport.auth import HeaderCredentials
    from reconciler.transport.client import Client, Reader
    from reconciler.transport.hosts import VARIABLE, TrustedHosts

    headers: dict[str, str] = {}
    client = (Reader if read_only else Client)(
        target.endpoint,
        TrustedHosts(HOSTS, environ.get(VARIABLE, ""), in_process=app is not None),
        HeaderCredentials(
            {"blue-token-id": Secret(tokens[names[0]]), "blue-token-secret": Secret(tokens[names[1]])},
        ),
        Codes(refused=REFUSED, credentials=CREDENTIALS, uncoded_refuses=True),
        timeout=timeout,
        concurrency=concurrency,
        clock=clock,
        headers=headers,
        app=app,
        permit=permit,
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Provider]:
        async with client:
            yield BlueProvider(client, headers, target.organization)

    return opened()
