"""`explain` on a command line."""

from __future__ import annotations

from typing import Any


def test_an_explanation_is_a_page(cli: Any) -> None:
    ran = cli("explain", "blue/report.dataSources.filters")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("blue/report.dataSources.filters\nmapping, optional\n")
    assert "\nExample:\n  spec:\n    dataSources:\n" in ran.out


def test_without_a_topic_everything_is_listed(cli: Any) -> None:
    ran = cli("explain")
    assert ran.code == 0
    names = [line.split()[0] for line in ran.out.splitlines() if line[:1].isalpha()]
    assert {"blue/report", "pipefy/report", "pipefy/export", "project", "environment", "lint"} <= set(names)
    assert not list(cli.folder.iterdir())


def test_words_of_a_kind_may_be_apart(cli: Any) -> None:
    apart = cli("explain", "blue/v1", "Report.dataSources[0].filters")
    assert apart.code == 0
    assert apart.out == cli("explain", "blue/report.dataSources.filters").out


def test_for_machines_it_is_data(cli: Any) -> None:
    told = cli("explain", "blue/report.lifecycle.onRemove", "--format", "json").json
    assert told == {
        "title": "blue/report.lifecycle.onRemove",
        "description": told["description"],
        "type": "text, optional",
        "default": "delete",
        "values": ["delete", "detach"],
        "example": {"lifecycle": {"onRemove": "detach"}},
    }


def test_colour_is_for_terminals(cli: Any) -> None:
    assert "\x1b[" in cli("explain", "blue/report", "--color", "always").out
    assert "\x1b" not in cli("explain", "blue/report").out


def test_what_does_not_exist_is_wrong_usage(cli: Any) -> None:
    ran = cli("explain", "blue/report.titel")
    assert (ran.code, ran.out) == (64, "")
    assert "did you mean title?" in ran.err
    assert "dataSources" in ran.err
    hostile = cli("explain", "x\x1b[31m\u202e")
    assert hostile.code == 64
    assert "\x1b" not in hostile.err
    assert "\u202e" not in hostile.err


def test_text_is_as_wide_as_the_terminal_and_never_wider_than_a_page(cli: Any) -> None:
    for columns, widest in (("80", 80), ("60", 60), ("300", 100)):
        for topic in ("", "filter", "lint", "project.lint.rules", "pipefy/export"):
            told = cli("explain", *topic.split(), COLUMNS=columns).out.partition("\nExample:")[0]
            assert max(map(len, told.splitlines())) <= widest, topic
    assert max(map(len, cli("explain", "pipefy/export", COLUMNS="300").out.splitlines())) > 80


def test_a_word_that_is_several_things_lists_them(cli: Any) -> None:
    ran = cli("explain", "filter")
    assert (ran.code, ran.err) == (0, "")
    assert "pipefy/report.filter" in ran.out
    assert cli("explain", "schedule").out.startswith("pipefy/export.schedule\n")
