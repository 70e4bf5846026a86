"""Where requests would go, and what must be known before one is made."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from reconciler import providers
from reconciler.model.errors import CredentialError
from reconciler.model.plan import Target


def connect(bench: Any, **more: Any) -> Any:
    settings = {"organization": "", "endpoint": "", "timeout": 1, "concurrency": 1, **more}
    return providers.connect(bench.name, environ=bench.environ, clock=bench.service.clock, **settings)


def test_the_environment_wins_over_the_project_over_the_default() -> None:
    def target(name: str, environ: dict[str, str], organization: str = "", endpoint: str = "") -> Target:
        return providers.target(name, environ=environ, organization=organization, endpoint=endpoint)

    assert target("blue", {}) == Target("https://api.blue.app/graphql", "")
    assert target("pipefy", {}, "5", "https://t.test/graphql") == Target("https://t.test/graphql", "5")
    environ = {"BLUE_API_URL": " https://e.test/ ", "BLUE_ORG_ID": "acme\n"}
    assert target("blue", environ, "other", "https://t.test/") == Target("https://e.test/", "acme")


@pytest.mark.parametrize("name", ["", "grey", "Blue"])
def test_an_unknown_provider_is_said(name: str) -> None:
    with pytest.raises(LookupError, match="blue, pipefy"):
        providers.target(name, environ={}, organization="", endpoint="")


def test_every_missing_variable_is_named(blue: Any, pipefy: Any) -> None:
    blue.environ = {}
    with pytest.raises(CredentialError) as caught:
        connect(blue)
    for name in ("BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET", "BLUE_ORG_ID"):
        assert name in caught.value.message
    pipefy.environ = {"PIPEFY_TOKEN": "  "}
    with pytest.raises(CredentialError) as caught:
        connect(pipefy)
    for name in ("PIPEFY_TOKEN", "PIPEFY_CLIENT_ID", "PIPEFY_CLIENT_SECRET", "PIPEFY_ORG_ID"):
        assert name in caught.value.message
    pipefy.environ = {"PIPEFY_CLIENT_ID": "x", "PIPEFY_ORG_ID": "1"}
    with pytest.raises(CredentialError, match="PIPEFY_CLIENT_SECRET"):
        connect(pipefy)


@pytest.mark.parametrize("organization", ["acme", "0", "-1", "2147483648", "1.5"])
def test_a_pipefy_organization_is_a_number(pipefy: Any, organization: str) -> None:
    pipefy.environ["PIPEFY_ORG_ID"] = organization
    with pytest.raises(CredentialError, match="number"):
        connect(pipefy)


def test_a_secret_that_no_header_can_carry_is_not_shown(blue: Any) -> None:
    blue.environ["BLUE_TOKEN_SECRET"] = "pat_one\npat_two"
    with pytest.raises(CredentialError, match="BLUE_TOKEN_SECRET") as caught:
        connect(blue)
    assert "pat_" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("fixture", ["blue", "pipefy"])
def test_credentials_are_withheld_from_strangers(fixture: str, request: pytest.FixtureRequest) -> None:
    bench = request.getfixturevalue(fixture)
    variable = f"{fixture.upper()}_API_URL"
    for url in ("https://evil.test/graphql", "http://api.blue.app/graphql", "https://api.pipefy.com@evil.test/"):
        bench.environ[variable] = url
        with pytest.raises(CredentialError, match=r"withheld"):
            connect(bench)


def test_the_client_secret_too(pipefy: Any) -> None:
    del pipefy.environ["PIPEFY_TOKEN"]
    pipefy.environ |= {"PIPEFY_CLIENT_ID": "i", "PIPEFY_CLIENT_SECRET": "s3cr3t", "PIPEFY_API_URL": ""}
    connect(pipefy)
    pipefy.environ["PIPEFY_TOKEN_URL"] = "https://evil.test/oauth/token"
    with pytest.raises(CredentialError, match=r"evil\.test"):
        connect(pipefy)


def test_a_single_tenant_has_its_own_token_address(pipefy: Any) -> None:
    del pipefy.environ["PIPEFY_TOKEN"]
    pipefy.environ |= {"PIPEFY_CLIENT_ID": "i", "PIPEFY_CLIENT_SECRET": "s3cr3t"}
    asked = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    pipefy.service.app = app
    with pytest.raises(CredentialError, match="client id and secret"):
        pipefy.act(lambda provider: provider.export_status("e"))
    assert asked == ["/oauth/token"]


def test_kinds_need_neither_http_nor_models() -> None:
    code = (
        "import sys; from reconciler import providers; "
        "[(kind.api_version, kind.normalise) for kind in providers.kinds(lambda cron, zone: '')]; "
        "providers.target('blue', environ={}, organization='', endpoint=''); "
        "sys.exit(any(name in sys.modules for name in ('httpx', 'pydantic', 'asyncio')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
