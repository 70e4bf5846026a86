"""The command line's contract against a real server: keys, codes, saved plans, state, hostile words."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from strict_project import BLUE, EXPORT, FULL, QUICK, SAVED, Strict, named

DOCUMENTS = [named(BLUE, "a"), named(SAVED, "c")]
ODD = '\u202eE 😀 \x1b[31mred\x07 \u2066 "q" \\ <b> | `c` \x85 \u2028 }} %}'
RAW = ("\x1b", "\x07", "\u202e", "\u2066", "\x85", "\u2028")


def quoted(text: str) -> str:
    """A double-quoted YAML scalar; YAML knows no surrogate pairs."""
    return json.dumps(text, ensure_ascii=False).translate({code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x202E)})


def test_machine_formats_have_the_keys_of_the_contract(strict: Strict) -> None:
    strict.declare(named(FULL, "a"), named(SAVED, "c"), named(EXPORT, "e"))
    validated = strict.run("validate", "--format", "json").json
    assert validated["format"] == "reconciler.diagnostics/1"
    assert validated["summary"] == {"errors": 0, "warnings": 0, "resources": 3}
    plan = strict.plan()
    assert plan["format"] == "reconciler.plan/1"
    assert plan.keys() >= {
        *("format", "digest", "created", "expires", "tool", "environment", "targets", "base", "source"),
        *("steps", "drift", "unchanged", "summary"),
    }
    assert all(target.keys() >= {"endpoint", "organization"} for target in plan["targets"].values())
    assert plan["base"].keys() >= {"lineage", "position"}
    assert plan["source"].keys() >= {"tree", "commit"}
    keys = {"address", "action", "id", "reason", "changes", "remote_digest", "occurrence", "warnings"}
    assert all(step.keys() >= keys for step in plan["steps"])
    assert all(change.keys() == {"path", "before", "after"} for step in plan["steps"] for change in step["changes"])
    actions = {"create", "update", "delete", "adopt", "move", "forget", "export", "unchanged"}
    assert plan["summary"].keys() == actions
    assert strict.apply().code == 0
    state = strict.state()
    assert state["format"] == "reconciler.state/1"
    assert state.keys() >= {"format", "lineage", "position", "resources", "in_doubt", "exports"}
    assert all(kept.keys() >= {"address", "id", "protected", "applied_at"} for kept in state["resources"])
    keys = {"address", "last_occurrence", "state", "location", "sha256", "bytes"}
    assert all(kept.keys() >= keys for kept in state["exports"])
    strict.declare(named(FULL, "a").replace("title: Blue a", "title: 5"))
    wrong = strict.run("validate", "--format", "json")
    assert wrong.code == 3
    (found,) = wrong.json["diagnostics"]
    keys = {"severity", "code", "message", "file", "line", "column", "end_line", "end_column", "address", "hint"}
    assert found.keys() == keys


@pytest.mark.parametrize(
    "arguments",
    [
        "aply",
        "plan --bogus",
        "plan --set x",
        "plan --select zzz",
        "plan --state nope",
        "apply --yes --timeout nan",
        "apply --yes --settle-delay nan",
        "apply --yes --poll-interval inf",
        "apply --yes --concurrency 0",
        "apply",
        "state show nope",
        "sandbox serve --port 99999",
    ],
)
def test_wrong_usage_ends_with_64_and_sends_nothing(strict: Strict, arguments: str) -> None:
    strict.declare(*DOCUMENTS)
    ran = strict.run(*arguments.split())
    assert ran.code == 64, (ran.code, ran.err)
    assert "error" in ran.err.lower()
    assert strict.server.seen == []


@pytest.mark.parametrize(
    ("arguments", "code"), [("plan --dir nowhere", 3), ("plan --env nope", 3), ("apply x.json", 6)]
)
def test_what_is_not_there_is_told(strict: Strict, arguments: str, code: int) -> None:
    strict.declare(*DOCUMENTS)
    assert strict.run(*arguments.split()).code == code


def edited(plan: Path) -> None:
    content = json.loads(plan.read_text(encoding="utf-8"))
    content["steps"] = content["steps"][:1]
    plan.write_text(json.dumps(content), encoding="utf-8")


def untouched(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("touch", "arguments", "variables", "word"),
    [
        (edited, [], {}, "edited"),
        (untouched, [], {"RECONCILER_NOW": "2031-01-01T00:00:00Z"}, "expired"),
        (untouched, [], {"BLUE_ORG_ID": "elsewhere"}, "organization"),
        (untouched, ["--env", "prod"], {}, "environment"),
        (untouched, [], {"RECONCILER_PLAN_KEY": "k"}, "signed"),
    ],
    ids=["edited", "expired", "organization", "environment", "unsigned"],
)
def test_a_saved_plan_is_refused(
    strict: Strict, touch: Callable[[Path], None], arguments: list[str], variables: dict[str, str], word: str
) -> None:
    strict.declare(*DOCUMENTS)
    environment = "apiVersion: reconciler/v1\nkind: Environment\nmetadata: {name: prod}\nspec: {values: {}}\n"
    strict.program.write("manifests/environments/prod.yaml", environment)
    assert strict.run("plan", "--out", "p.json").code == 0
    touch(strict.program.folder / "p.json")
    refused = strict.run("apply", "p.json", "--format", "json", *arguments, **variables)
    assert refused.code == 6, refused.err
    assert word in refused.err
    assert strict.server.seen == []
    assert refused.events[-1]["exit_code"] == 6


def test_a_saved_plan_is_performed_once_and_not_when_it_is_stale(strict: Strict) -> None:
    strict.declare(*DOCUMENTS)
    for name in ("first.json", "second.json"):
        assert strict.run("plan", "--out", name).code == 0
    strict.declare(*DOCUMENTS, named(SAVED, "other"))
    assert strict.run("plan", "--out", "other.json").code == 0
    made = len(strict.server.world.made)
    ran = strict.run("apply", "first.json", "--format", "json", *QUICK)
    assert ran.code == 0
    strict.truthful(ran, made)
    mutations = len(strict.server.mutations)
    for name, word in (("first.json", "used"), ("other.json", "stale")):
        refused = strict.run("apply", name)
        assert refused.code == 6
        assert word in refused.err, (name, refused.err)
    assert len(strict.server.mutations) == mutations


@pytest.mark.parametrize("damage", ["half", "noise", "flipped"])
def test_a_damaged_state_ends_with_5_and_sends_nothing(strict: Strict, damage: str) -> None:
    strict.declare(*DOCUMENTS)
    assert strict.apply().code == 0
    file = strict.program.folder / ".reconciler" / "state.db"
    content = file.read_bytes()
    at = content.rfind(b"clrep")
    damaged = {
        "half": content[: len(content) // 2],
        "noise": os.urandom(4096),
        "flipped": content[:at] + b"X" + content[at + 1 :],
    }
    file.write_bytes(damaged[damage])
    strict.declare(*DOCUMENTS, named(BLUE, "new"))
    before = len(strict.server.seen)
    for command in (["apply", "--yes", "--format", "json"], ["state", "list"]):
        assert strict.run(*command).code == 5, command
    assert len(strict.server.seen) == before


def test_a_state_that_cannot_be_written_sends_nothing(strict: Strict) -> None:
    strict.declare(*DOCUMENTS)
    strict.program.write("taken", "a file where a folder should be")
    ran = strict.apply("--state", "sqlite:taken/state.db")
    assert ran.code == 5
    assert strict.server.mutations == []


def test_hostile_words_are_kept_for_the_service_and_escaped_for_people(strict: Strict) -> None:
    text = quoted(ODD + "{{ '{{' }}")
    kept = ODD + "{{"
    strict.declare(
        f"apiVersion: blue/v1\nkind: Report\nmetadata: {{name: a}}\nspec:\n  title: {text}\n  description: {text}\n"
        f"  dataSources: [{{name: {text}, filters: {{{quoted(ODD)}: [1, 1.5, null, true]}}}}]\n"
        f"---\napiVersion: pipefy/v1\nkind: Report\nmetadata: {{name: c}}\nspec:\n"
        f"  name: {text}\n  pipeIds: [301000001]\n"
    )
    shown = [strict.run("plan", "--format", name) for name in ("text", "json", "markdown")]
    shown.append(strict.run("apply", "--yes", *QUICK))
    shown += [strict.run(*command) for command in (["state", "list"], ["show", "blue/report/a"], ["plan", "--refresh"])]
    assert {ran.code for ran in shown} == {0}
    assert [raw for ran in shown for raw in RAW if raw in ran.out + ran.err] == []
    (report,) = strict.server.world.blue.values()
    (saved,) = strict.server.world.saved.values()
    assert (report["title"], report["description"], saved["name"]) == (kept, kept, kept)
    assert report["dataSources"][0]["filters"] == {ODD: [1, 1.5, None, True]}
    assert strict.run("plan", "--refresh", "--detailed-exitcode").code == 0


def test_what_the_service_says_is_escaped(strict: Strict) -> None:
    strict.declare(*DOCUMENTS)
    strict.server.fail("createReport", "null", code="BAD_USER_INPUT\x1b[31m\u202e")
    ran = strict.run("apply", "--yes", *QUICK)
    assert ran.code == 7
    assert [raw for raw in RAW if raw in ran.out + ran.err] == []


def test_line_ends_do_not_matter(strict: Strict) -> None:
    strict.declare(named(FULL, "a"))
    assert strict.apply().code == 0
    file = strict.program.folder / "manifests" / "all.yaml"
    file.write_bytes(named(FULL, "a").replace("\n", "\r\n").encode())
    assert strict.run("plan", "--detailed-exitcode").code == 0


def test_a_pretended_time_that_is_none_still_ends_the_stream(strict: Strict) -> None:
    strict.declare(*DOCUMENTS)
    ran = strict.apply(RECONCILER_NOW="yesterday")
    assert ran.code == 64


@pytest.mark.parametrize(("output", "code"), [("| head -1 >/dev/null", 0), (">/dev/full", 1), ("2>/dev/full", 0)])
def test_a_reader_that_leaves_changes_nothing(strict: Strict, output: str, code: int) -> None:
    strict.declare(*DOCUMENTS)
    command = shlex.join(strict.program.command("apply", "--yes", "--format", "json", *QUICK))
    ran = subprocess.run(
        ["bash", "-c", f"{command} {output}; exit ${{PIPESTATUS[0]}}"],
        cwd=strict.program.folder,
        env=strict.program.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    assert "Exception" not in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(strict.server.world.made) == 2
    strict.settled()
