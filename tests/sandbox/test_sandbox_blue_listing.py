"""The list of reports: order, visibility, pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from blue_sandbox import ORGANIZATION, READ, Blue
from hypothesis import given, settings
from hypothesis import strategies as st

LIST = """query ($filter: ReportFilter!, $skip: Int, $take: Int) {
  reports(filter: $filter, skip: $skip, take: $take) { items { id title } totalCount hasNextPage hasPreviousPage } }"""
ALL = {"companyId": "acme"}


@pytest.fixture
def blue() -> Iterator[Blue]:
    with Blue() as service:
        yield service


def titles(blue: Blue, **more: Any) -> list[str]:
    return [item["title"] for item in blue.ask(LIST, **{"filter": ALL, **more})["items"]]


def test_the_list_is_ordered_by_the_last_change(blue: Blue) -> None:
    for title in "abc":
        blue.create(title=title)
    assert titles(blue) == ["c", "b", "a"]  # all within one millisecond
    blue.update(blue.reports()[0]["id"], title="A")
    blue.tick(1)
    blue.update(blue.reports()[1]["id"], title="B")
    assert titles(blue) == ["B", "A", "c"]


def test_the_list_leaves_out_what_is_not_visible(blue: Blue) -> None:
    blue.create(title="shared")
    blue.update(blue.reports()[0]["id"], reportUsers=[{"userId": blue.user("milo"), "role": "VIEWER"}])
    blue.create(title="private")
    blue.create(title="own", who="member")
    assert titles(blue, who="member") == ["own", "shared"]
    assert titles(blue) == ["private", "shared"]
    for name, seen in (("ines", ["shared"]), ("milo", ["own"])):
        assert titles(blue, who="member", filter=ALL | {"createdById": blue.user(name)}) == seen
    assert titles(blue, filter={"companyId": ORGANIZATION}, organization="") == ["private", "shared"]


def test_admin_view(blue: Blue) -> None:
    blue.create(title="members", who="member")
    blue.create(title="owners")
    everything = ALL | {"adminView": True}
    assert titles(blue, filter=everything) == ["owners", "members"]
    assert titles(blue, filter=everything, who="member") == ["members"]
    hidden = next(report["id"] for report in blue.reports() if report["title"] == "members")
    assert blue.code(READ % "id", id=hidden) == "REPORT_NOT_FOUND"
    blue.switch(admin_view="validation_error")
    answer = blue.post(
        LIST.replace("$filter: ReportFilter!,", "").replace("$filter", '{companyId: "acme", adminView: true}')
    )
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert blue.code(LIST, filter=everything) == "BAD_USER_INPUT"


@pytest.mark.parametrize(("who", "company"), [("owner", "nowhere"), ("outsider", "acme")])
def test_an_organization_that_is_not_the_callers_has_no_list(blue: Blue, who: str, company: str) -> None:
    assert blue.code(LIST, filter={"companyId": company}, who=who) == "COMPANY_NOT_FOUND"


def test_the_default_page_is_twenty(blue: Blue) -> None:
    for index in range(21):
        blue.create(title=str(index))
    page = blue.ask(LIST, filter=ALL)
    assert (len(page["items"]), page["totalCount"], page["hasNextPage"], page["hasPreviousPage"]) == (
        20,
        21,
        True,
        False,
    )
    assert len(blue.ask(LIST, filter=ALL, skip=None, take=None)["items"]) == 20
    assert blue.ask(LIST, filter=ALL, skip=-3, take=-1)["items"] == []


@settings(max_examples=25, deadline=None)
@given(total=st.integers(0, 9), take=st.integers(1, 5))
def test_pages_cover_everything_once(total: int, take: int) -> None:
    with Blue() as blue:
        made = [blue.create(title=str(index))["id"] for index in range(total)]
        seen: list[str] = []
        more = True
        while more:
            page = blue.ask(LIST, filter=ALL, skip=len(seen), take=take)
            assert (page["totalCount"], page["hasPreviousPage"]) == (total, bool(seen))
            seen += [item["id"] for item in page["items"]]
            more = page["hasNextPage"]
    assert seen == made[::-1]
