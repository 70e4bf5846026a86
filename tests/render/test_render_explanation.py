"""Explanations as people read them."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.render.explanation import explanation_text

ENTRIES = [
    {"name": "name", "type": "text", "required": True, "description": "What it is called."},
    {"name": "filters", "type": "list of mappings", "required": False, "description": "Word after word. " * 20},
    {"name": "empty", "type": "anything", "required": False, "description": ""},
]
FIELD = {
    "title": "blue/report.sources",
    "type": "list of mappings, optional",
    "description": "The first paragraph, which is long enough to need more than one line of a page. " * 2 + "\n\nMore.",
    "values": ["a", "yes", 1, None, "0 6 * * 1"],
    "default": "a",
    "limits": ["at least 1 entries", "not blank"],
    "documentation": "Blue: 'Create a Report'",
    "entries": ENTRIES,
    "example": {
        "spec": {
            "sources": [
                {"name": "EMEA: all", "filters": {"done": False, "tags": ["a", "b"]}},
                {"name": "x" * 70, "filters": {}, "none": None, "words": ["word " * 20]},
            ]
        }
    },
}
EVIL = "a\u202eb\x1b[31m\x9b2J\r\n::error::x\u2028` \u200b"


def test_a_field(golden: Callable[[str, str], None]) -> None:
    golden("explanation.txt", explanation_text(FIELD))
    golden("explanation.color.txt", explanation_text(FIELD, color=True))


def test_a_list_and_a_rule(golden: Callable[[str, str], None]) -> None:
    entries = [{"name": "blue/report", "description": "A report."}, {"name": "lint", "description": "Rules."}]
    shown = explanation_text({"title": "", "description": "What there is.", "entries": entries})
    shown += explanation_text({"title": "a-rule", "type": "lint rule, warning", "description": "Summary.\n\nWhy."})
    golden("explanation.list.txt", shown)


def test_hostile_words_are_harmless(golden: Callable[[str, str], None]) -> None:
    entries = [{"name": "n", "type": "text", "description": EVIL}]
    told = {"title": EVIL, "description": EVIL, "values": [EVIL], "default": EVIL, "entries": entries}
    golden("explanation.hostile.txt", explanation_text({**told, "example": {EVIL: [EVIL, {EVIL: EVIL}]}}))


def test_a_narrow_terminal_has_the_same_words_on_more_lines() -> None:
    wide, narrow = explanation_text(FIELD), explanation_text(FIELD, width=60)
    assert wide.split() == narrow.split()
    assert max(map(len, narrow.partition("\nExample:")[0].splitlines())) <= 60
    assert explanation_text(FIELD, width=500) == wide
