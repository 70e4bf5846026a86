"""Who stands behind each port, for which settings."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.app.clock import SystemClock, clock_from
from reconciler.app.state.reading import parse_address
from reconciler.app.wiring import sandbox_module
from reconciler.model.errors import CredentialError, InvalidManifests, Usage

BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec: {title: Test sales, dataSources: [{filters: {done: false}}]}
"""
EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: cards}
spec: {pipeIds: [301000001], columns: [title]%s}
"""
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: acme}
spec: {providers: {blue: {organization: from-project}, pipefy: {organization: 300123456}}}
"""


@pytest.mark.parametrize("text", ["2026-11-23T06:00:00Z", "2026-11-23T07:00:00+01:00", "2026-11-23T06:00:00.000+00:00"])
def test_a_pretended_instant_is_utc(text: str) -> None:
    clock = clock_from(text)
    assert clock.now() == datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert clock.now().utcoffset() == datetime.now(UTC).utcoffset()
    assert abs((clock.wall() - datetime.now(UTC)).total_seconds()) < 60


def test_without_one_it_is_now() -> None:
    clock = clock_from("")
    assert abs((clock.now() - clock.wall()).total_seconds()) < 60
    asyncio.run(clock.sleep(0))


FAR = ("9999-12-31T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00")


@pytest.mark.parametrize(
    "text", ["now", "2026-11-23", "2026-11-23T06:00:00", "2026-13-01T00:00:00Z", "1763877600", *FAR]
)
def test_what_is_no_instant_is_wrong_usage(text: str) -> None:
    with pytest.raises(Usage, match="RECONCILER_NOW"):
        clock_from(text)


@pytest.mark.parametrize(
    "text", ["", "sales", "blue/report", "blue/report/a/b", "Blue/report/a", "blue/report/", "a//b"]
)
def test_what_is_no_address_is_wrong_usage_with_an_example(text: str) -> None:
    with pytest.raises(Usage) as refused:
        parse_address(text)
    assert "blue/report/" in refused.value.hint


def test_the_environment_wins_over_the_project_for_where_requests_go(wiring: Any) -> None:
    said = wiring(BLUE, project=PROJECT)
    assert said.targets(said.project(), ["blue"])["blue"].organization == "from-project"
    won = wiring(BLUE, project=PROJECT, BLUE_ORG_ID="from-environment")
    assert won.targets(won.project(), ["blue"])["blue"].organization == "from-environment"


def test_the_sandbox_sees_nothing_of_the_real_environment(wiring: Any) -> None:
    boxed = wiring(BLUE, sandbox=True, BLUE_API_URL="https://evil.example", BLUE_ORG_ID="real", BLUE_TOKEN_ID="real")
    target = boxed.targets(boxed.project(), ["blue", "pipefy"])["blue"]
    assert target.endpoint.startswith("http://sandbox.localhost")
    assert target.organization != "real"


def test_an_organization_that_only_a_manifest_names(wiring: Any) -> None:
    named = wiring(EXPORT % ", organizationId: 300999999")
    targets = named.targets(named.project(), ["pipefy"], named.desired())
    assert targets["pipefy"].organization == "300999999"
    assert named.targets(named.project(), ["pipefy"])["pipefy"].organization == ""


def test_missing_credentials_are_named_for_all_at_once(wiring: Any) -> None:
    bare = wiring(BLUE, EXPORT % "", project=PROJECT)

    async def connect() -> None:
        async with AsyncExitStack() as stack:
            await bare.connect(stack, bare.targets(bare.project(), ["blue", "pipefy"]), timeout=1, concurrency=1)

    with pytest.raises(CredentialError) as refused:
        asyncio.run(connect())
    assert "BLUE_TOKEN_ID" in refused.value.message
    assert "PIPEFY_TOKEN" in refused.value.message
    assert refused.value.hint


def test_what_is_wrong_in_the_manifests_is_raised_with_every_diagnostic(wiring: Any) -> None:
    wrong = wiring(BLUE.replace("title", "titel"), EXPORT.replace("columns", "colums") % "")
    with pytest.raises(InvalidManifests) as refused:
        wrong.desired()
    assert len(refused.value.diagnostics) >= 2


def test_a_plan_key_is_a_secret(wiring: Any) -> None:
    assert wiring(BLUE).plan_key is None
    assert wiring(BLUE, RECONCILER_PLAN_KEY="").plan_key is None
    key = wiring(BLUE, RECONCILER_PLAN_KEY="correct horse").plan_key
    assert key is not None
    assert "horse" not in repr(key)
    assert key.reveal() == "correct horse"


def test_the_content_of_an_export_is_what_decides_about_its_file(wiring: Any) -> None:
    one, two = wiring(EXPORT % ""), wiring(EXPORT % ', schedule: "0 6 * * 1"')
    (plain,), (scheduled,) = one.desired().manifests, two.desired().manifests
    kind = one.kind(plain.address)
    assert one.content(plain.address, kind.normalise(plain.spec)) == two.content(
        scheduled.address, kind.normalise(scheduled.spec)
    )


def test_a_part_of_the_sandbox_that_does_not_exist_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError):
        sandbox_module("nowhere")


def test_a_library_that_is_missing_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'ariadne'", name="ariadne")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(Usage, match="ariadne") as refused:
        sandbox_module("server")
    assert "reconciler[sandbox]" in refused.value.hint


def test_clocks_are_values() -> None:
    assert clock_from("2026-11-23T06:00:00Z") == SystemClock(datetime(2026, 11, 23, 6, tzinfo=UTC))
