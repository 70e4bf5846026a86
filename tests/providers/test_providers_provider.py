"""The port: what is sent, what is read, what is made of doubt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.entry import Intended
from reconciler.model.errors import Broken, CredentialError, Unavailable
from reconciler.model.outcome import Absent, Cause, Done, Doubtful, ExportState, Refused, Unclear
from reconciler.model.plan import Action, Change, Step
from reconciler.model.ports import Undeliverable
from reconciler.model.recorded import Doubt, Resource
from reconciler.model.values import Address, Secret
from reconciler.providers import settling

SALES = Address("blue", "report", "sales")
PIPES = Address("pipefy", "report", "sales")
WEEKLY = Address("pipefy", "export", "weekly")

BLUE_SPEC = {
    "title": "Sales",
    "description": "All of it",
    "dataSources": [
        {"name": "EMEA", "projectIds": ["p1", "p2"], "filters": {"done": False, "n": 1}},
        {"name": "All"},
    ],
    "config": {"layout": {"wide": True}},
    "reportUsers": [{"userId": "u1", "role": "EDITOR"}, {"userId": "u2", "role": "VIEWER"}],
}
PIPEFY_SPEC = {
    "name": "Sales",
    "pipeIds": [3, 20],
    "fields": ["title", "due_date"],
    "filter": {"operator": "and", "queries": [{"field": "status", "operator": "contains", "value": ["a", "b"]}]},
    "color": "red",
}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    keys = sorted({*before, *after})
    return tuple(Change((key,), before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key))


def step(address: Address, action: Action, after: Any = None, before: Any = None, **more: Any) -> Step:
    return Step(address, action, "because", after=after, changes=changes(before or {}, after or {}), **more)


def perform(bench: Any, *steps: Step, ids: Mapping[Address, str] | None = None) -> Any:
    async def act(provider: Any) -> Any:
        found = []
        for one in steps:
            request = provider.request(one, ids or {})
            found.append(request and await provider.perform(request))
        return found

    return bench.act(act)


def doubt(
    address: Address, action: Action, after: Any, operation: str = "o1", at: str = "2026-11-23T06:00:00Z", **more: Any
) -> Doubt:
    return Doubt(operation, "r", address, action, more.pop("id", None), after, at, at, **more)


def settle(bench: Any, *doubts: Doubt, taken: tuple[str, ...] = (), recorded: Sequence[Resource] = ()) -> Any:
    return bench.act(lambda provider: provider.settle(doubts, [*others(*taken), *recorded]))


def others(*ids: str) -> list[Resource]:
    """Resources that have these ids."""
    return [Resource(Address("blue", "report", f"other-{identity}"), identity, {}, "t") for identity in ids]


def observe(bench: Any, *resources: Resource) -> Any:
    return bench.act(lambda provider: provider.observe(resources))


@pytest.fixture(params=["blue", "pipefy"])
def either(request: pytest.FixtureRequest, kinds: Any) -> Any:
    """Bench, kind, address, spec of one of the services."""
    bench = request.getfixturevalue(request.param)
    address, spec = (SALES, BLUE_SPEC) if request.param == "blue" else (PIPES, PIPEFY_SPEC)
    return bench, kinds[f"{request.param}/report"], address, spec


def test_create_then_update_gives_what_was_asked(either: Any) -> None:
    bench, kind, address, spec = either
    assert kind.normalise(spec) == spec
    first = kind.creation(spec)
    assert first != spec
    created, updated = perform(
        bench, step(address, Action.CREATE, first), step(address, Action.UPDATE, spec, first), ids={address: "901"}
    )
    assert created == Done("901", first, "2026-11-23T06:00:00Z")
    assert updated == Done("901", spec, "2026-11-23T06:00:00Z")
    assert len(bench.service.mutations) == 2
    observed = observe(bench, Resource(address, "901", spec, "t"))[address]
    assert (observed.id, observed.content) == ("901", spec)


def test_update_sends_only_what_changed(either: Any) -> None:
    bench, kind, address, spec = either
    perform(bench, step(address, Action.CREATE, kind.creation(spec)))
    title = "title" if address is SALES else "name"
    after = {**spec, title: "New"}
    perform(bench, step(address, Action.UPDATE, after, spec, id="901"))
    variables = bench.service.mutations[-1]["variables"]
    assert variables["input"].keys() - {"id"} == {title}


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        ({"description": "x"}, {}, {"description": None}),
        ({"config": {"a": 1}}, {}, None),
        ({"reportUsers": []}, {}, None),
        ({"config": {"a": 1}}, {"config": {}}, {"config": {}}),
        ({"reportUsers": [{"userId": "u", "role": "VIEWER"}]}, {"reportUsers": []}, {"reportUsers": []}),
    ],
)
def test_what_is_gone_is_cleared_and_what_is_unmanaged_is_left(blue: Any, before: Any, after: Any, sent: Any) -> None:
    async def act(provider: Any) -> Any:
        return provider.request(step(SALES, Action.UPDATE, after, before, id="1"), {})

    request = blue.act(act)
    assert sent == (request and request.variables["input"])


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        ({"filter": {"operator": "and"}}, {}, {"id": "1", "filter": None}),
        ({"color": "red"}, {}, None),
        ({"fields": ["a"]}, {}, None),
        ({"pipeIds": [1]}, {"pipeIds": [1, 2]}, {"id": "1", "pipeIds": ["1", "2"]}),
    ],
)
def test_pipefy_too(pipefy: Any, before: Any, after: Any, sent: Any) -> None:
    async def act(provider: Any) -> Any:
        return provider.request(step(PIPES, Action.UPDATE, after, before, id="1"), {})

    request = pipefy.act(act)
    assert sent == (request and request.variables["input"])


def test_what_is_only_recorded_sends_nothing(blue: Any, pipefy: Any) -> None:
    lifecycle = Change(("lifecycle", "protect"), before=False, after=True)
    only = Step(SALES, Action.UPDATE, "", id="1", after=BLUE_SPEC, changes=(lifecycle,))
    assert perform(blue, only) == [None]
    for action in (Action.FORGET, Action.MOVE, Action.ADOPT):
        assert perform(blue, step(SALES, action, id="1")) == [None]
    for action in (Action.CREATE, Action.UPDATE, Action.FORGET):
        assert perform(pipefy, step(WEEKLY, action, {"columns": ["a"]})) == [None]
    assert not blue.service.seen
    assert not pipefy.service.seen


def test_an_unknown_id_is_said(either: Any) -> None:
    bench, _, address, spec = either
    with pytest.raises(LookupError, match=str(address)):
        perform(bench, step(address, Action.UPDATE, spec, {}))


def test_delete_and_its_second_time(either: Any) -> None:
    bench, kind, address, spec = either
    perform(bench, step(address, Action.CREATE, kind.creation(spec)))
    done, again = perform(bench, step(address, Action.DELETE, id="901"), step(address, Action.DELETE, id="901"))
    assert done == Done("901")
    assert isinstance(again, Refused)
    assert again.cause is Cause.GONE
    (gone,) = perform(bench, step(address, Action.UPDATE, spec, id="901"))
    assert gone.cause is Cause.GONE


def test_what_the_service_kept_differently_is_noted(blue: Any) -> None:
    original = blue.service.put
    blue.service.put = lambda node, given: original(node, {**given, "title": given["title"].strip()})
    (done,) = perform(blue, step(SALES, Action.CREATE, {"title": " a ", "dataSources": []}))
    assert done.content == {"title": "a", "dataSources": []}
    assert "title" in done.notes[0]


def test_a_lost_answer_is_doubtful(either: Any) -> None:
    bench, kind, address, spec = either
    bench.service.lose = ["after"]
    (outcome,) = perform(bench, step(address, Action.CREATE, kind.creation(spec)))
    assert isinstance(outcome, Doubtful)
    assert len(bench.service.mutations) == 1


def test_a_reading_provider_sends_no_mutation(either: Any) -> None:
    bench, kind, address, spec = either

    async def act(provider: Any) -> None:
        request = provider.request(step(address, Action.CREATE, kind.creation(spec)), {})
        await provider.perform(request)

    with pytest.raises(Broken):
        bench.act(act, read_only=True)
    assert not bench.service.seen


def test_many_are_observed_by_pages_and_missing_ones_asked_for(either: Any, clock: Any) -> None:
    bench, kind, address, spec = either
    first = kind.creation(spec)
    for _ in range(120):
        clock.instant += timedelta(seconds=1)
        perform(bench, step(address, Action.CREATE, first))
    bench.service.seen.clear()
    addresses = [Address(address.provider, "report", f"r{number}") for number in range(121)]
    resources = [Resource(one, str(901 + number), first, "t") for number, one in enumerate(addresses)]
    observed = observe(bench, *resources)
    assert [found and found.content for found in observed.values()] == [first] * 120 + [None]
    assert len([seen for seen in bench.service.seen if "eports" in seen["query"].splitlines()[1]]) == 3
    assert not bench.service.mutations
    assert observe(bench) == {}


def test_a_list_that_moves_is_read_again(blue: Any, clock: Any) -> None:
    spec = {"title": "t", "dataSources": []}
    for _ in range(60):
        clock.instant += timedelta(seconds=1)
        perform(blue, step(SALES, Action.CREATE, spec))
    original, calls = blue.service.reports, []

    def moving(_: Any, **arguments: Any) -> Any:
        calls.append(arguments["skip"])
        if len(calls) == 2:
            del blue.service.objects["930"]
        return original(_, **arguments)

    blue.service.reports = moving

    async def act(provider: Any) -> Any:
        await provider.prepare()
        return await provider.list_all()

    assert len(blue.act(act)) == 59
    assert calls == [0, 50, 0, 50]


def test_config_is_compared_by_the_keys_that_were_given(blue: Any) -> None:
    spec = {"title": "t", "dataSources": [], "config": {"layout": {"wide": True}}}
    perform(blue, step(SALES, Action.CREATE, {"title": "t", "dataSources": []}))
    blue.service.objects["901"]["config"] = {"layout": {"wide": True, "zoom": 1.0}, "theme": "dark"}
    blue.service.objects["901"]["reportUsers"] = [{"user": {"id": "u"}, "role": "VIEWER"}]
    assert observe(blue, Resource(SALES, "901", spec, "t"))[SALES].content == spec
    empty = {**spec, "config": {}}
    content = observe(blue, Resource(SALES, "901", empty, "t"))[SALES].content
    assert content["config"] == {"layout": {"wide": True, "zoom": 1}, "theme": "dark"}


def test_opaque_read_backs_are_not_drift_but_missing_filters_are(pipefy: Any) -> None:
    perform(
        pipefy, step(PIPES, Action.CREATE, {key: PIPEFY_SPEC[key] for key in ("name", "pipeIds", "fields", "filter")})
    )
    node = pipefy.service.objects["901"]
    resource = Resource(PIPES, "901", PIPEFY_SPEC, "t")
    query = {"field": "status", "operator": "CONTAINS", "value": ["a", "b"], "label": "Status", "id": 1}
    for live in (
        {"status": ["a", "b"]},
        {"operator": "AND", "queries": [{"field": "status", "operator": "IN", "value": ["a"]}]},
        {"operator": "AND", "queries": [query], "groups": [], "lastId": 1},
    ):
        node["filter"] = live
        assert observe(pipefy, resource)[PIPES].content == PIPEFY_SPEC
    node["filter"] = None
    assert "filter" not in observe(pipefy, resource)[PIPES].content
    node["filter"] = {"operator": "or", "queries": [query]}
    assert observe(pipefy, resource)[PIPES].content["filter"]["operator"] == "or"
    unfiltered = Resource(PIPES, "901", {key: PIPEFY_SPEC[key] for key in ("name", "pipeIds")}, "t")
    node["filter"] = {"status": ["a"]}
    assert observe(pipefy, unfiltered)[PIPES].content["filter"] == {"status": ["a"]}


# --- settling


@pytest.mark.parametrize(("lost", "found"), [("after", True), ("before", False)])
def test_a_doubtful_create_is_looked_up(either: Any, lost: str, found: bool) -> None:
    bench, kind, address, spec = either
    after = kind.creation(spec)
    bench.service.lose = [lost]
    perform(bench, step(address, Action.CREATE, after))
    expected = Done("901", after, "2026-11-23T06:00:00Z") if found else Absent()
    assert settle(bench, doubt(address, Action.CREATE, after)) == {"o1": expected}


def test_equal_doubts_share_what_is_there(either: Any, clock: Any) -> None:
    bench, kind, address, spec = either
    after = kind.creation(spec)
    bench.service.lose = ["after", "before", "after"]
    doubts = []
    for number in range(3):
        clock.instant += timedelta(seconds=10)
        perform(bench, step(address, Action.CREATE, after))
        doubts.append(doubt(address, Action.CREATE, after, f"o{number}", clock.instant.isoformat()))
    found = settle(bench, *reversed(doubts))
    assert [getattr(found[f"o{number}"], "id", None) for number in range(3)] == ["901", "902", None]
    found = settle(bench, *doubts, taken=("901",))
    assert [getattr(found[f"o{number}"], "id", None) for number in range(3)] == ["902", None, None]


def test_more_than_asked_for_is_left_to_a_person(either: Any) -> None:
    bench, kind, address, spec = either
    after = kind.creation(spec)
    perform(bench, *[step(address, Action.CREATE, after)] * 2)
    found = settle(bench, doubt(address, Action.CREATE, after))["o1"]
    assert isinstance(found, Unclear)
    assert found.candidates == ("901", "902")


def test_an_older_equal_object_is_left_to_a_person(either: Any, clock: Any) -> None:
    bench, kind, address, spec = either
    after = kind.creation(spec)
    perform(bench, step(address, Action.CREATE, after))
    clock.instant += timedelta(minutes=10)
    late = clock.instant.isoformat()
    assert isinstance(settle(bench, doubt(address, Action.CREATE, after, at=late))["o1"], Unclear)
    assert settle(bench, doubt(address, Action.CREATE, after, at=late), taken=("901",)) == {"o1": Absent()}


def test_a_new_twin_with_other_content_is_left_to_a_person(either: Any, clock: Any) -> None:
    bench, kind, address, spec = either
    after = kind.creation(spec)
    other = {**after, "dataSources": []} if address is SALES else {**after, "pipeIds": [9]}
    perform(bench, step(address, Action.CREATE, other))
    found = settle(bench, doubt(address, Action.CREATE, after))["o1"]
    assert isinstance(found, Unclear)
    assert found.candidates == ("901",)
    # … unless it is what another doubt was about, or was there long before.
    both = settle(bench, doubt(address, Action.CREATE, after), doubt(address, Action.CREATE, other, "o2"))
    assert both["o1"] == Absent()
    assert both["o2"].id == "901"
    clock.instant += timedelta(minutes=10)
    assert settle(bench, doubt(address, Action.CREATE, after, at=clock.instant.isoformat())) == {"o1": Absent()}


def test_an_object_made_since_is_adopted_though_an_older_one_equals_it(either: Any, clock: Any) -> None:
    bench, kind, address, spec = either
    after = kind.creation(spec)
    perform(bench, step(address, Action.CREATE, after))
    clock.instant += timedelta(minutes=10)
    late = clock.instant.isoformat()
    perform(bench, step(address, Action.CREATE, after))
    assert settle(bench, doubt(address, Action.CREATE, after, at=late))["o1"].id == "902"


@pytest.mark.parametrize(
    "kept",
    ["Weekly report of the whole of EMEA", "  weekly  report of the whole of\tEMEA ", "Weekly report of the wh"],
    ids=["as sent", "other blanks and case", "cut"],
)
def test_a_title_that_the_service_may_have_changed_is_not_taken_for_absence(kept: str, clock: Any) -> None:
    spec = {"title": "Weekly report of the whole of EMEA", "dataSources": []}
    live = {"new": settling.Live("new", kept, clock.instant, None, {**spec, "title": kept})}

    def read(found: Any, after: Any) -> Any:
        return {**after, "title": found.title}, True

    settled = settling.settle([doubt(SALES, Action.CREATE, spec)], live, (), read, timedelta())
    assert isinstance(settled["o1"], Done if kept == spec["title"] else Unclear)
    other = {"new": settling.Live("new", "Weekly report", clock.instant, None, {})}
    assert settling.settle([doubt(SALES, Action.CREATE, spec)], other, (), read, timedelta()) == {"o1": Absent()}


def test_the_clocks_may_differ(blue: Any, clock: Any) -> None:
    """The service is an hour ahead, so what it made "now" by our clock is an hour old."""
    spec = {"title": "t", "dataSources": []}
    node = {**spec, "id": "old"}
    live = {"old": settling.Live("old", "t", clock.instant, None, node)}

    def judge(offset: timedelta) -> Any:
        return settling.settle([doubt(SALES, Action.CREATE, spec)], live, (), lambda _, after: (after, True), offset)[
            "o1"
        ]

    assert judge(timedelta()) == Done("old", spec, None)
    assert isinstance(judge(timedelta(hours=1)), Unclear)


def test_doubtful_updates_and_deletes(blue: Any) -> None:
    first = {"title": "t", "dataSources": []}
    perform(blue, step(SALES, Action.CREATE, first))
    after = {**first, "description": "x"}
    update = doubt(SALES, Action.UPDATE, after, id="901")
    assert settle(blue, update) == {"o1": Absent()}
    perform(blue, step(SALES, Action.UPDATE, after, first, id="901"))
    assert settle(blue, update)["o1"].content == after
    delete = doubt(SALES, Action.DELETE, None, id="901")
    assert settle(blue, delete) == {"o1": Absent()}
    perform(blue, step(SALES, Action.DELETE, id="901"))
    assert settle(blue, delete) == {"o1": Done("901")}
    assert settle(blue, update) == {"o1": Absent()}


def test_what_cannot_be_compared_is_sent_again_rather_than_believed(pipefy: Any) -> None:
    first = {key: value for key, value in PIPEFY_SPEC.items() if key != "color"}
    perform(pipefy, step(PIPES, Action.CREATE, first))
    update = doubt(PIPES, Action.UPDATE, PIPEFY_SPEC, id="901")
    assert settle(pipefy, update) == {"o1": Absent()}
    assert settle(pipefy, update, recorded=[Resource(PIPES, "901", first, "t")]) == {"o1": Absent()}


@pytest.mark.parametrize("version", [None, "2026-11-23T06:00:00Z", "2020-01-01T00:00:00Z"])
def test_what_cannot_be_compared_came_with_what_can(pipefy: Any, version: str | None) -> None:
    perform(pipefy, step(PIPES, Action.CREATE, {**PIPEFY_SPEC, "name": "Before"}))
    before = Resource(PIPES, "901", {**PIPEFY_SPEC, "name": "Before", "color": "blue"}, "t", version=version)
    update = doubt(PIPES, Action.UPDATE, PIPEFY_SPEC, id="901")
    assert settle(pipefy, update, recorded=[before]) == {"o1": Absent()}
    perform(pipefy, step(PIPES, Action.UPDATE, PIPEFY_SPEC, before.spec, id="901"))
    assert settle(pipefy, update, recorded=[before])["o1"].content == PIPEFY_SPEC


def test_an_object_that_changed_since_it_was_recorded_has_had_its_update(pipefy: Any) -> None:
    perform(pipefy, step(PIPES, Action.CREATE, PIPEFY_SPEC))
    before = {**PIPEFY_SPEC, "color": "blue"}  # nothing but what cannot be compared
    update = doubt(PIPES, Action.UPDATE, PIPEFY_SPEC, id="901")
    now = Resource(PIPES, "901", before, "t", version="2026-11-23T06:00:00Z")
    assert settle(pipefy, update, recorded=[now]) == {"o1": Absent()}
    earlier = replace(now, version="2026-11-22T06:00:00Z")
    assert settle(pipefy, update, recorded=[earlier])["o1"].content == PIPEFY_SPEC


def test_started_exports_cannot_be_looked_up_and_records_need_not_be(pipefy: Any) -> None:
    spec = {"columns": ["a"]}
    found = settle(pipefy, doubt(WEEKLY, Action.EXPORT, spec), doubt(WEEKLY, Action.CREATE, spec, "o2"))
    assert isinstance(found["o1"], Unclear)
    assert found["o2"] == Absent()
    assert not pipefy.service.seen


# --- exports


def test_an_export_is_started_with_the_documented_variables(pipefy: Any) -> None:
    spec = {
        "pipeIds": [1, 2],
        "columns": ["title"],
        "filter": PIPEFY_SPEC["filter"],
        "sortBy": {"field": "due_date", "direction": "asc"},
        "report": {"ref": "pipefy/report/sales"},
        "schedule": {"cron": "0 6 * * 1", "timezone": "UTC"},
        "runOnCreate": True,
    }
    (done,) = perform(pipefy, step(WEEKLY, Action.EXPORT, spec), ids={PIPES: "77"})
    assert done == Done("export-901")
    assert pipefy.service.mutations[0]["variables"] == {
        "organizationId": 300123456,
        "pipeIds": [1, 2],
        "columns": ["title"],
        "filter": PIPEFY_SPEC["filter"],
        "sortBy": {"field": "due_date", "direction": "asc"},
        "organizationReportId": 77,
    }
    assert pipefy.service.mutations[0]["headers"]["authorization"] == "Bearer pipefy-token"
    for ids in ({}, {PIPES: "uuid"}, {PIPES: "99999999999"}):
        with pytest.raises(LookupError, match="pipefy/report/sales"):
            perform(pipefy, step(WEEKLY, Action.EXPORT, spec), ids=ids)


@pytest.mark.parametrize(
    ("live", "state", "url", "finished"),
    [
        ({"state": "processing"}, ExportState.PROCESSING, None, None),
        (
            {"state": "failed", "finishedAt": "2026-01-01T00:00:00-04:00"},
            ExportState.FAILED,
            None,
            "2026-01-01T04:00:00Z",
        ),
        (
            {"state": "done", "finishedAt": "2026-01-01T00:00:00Z", "fileURL": "https://f"},
            ExportState.DONE,
            "https://f",
            "2026-01-01T00:00:00Z",
        ),
        ({"state": "done", "finishedAt": "2026-01-01T00:00:00Z"}, ExportState.PROCESSING, None, None),
    ],
)
def test_how_far_an_export_is(pipefy: Any, live: Any, state: Any, url: Any, finished: Any) -> None:
    pipefy.service.objects["e"] = live
    status = pipefy.act(lambda provider: provider.export_status("e"))
    assert status.state is state
    assert (status.url and status.url.reveal()) == url
    assert status.finished_at == finished


def test_unknown_states_are_still_processing(pipefy: Any) -> None:
    states = iter([b"pondering", b"ERROR"])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = b'{"data": {"organizationReportExport": {"id": "e", "state": "%s"}}}' % next(states)
        await send({"type": "http.response.body", "body": body})

    pipefy.service.app = app
    for expected in (ExportState.PROCESSING, ExportState.FAILED):
        assert pipefy.act(lambda provider: provider.export_status("e")).state is expected


# --- organization


def test_the_organization_is_resolved_once_and_sent_as_id(blue: Any) -> None:
    async def act(provider: Any) -> Any:
        spec = {"title": "t", "dataSources": []}
        requests = [provider.request(step(SALES, Action.CREATE, spec), {})] * 5
        return await asyncio.gather(*map(provider.perform, requests))

    assert all(isinstance(outcome, Done) for outcome in blue.act(act))
    organizations = [seen["headers"]["blue-org-id"] for seen in blue.service.seen]
    assert organizations == ["acme"] + ["company-1"] * 5
    assert blue.service.seen[0]["headers"]["blue-token-id"] == "token-id"


def test_an_unknown_organization_is_a_matter_of_credentials(blue: Any) -> None:
    blue.environ["BLUE_ORG_ID"] = "nobody"
    (outcome,) = perform(blue, step(SALES, Action.CREATE, {"title": "t", "dataSources": []}))
    assert isinstance(outcome, Refused)
    assert outcome.cause is Cause.CREDENTIALS
    assert not blue.service.mutations
    with pytest.raises(CredentialError, match="nobody"):
        observe(blue, Resource(SALES, "1", {"title": "t", "dataSources": []}, "t"))


def test_an_organization_that_cannot_be_resolved_is_used_as_it_is(blue: Any) -> None:
    def broken(_: Any, **arguments: Any) -> Any:
        raise ValueError("no such resolver")

    blue.service.company = broken
    (outcome,) = perform(blue, step(SALES, Action.CREATE, {"title": "t", "dataSources": []}))
    assert isinstance(outcome, Done)
    assert blue.service.mutations[0]["headers"]["blue-org-id"] == "acme"


def test_requests_have_digests(either: Any) -> None:
    bench, kind, address, spec = either

    async def act(provider: Any) -> Any:
        return [provider.request(step(address, Action.CREATE, kind.creation(spec)), {}).digest for _ in range(2)]

    first, second = bench.act(act)
    assert first == second
    assert Intended("r", "o", "t", address, Action.CREATE, None, None, first).request.startswith("sha256:")


def test_a_file_is_only_read_from_trusted_hosts(pipefy: Any) -> None:
    async def act(provider: Any) -> None:
        async with provider.download(Secret("https://evil.test/f?signature=s")):
            pass

    with pytest.raises(Undeliverable, match=r"evil\.test"):
        pipefy.act(act)


@pytest.mark.parametrize("broken", [{"dataSources": None}, {"reportUsers": [None]}, {"dataSources": [5]}, {"title": 5}])
def test_a_report_that_cannot_be_read_is_not_a_crash(blue: Any, broken: Any) -> None:
    spec = {"title": "t", "dataSources": [], "reportUsers": []}
    node = {"id": "1", "title": "t", "dataSources": [], "reportUsers": [], **broken}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        query = json.loads((await receive())["body"])["query"]
        data = {"report": node, "createReport": node, "company": {"id": "c"}}
        data |= {"reports": {"items": [node, {}], "totalCount": 1, "hasNextPage": False}}
        body = {"data": {key: value for key, value in data.items() if key + "(" in query}}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    blue.service.app = app
    (done,) = perform(blue, step(SALES, Action.CREATE, spec))
    assert done.id == "1"
    with pytest.raises(Unavailable, match="cannot be read"):
        observe(blue, Resource(SALES, "1", spec, "t"), Resource(PIPES, "2", spec, "t"))


moments = st.integers(0, 6)


@given(
    st.lists(st.tuples(moments, st.sampled_from("ab")), max_size=4),
    st.lists(st.tuples(moments, st.sampled_from("abx"), st.booleans()), max_size=4),
    st.randoms(),
)
def test_settling_adopts_each_object_once_in_any_order(asked: Any, there: Any, random: Any) -> None:
    start = datetime(2026, 11, 23, 6, tzinfo=UTC)
    doubts = [
        doubt(
            SALES,
            Action.CREATE,
            {"title": "t", "description": what},
            f"o{n}",
            (start + timedelta(minutes=at)).isoformat(),
        )
        for n, (at, what) in enumerate(asked)
    ]
    live = {
        str(n): settling.Live(str(n), "t", start + timedelta(minutes=at), None, {"title": "t", "description": what})
        for n, (at, what, _) in enumerate(there)
    }
    taken = {str(n) for n, (_, _, owned) in enumerate(there) if owned}

    def judge() -> Any:
        return settling.settle(doubts, live, others(*taken), lambda found, after: (found.node, True), timedelta())

    found = judge()
    assert found.keys() == {one.operation for one in doubts}
    adopted = [one.id for one in found.values() if isinstance(one, Done)]
    assert len(adopted) == len(set(adopted))
    assert not set(adopted) & taken
    for one in doubts:
        if isinstance(settled := found[one.operation], Done):
            assert live[settled.id or ""].node == one.after
        elif isinstance(settled, Absent):
            free = [key for key, other in live.items() if other.node == one.after and key not in taken]
            assert set(free) <= set(adopted)
    random.shuffle(doubts)
    assert judge() == found
