"""Names where ids could stand: one meaning with their ids, and never anything else without them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler import providers
from reconciler.model.diagnostic import Severity
from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.naming import Found, Name, Unfound
from reconciler.model.plan import Action, Step
from reconciler.model.ports import Provider
from reconciler.model.values import Address, lookup
from reconciler.providers import naming
from reconciler.sandbox import world, world_blue
from reconciler.sandbox.server import IN_PROCESS, create_app, environment
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

KINDS = {f"{kind.provider}/{kind.kind.lower()}": kind for kind in providers.kinds(lambda cron, zone: "")}
BLUE, REPORT, EXPORT = KINDS["blue/report"], KINDS["pipefy/report"], KINDS["pipefy/export"]

words = st.text(alphabet="abc", min_size=1, max_size=2)
workspaces = st.lists(st.fixed_dictionaries({"slug": words}) | st.fixed_dictionaries({"name": words}), max_size=3)
sources = st.fixed_dictionaries(
    {}, optional={"projects": st.none() | workspaces, "projectIds": st.none() | st.lists(words, max_size=2)}
)
roles = st.sampled_from(["EDITOR", "VIEWER"])
users = st.lists(
    st.fixed_dictionaries({"userId": words, "role": roles})
    | st.fixed_dictionaries({"email": words.map(lambda word: f"{word}@Acme.example"), "role": roles}),
    max_size=3,
    unique_by=lambda user: user.get("userId") or user.get("email"),
)
pipes = st.lists(st.fixed_dictionaries({"name": words}), min_size=1, max_size=3)
ids = st.lists(st.integers(1, 5), min_size=1, max_size=2)
SPECS = {
    "blue/report": st.fixed_dictionaries(
        {"title": words, "dataSources": st.lists(sources, max_size=3)}, optional={"reportUsers": users}
    ),
    "pipefy/report": st.fixed_dictionaries({"name": words, "pipes": pipes}, optional={"pipeIds": ids}),
    "pipefy/export": st.fixed_dictionaries({"columns": st.just(["a"])}, optional={"pipes": pipes, "pipeIds": ids}),
}
every = st.sampled_from(sorted(SPECS)).flatmap(lambda name: st.tuples(st.just(KINDS[name]), SPECS[name]))


def ids_of(spec: Any, kind: Any) -> dict[Name, str]:
    """An id for each name, two names of a workspace or pipe sharing one now and then."""
    found = {}
    for one in kind.named(spec):
        number = str(sum(map(ord, one.name.value)) % 7 + 1)
        found[one.name] = number if one.name.sort == "pipe" else f"{one.name.sort}{number}"
        if one.name.sort == "user":
            found[one.name] = f"user-{one.name.value}"
    return found


@given(every)
def test_a_name_means_what_its_id_means(case: Any) -> None:
    kind, spec = case
    known = ids_of(spec, kind)
    normal = kind.normalise(spec)
    with_ids = kind.resolved(spec, known)
    assert kind.named(with_ids) == ()
    assert not [found for found in kind.check(with_ids) if found.severity is Severity.ERROR]
    assert kind.normalise(with_ids) == kind.normalise(kind.resolved(normal, known))
    assert set(known) == {one.name for one in kind.named(normal)}
    assert kind.model().model_validate(kind.normalise(with_ids))


@given(every)
def test_a_name_without_its_id_stays_where_the_id_would_be(case: Any) -> None:
    kind, spec = case
    normal = kind.normalise(spec)
    assert kind.normalise(normal) == normal
    assert kind.resolved(spec, {}) == spec
    assert kind.resolved(normal, {}) == normal
    for value in (spec, normal):
        for one in kind.named(value):
            found = lookup(value, one.path)
            assert found == one.name.value or found.casefold() == one.name.value
            assert one.path[-1] == one.name.by
    some = dict(list(ids_of(spec, kind).items())[::2])
    assert {one.name for one in kind.named(kind.resolved(spec, some))} == set(ids_of(spec, kind)) - set(some)
    assert not [found for found in kind.check(normal) if found.severity is Severity.ERROR]


@given(every)
def test_declared_names_fit_the_model_and_the_schema(case: Any) -> None:
    kind, spec = case
    kind.model().model_validate(spec)
    schema = Draft202012Validator(kind.model().model_json_schema())
    assert [error.message for error in schema.iter_errors(spec)] == []


def test_a_source_of_names_alone_is_not_every_workspace() -> None:
    some = BLUE.normalise({"title": "t", "dataSources": [{"projects": [{"slug": "b"}, {"name": "A"}, {"slug": "b"}]}]})
    assert some["dataSources"] == [{"projectIds": [{"name": "A"}, {"slug": "b"}]}]
    everything = BLUE.normalise({"title": "t", "dataSources": [{"projects": []}]})
    assert everything["dataSources"] == [{}]
    assert BLUE.widens(everything, some) == ()
    assert BLUE.widens(some, everything) == ("dataSources[0] reaches every workspace instead of 2 workspaces",)
    assert {found.code for found in BLUE.check({"title": "t", "dataSources": [{"projects": []}]})} == {
        found.code for found in BLUE.check({"title": "t", "dataSources": [{"projectIds": []}]})
    }
    assert BLUE.check({"title": "t", "dataSources": [{"projects": [{"slug": "b"}], "projectIds": []}]}) == []


def test_names_are_not_mentioned_as_ids() -> None:
    spec = {
        "title": "t",
        "dataSources": [{"projects": [{"slug": "b"}], "projectIds": ["a"]}],
        "reportUsers": [{"email": "X@y.example", "role": "VIEWER"}, {"userId": "u", "role": "EDITOR"}],
    }
    normal = BLUE.normalise(spec)
    assert normal["reportUsers"] == [{"userId": "u", "role": "EDITOR"}, {"email": "x@y.example", "role": "VIEWER"}]
    assert BLUE.mentions(normal) == {"workspace": {"a"}, "user": {"u"}}
    named = REPORT.normalise({"name": "n", "pipes": [{"name": "Sales"}], "pipeIds": ["7"]})
    assert named["pipeIds"] == [7, {"name": "Sales"}]
    assert REPORT.mentions(named) == {"pipe": {"7"}, "report": set()}
    assert EXPORT.mentions(EXPORT.normalise({"pipes": [{"name": "Sales"}]})) == {"pipe": set(), "report": set()}
    assert EXPORT.widens(EXPORT.normalise({"pipes": [{"name": "Sales"}]}), EXPORT.normalise({})) == [
        "it covers every pipe that can be reached instead of 1"
    ]


def test_the_paths_of_names_lead_to_their_own_scalars() -> None:
    spec = {
        "title": "t",
        "dataSources": [{}, {"projectIds": ["a"], "projects": [{"slug": "b"}, {"slug": None, "name": "C"}]}],
        "reportUsers": [{"userId": "u", "role": "EDITOR"}, {"email": "X@y.example", "role": "VIEWER"}],
    }
    assert [(one.path, one.name.key) for one in BLUE.named(spec)] == [
        (("dataSources", 1, "projects", 0, "slug"), "workspace:slug:b"),
        (("dataSources", 1, "projects", 1, "name"), "workspace:name:C"),
        (("reportUsers", 1, "email"), "user:email:x@y.example"),
    ]
    assert [(one.path, one.name.key) for one in EXPORT.named({"pipes": [{"name": "Sales"}]})] == [
        (("pipes", 0, "name"), "pipe:name:Sales")
    ]


SOURCE = ("dataSources", 0, "projects", 0)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({}, [("name-missing", SOURCE)]),
        ({"slug": None}, [("name-missing", SOURCE)]),
        ({"slug": "a", "name": "b"}, [("two-names", (*SOURCE, "name"))]),
        ({"slug": " "}, [("blank", (*SOURCE, "slug"))]),
        ({"slug": "a", "name": None}, []),
    ],
)
def test_a_workspace_is_named_by_exactly_one_key(entry: Any, found: Any) -> None:
    spec = {"title": "t", "dataSources": [{"projects": [entry]}]}
    assert [(each.code, each.path) for each in BLUE.check(spec)] == found
    schema = Draft202012Validator(BLUE.model().model_json_schema())
    assert schema.is_valid(spec) == (not found)


@pytest.mark.parametrize(
    ("shared", "found"),
    [
        ([{"role": "EDITOR"}], [("name-missing", ("reportUsers", 0))]),
        ([{"role": "EDITOR", "userId": "u", "email": "e"}], [("two-names", ("reportUsers", 0, "email"))]),
        ([{"role": "EDITOR", "email": ""}], [("blank", ("reportUsers", 0, "email"))]),
        ([{"role": "EDITOR", "userId": "\t"}], [("blank", ("reportUsers", 0, "userId"))]),
        ([{"role": "EDITOR", "userId": None, "email": "sana@acme.example"}], []),
        ([{"role": "EDITOR", "email": "Sana <sana@acme.example>"}], [("bad-email", ("reportUsers", 0, "email"))]),
        ([{"role": "EDITOR", "email": "a@b.example, c@d.example"}], [("bad-email", ("reportUsers", 0, "email"))]),
    ],
)
def test_a_person_is_given_by_exactly_one_key(shared: Any, found: Any) -> None:
    spec = {"title": "t", "dataSources": [], "reportUsers": shared}
    assert [(each.code, each.path) for each in BLUE.check(spec)] == found
    schema = Draft202012Validator(BLUE.model().model_json_schema())
    assert schema.is_valid(spec) == (not found)


def test_a_person_is_listed_once_by_address_in_any_case() -> None:
    shared = [{"email": "a@x.example", "role": "EDITOR"}, {"email": "A@X.example", "role": "VIEWER"}]
    (found,) = BLUE.check({"title": "t", "dataSources": [], "reportUsers": shared})
    assert (found.code, found.path) == ("repeated-user", ("reportUsers", 1, "email"))


def test_pipes_are_given_somehow_and_no_list_of_them_is_empty() -> None:
    def codes(kind: Any, **spec: Any) -> list[Any]:
        return [(each.code, each.path) for each in kind.check(spec) if each.severity is Severity.ERROR]

    assert codes(REPORT, name="n") == [("no-pipes", ())]
    assert codes(REPORT, name="n", pipeIds=None) == [("no-pipes", ("pipeIds",))]
    assert codes(REPORT, name="n", pipes=[]) == [("no-pipes", ("pipes",))]
    assert codes(REPORT, name="n", pipes=[{"name": "\n"}]) == [("blank", ("pipes", 0, "name"))]
    assert codes(EXPORT, columns=["a"], pipes=[], pipeIds=[1]) == [("no-pipes", ("pipes",))]
    assert codes(EXPORT, columns=["a"]) == []


@pytest.mark.parametrize(
    ("address", "action", "after"),
    [
        ("blue/report/a", Action.CREATE, {"title": "t", "dataSources": [{"projectIds": [{"slug": "s"}]}]}),
        ("pipefy/export/a", Action.EXPORT, {"pipeIds": [1, {"name": "s"}]}),
        ("pipefy/export/a", Action.UPDATE, {"pipeIds": [{"name": "s"}]}),
    ],
)
def test_a_name_is_never_sent_nor_recorded(blue: Any, pipefy: Any, address: str, action: Action, after: Any) -> None:
    step = Step(Address.parse(address), action, "", after=after)

    async def ask(provider: Provider) -> None:
        with pytest.raises(LookupError, match="has not been looked up"):
            provider.request(step, {})

    bench = blue if step.address.provider == "blue" else pipefy
    bench.act(ask)
    assert bench.service.seen == []


class World:
    """The emulators, and their providers' look-ups."""

    def __init__(self) -> None:
        self.store = Store(None)
        world.seed(self.store)
        self.switches = Switches(self.store)
        self.requests: list[str] = []
        self.app = create_app(self.store, authenticate=True)
        self.environ = environment(IN_PROCESS)

    async def counted(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests.append(scope["path"])
        await self.app(scope, receive, send)

    def resolve(self, *names: Name, **environ: str) -> dict[Name, Any]:
        async def scene() -> Any:
            connection = providers.connect(
                names[0].provider,
                environ={**self.environ, **environ},
                organization="",
                endpoint="",
                clock=Clock(),
                timeout=5,
                concurrency=4,
                app=self.counted,
                read_only=True,
            )
            async with connection as provider:
                return await provider.resolve(names)

        return asyncio.run(scene())


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    wall = now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def emulators() -> Iterator[World]:
    made = World()
    yield made
    made.store.close()


def workspace(by: str, value: str) -> Name:
    return Name("blue", "workspace", by, value)


def user(value: str) -> Name:
    return Name("blue", "user", "email", value)


def pipe(value: str) -> Name:
    return Name("pipefy", "pipe", "name", value)


MEMBER = dict(zip(("BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET"), world.BLUE_TOKENS["member"], strict=True))


def test_workspaces_and_people_are_found(emulators: World) -> None:
    names = (workspace("slug", "sales-emea"), workspace("name", "Sales APAC"), user("ines@acme.example"))
    assert emulators.resolve(*names) == {
        names[0]: Found("cmws000000000000salesemea"),
        names[1]: Found("cmws000000000000salesapac"),
        names[2]: Found(world_blue.OWNER_ID),
    }
    assert len(emulators.requests) == 3, "the organization, and one list of each sort"


def test_pipes_are_found_with_one_request(emulators: World) -> None:
    names = (pipe("Sales Pipeline"), pipe("Hiring"))
    assert emulators.resolve(*names) == {names[0]: Found("301000001"), names[1]: Found("301000005")}
    assert len(emulators.requests) == 1


def test_nobody_is_asked_about_nothing(blue: Any, pipefy: Any) -> None:
    async def ask(provider: Provider) -> Any:
        return await provider.resolve([])

    for bench in (blue, pipefy):
        assert bench.act(ask, read_only=True) == {}
        assert bench.service.seen == []


def test_the_nearest_are_told_for_what_is_not_there(emulators: World) -> None:
    slug, name, person = workspace("slug", "sales-emae"), workspace("name", "SALES EMEA"), user("inse@acme.example")
    found = emulators.resolve(slug, name, person)
    assert found[slug] == Unfound(found[slug].candidates)
    assert found[slug].candidates[0] == "sales-emea"
    assert found[name].candidates[0] == "Sales EMEA"
    assert found[person].candidates[0] == "ines@acme.example"
    (missing,) = emulators.resolve(pipe("sales pipeline")).values()
    assert missing == Unfound(("Sales Pipeline",))
    (missing,) = emulators.resolve(pipe("zzz")).values()
    assert isinstance(missing, Unfound)
    assert len(missing.candidates) == 5, "all there are, when none is near"
    (stranger,) = emulators.resolve(user("zzz@nowhere.invalid")).values()
    assert stranger == Unfound(), "people are not listed for nothing"


def test_what_is_archived_or_not_joined_is_not_found(emulators: World) -> None:
    archived, private = workspace("slug", "legacy-pipeline"), pipe("Payroll")
    for name in (archived, private):
        (found,) = emulators.resolve(name).values()
        assert isinstance(found, Unfound)
        assert not found.ambiguous
    (found,) = emulators.resolve(workspace("slug", "engineering"), **MEMBER).values()
    assert isinstance(found, Unfound)


def test_a_name_of_several_is_ambiguous(emulators: World) -> None:
    for collection, key in (("pipefy_pipe", "301000005"), ("blue_project", "cmws000000000000salesapac")):
        doc = emulators.store.get(collection, key)
        assert doc is not None
        twin = {"Hiring": "Sales Pipeline", "Sales APAC": "Sales EMEA"}[doc["name"]]
        emulators.store.put(collection, key, {**doc, "name": twin})
    (found,) = emulators.resolve(pipe("Sales Pipeline")).values()
    assert found == Unfound(("301000001 (Sales Pipeline)", "301000005 (Sales Pipeline)"), ambiguous=True)
    by_name, by_slug = workspace("name", "Sales EMEA"), workspace("slug", "sales-apac")
    answers = emulators.resolve(by_name, by_slug)
    assert answers[by_slug] == Found("cmws000000000000salesapac")
    assert answers[by_name] == Unfound(
        (
            "cmws000000000000salesapac (Sales EMEA, slug sales-apac)",
            "cmws000000000000salesemea (Sales EMEA, slug sales-emea)",
        ),
        ambiguous=True,
    )


@pytest.mark.parametrize("emails", ["visible", "blank"])
def test_a_blank_address_is_no_proof_of_anything(emulators: World, emails: str) -> None:
    emulators.switches.set("emails", emails)
    known, stranger, own = user("sana@acme.example"), user("nobody@acme.example"), user("milo@acme.example")
    answers = emulators.resolve(known, stranger, own, **MEMBER)
    assert answers[own] == Found("cmuser000000000000000milo")
    if emails == "visible":
        assert answers[known] == Found("cmuser000000000000000sana")
        assert isinstance(answers[stranger], Unfound)
        assert not answers[stranger].hidden
    else:
        assert answers[known] == answers[stranger] == Unfound(answers[known].candidates, hidden=True)
    assert emulators.resolve(known)[known] == Found("cmuser000000000000000sana"), "an owner sees all"


def test_long_lists_are_read_to_their_end(emulators: World) -> None:
    company = world.BLUE_ORGANIZATION
    world_blue.ensure_workspaces(emulators.store, company, [f"more-{number:03}" for number in range(130)])
    for number in range(420):
        world_blue.ensure_user(emulators.store, company, f"p{number:03}")
    names = (workspace("slug", "more-129"), workspace("slug", "sales-emea"), user("p419@acme.example"))
    assert list(emulators.resolve(*names).values()) == [
        Found("more-129"),
        Found("cmws000000000000salesemea"),
        Found("p419"),
    ]
    assert len(emulators.requests) == 1 + 2 + 3


def test_an_organization_that_is_not_ours_is_an_error(emulators: World) -> None:
    with pytest.raises(CredentialError):
        emulators.resolve(workspace("slug", "a"), BLUE_ORG_ID="elsewhere")
    with pytest.raises(Unavailable):
        emulators.resolve(pipe("a"), PIPEFY_ORG_ID="1")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"projectList": None},
        {"projectList": {"items": [{"id": "1"}], "pipes": [{"id": "1"}]}},
        {"projectList": {"items": [{"id": "1", "slug": "a", "name": None}], "pipes": [{"id": None, "name": "A"}]}},
        {"projectList": {"items": [{"id": 1, "slug": "a", "name": "A"}], "pipes": [{"id": 1, "name": "A"}]}},
        {"projectList": {"items": [{"id": "", "slug": "a", "name": "A"}], "pipes": [{"id": "", "name": "A"}]}},
    ],
)
def test_a_list_that_cannot_be_read_says_so(data: Any) -> None:
    from reconciler.providers.blue import names
    from reconciler.providers.pipefy import names as pipefy_names

    blue: Any = Says(data)
    pipefy: Any = Says({"organization": data.get("projectList")})
    with pytest.raises(Unavailable, match="cannot be read"):
        asyncio.run(names.resolve(blue, "o", [workspace("slug", "a")]))
    with pytest.raises(Unavailable, match="cannot be read"):
        asyncio.run(pipefy_names.resolve(pipefy, 1, [pipe("a")]))


def test_a_pipe_without_a_name_is_nobodys() -> None:
    from reconciler.providers.pipefy import names

    pipefy: Any = Says({"organization": {"pipes": [{"id": "1", "name": None}, None, {"id": "2", "name": "A"}]}})
    answers = asyncio.run(names.resolve(pipefy, 1, [pipe("A"), pipe("B")]))
    assert answers == {pipe("A"): Found("2"), pipe("B"): Unfound(("A",))}


def test_a_list_without_end_is_given_up() -> None:
    from reconciler.providers.blue import names

    page = {"items": [{"id": "1", "slug": "a", "name": "A"}], "pageInfo": {"hasNextPage": True}}
    blue: Any = Says({"projectList": page})
    with pytest.raises(Unavailable, match="repeats a page"):
        asyncio.run(names.resolve(blue, "o", [workspace("slug", "a")]))


def test_a_list_of_reports_without_end_is_given_up() -> None:
    from reconciler.providers.blue.provider import BlueProvider

    report = {
        "id": "r",
        "title": "T",
        "dataSources": [],
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
    }
    client: Any = Says({"reports": {"items": [report], "hasNextPage": True, "totalCount": 1}, "company": {"id": "o"}})
    with pytest.raises(Unavailable, match="repeats a page"):
        asyncio.run(BlueProvider(client, {}, "o").list_all())


def test_addresses_that_only_fold_to_the_same_are_two_people(emulators: World) -> None:
    doc = emulators.store.get("blue_user", "cmuser000000000000000sana")
    assert doc is not None
    emulators.store.put("blue_user", doc["id"], {**doc, "email": "strasse@ACME.example"})
    spec = {"title": "t", "dataSources": [], "reportUsers": [{"email": "Stra\u00dfe@acme.example", "role": "VIEWER"}]}
    (other,) = (one.name for one in BLUE.named(spec))
    same = user("strasse@acme.example")
    answers = emulators.resolve(other, same)
    assert answers[same] == Found(doc["id"])
    assert answers[other].candidates[0] == "strasse@acme.example"
    spec["reportUsers"].append({"email": "strasse@acme.example", "role": "EDITOR"})
    assert BLUE.check(spec) == []


class Says:
    """A client that gives one answer."""

    def __init__(self, data: Any) -> None:
        self.data = data

    async def query(self, *_: Any) -> Any:
        return self


@given(st.text(max_size=5), st.lists(st.tuples(st.sampled_from("123"), st.text(max_size=5)), max_size=20))
def test_a_name_is_found_exactly_when_one_thing_has_it(value: str, listed: list[tuple[str, str]]) -> None:
    known = naming.grouped(naming.Known(id_, text, text) for id_, text in listed)
    having = {id_ for id_, text in listed if text == value}
    found = naming.match(value, known)
    if len(having) == 1:
        assert found == Found(having.pop())
    else:
        assert isinstance(found, Unfound)
        assert found.ambiguous == bool(having)
        assert len(found.candidates) <= naming.CANDIDATES
        assert bool(found.candidates) == bool(listed)
