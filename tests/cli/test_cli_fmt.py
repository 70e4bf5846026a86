"""`reconciler fmt`: which files, what is written, what is said."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

UGLY = "kind:   Report\napiVersion: blue/v1   # c\nspec:\n    dataSources:\n    - {filters: {done : false}}\n"
NICE = "apiVersion: blue/v1   # c\nkind: Report\nspec:\n  dataSources:\n    - {filters: {done: false}}\n"
WRONG = "a: [\n"
FORMER = "apiVersion: blue/v1alpha1\nkind: Report\nmetadata: {name: a}\nspec: {name: x, sources: [{}]}\n"


def test_the_manifests_of_this_repository_are_canonical(company: Any) -> None:
    ran = company("fmt", "--check")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_every_file_of_the_folder_is_formatted(cli: Any) -> None:
    cli.declare(UGLY, project="apiVersion:   reconciler/v1\nnonsense: yes\n")
    cli.write("manifests/environments/x.yaml", "b :  1\r\n")
    cli.write("manifests/deep/er/a.yml", "\ufeffc: 1\n")
    cli.write("manifests/notes.txt", "d :  1\n")
    cli.write("manifests/.hidden.yaml", "e :  1\n")
    ran = cli("fmt")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "manifests/all.yaml",
        "manifests/deep/er/a.yml",
        "manifests/environments/x.yaml",
        "manifests/reconciler.yaml",
    ]
    assert (cli.folder / "manifests/all.yaml").read_bytes().decode() == NICE
    assert (cli.folder / "manifests/environments/x.yaml").read_bytes() == b"b: 1\n"
    assert (cli.folder / "manifests/deep/er/a.yml").read_bytes() == b"c: 1\n"
    assert (cli.folder / "manifests/reconciler.yaml").read_text() == "apiVersion: reconciler/v1\nnonsense: yes\n"
    assert (cli.folder / "manifests/.hidden.yaml").read_text() == "e :  1\n"
    again = cli("fmt")
    assert (again.code, again.out) == (0, "")
    assert sorted(file.name for file in (cli.folder / "manifests").iterdir()) == [
        *(".hidden.yaml", "all.yaml", "deep", "environments", "notes.txt", "reconciler.yaml")
    ]


def test_check_lists_and_writes_nothing(cli: Any) -> None:
    cli.declare(UGLY)
    ran = cli("fmt", "--check")
    assert (ran.code, ran.out) == (2, "manifests/all.yaml\n")
    assert (cli.folder / "manifests/all.yaml").read_text() == UGLY
    assert cli("fmt", "--check", "--format", "json").json == {
        "format": "reconciler.fmt/1",
        "changed": ["manifests/all.yaml"],
        "unchanged": 1,
        "refused": [],
    }


def test_diff_shows_and_writes_nothing(cli: Any) -> None:
    cli.declare("a :  1\nb: 2")
    ran = cli("fmt", "--diff")
    assert (ran.code, ran.out) == (
        0,
        "--- manifests/all.yaml\n+++ manifests/all.yaml\n@@ -1,2 +1,2 @@\n"
        "-a :  1\n-b: 2\n\\ No newline at end of file\n+a: 1\n+b: 2\n",
    )
    assert (cli.folder / "manifests/all.yaml").read_text() == "a :  1\nb: 2"
    assert cli("fmt", "--diff", "--check").code == 2
    assert cli("fmt", "--diff", "--check", "--format", "json").json["diff"] == ran.out
    cli.write("manifests/all.yaml", "\ufeffa: 1\n")
    assert "-\ufeffa: 1\n+a: 1\n" in cli("fmt", "--diff").out


def test_wrong_yaml_is_shown_and_the_rest_is_done(cli: Any) -> None:
    cli.declare(UGLY)
    cli.write("manifests/one.yaml", WRONG)
    cli.write("manifests/two.yaml", "a: 1\na :  2\n")
    ran = cli("fmt")
    assert (ran.code, ran.out) == (3, "manifests/all.yaml\n")
    assert "manifests/one.yaml:1:4: error[yaml-syntax]" in ran.err
    assert "manifests/two.yaml:2:1: error[yaml-duplicate-key]" in ran.err
    assert (cli.folder / "manifests/all.yaml").read_text() == NICE
    assert (cli.folder / "manifests/one.yaml").read_text() == WRONG
    assert (cli.folder / "manifests/two.yaml").read_text() == "a: 1\na :  2\n"
    assert cli("fmt", "--check").code == 3


def test_what_cannot_be_formatted_safely_is_left_and_told(cli: Any) -> None:
    cli.declare("  --- x\n")
    ran = cli("fmt", "--check")
    assert (ran.code, ran.out) == (0, "")
    assert (
        ran.err
        == "warning: manifests/all.yaml is left as it is: formatting it would change the values of its document 1\n"
    )
    assert cli("fmt", "--check", "--format", "json").json["refused"] == [
        {"file": "manifests/all.yaml", "reason": "formatting it would change the values of its document 1"}
    ]
    assert cli("fmt", "--quiet").err == ""
    assert (cli.folder / "manifests/all.yaml").read_text() == "  --- x\n"


def test_named_files_and_folders(cli: Any) -> None:
    cli.declare(UGLY)
    for name in ("manifests/b/one.yaml", "manifests/b/two.yaml", "elsewhere/three.txt"):
        cli.write(name, "a :  1\n")
    assert cli(
        "fmt", "elsewhere/three.txt", "manifests/b/one.yaml", "./manifests/b/../b/one.yaml"
    ).out.splitlines() == [
        "elsewhere/three.txt",
        "manifests/b/one.yaml",
    ]
    assert cli("fmt", "manifests/b").out == "manifests/b/two.yaml\n"
    assert cli("fmt", "manifests").out == "manifests/all.yaml\n"
    ran = cli("fmt", "manifests/all.yaml", "nowhere.yaml")
    assert (ran.code, ran.err) == (64, "error: there is no file nowhere.yaml\n")


def test_it_needs_no_project(cli: Any) -> None:
    cli.write("a.yaml", "a :  1\n")
    assert cli("fmt", "a.yaml").code == 0
    ran = cli("fmt")
    assert ran.code == 3
    assert "folder-missing" in ran.err


def test_stdin_goes_to_stdout(cli: Any) -> None:
    ran = cli("fmt", "-", answer="a :  'é'\r\n")
    assert (ran.code, ran.out, ran.err) == (0, 'a: "é"\n', "")
    assert cli("fmt", "-", answer="  --- x\n").out == "  --- x\n"
    assert (cli("fmt", "-", "--check", answer="a :  1\n").code, cli("fmt", "-", "--check", answer="a: 1\n").code) == (
        2,
        0,
    )
    assert cli("fmt", "-", "--diff", answer="a :  1\n").out.startswith("--- -\n+++ -\n@@")
    assert cli("fmt", "-", "--check", "--format", "json", answer="a :  1\n").json["changed"] == ["-"]
    ran = cli("fmt", "-", answer=WRONG)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("-:1:4: error[yaml-syntax]")
    assert cli("fmt", "-", "a.yaml").code == 64
    assert cli("fmt", "-", "--format", "json").code == 64
    assert "file-size" in cli("fmt", "-", answer="#" * (16 * 1024 * 1024 + 1)).err


def test_former_versions_are_rewritten(cli: Any) -> None:
    cli.declare(FORMER)
    assert cli("fmt").out == ""
    assert cli("fmt", "--upgrade", "--check").code == 2
    assert cli("fmt", "--upgrade").out == "manifests/all.yaml\n"
    text = "apiVersion: blue/v1\nkind: Report\nmetadata: {name: a}\nspec: {title: x, dataSources: [{}]}\n"
    assert (cli.folder / "manifests/all.yaml").read_text() == text
    assert cli("fmt", "--upgrade").out == ""
    cli.declare(FORMER.replace("name: x", "name: x, title: y"))
    ran = cli("fmt", "--upgrade")
    assert (ran.code, ran.out) == (3, "")
    assert "manifests/all.yaml:4:14: error[former-field]" in ran.err or ":4:8: error[former-field]" in ran.err


def test_permissions_stay_and_links_are_followed_inside_only(cli: Any) -> None:
    cli.declare(UGLY)
    file = cli.folder / "manifests/all.yaml"
    file.chmod(0o640)
    outside = cli.write("outside.yaml", "a :  1\n")
    inside = cli.write("manifests/.kept/inside.txt", "a :  1\n")
    (cli.folder / "manifests/out.yaml").symlink_to(outside)
    (cli.folder / "manifests/in.yaml").symlink_to(inside)
    os.mkfifo(cli.folder / "manifests/pipe.yaml")
    ran = cli("fmt")
    assert ran.code == 3
    assert ran.out == "manifests/all.yaml\nmanifests/in.yaml\n"
    assert "file-outside" in ran.err
    assert "file-special" in ran.err
    assert outside.read_text() == "a :  1\n"
    assert inside.read_text() == "a: 1\n"
    assert (cli.folder / "manifests/in.yaml").is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_that_cannot_be_replaced_stays_whole(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.declare(UGLY)
    cli.write("manifests/b.yaml", "a :  1\n")
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name == "all.yaml":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    ran = cli("fmt")
    assert ran.code == 1
    assert "cannot write manifests/all.yaml: No space left on device" in ran.err
    assert (cli.folder / "manifests/all.yaml").read_text() == UGLY
    assert (cli.folder / "manifests/b.yaml").read_text() == "a: 1\n"
    assert sorted(file.name for file in (cli.folder / "manifests").iterdir()) == [
        "all.yaml",
        "b.yaml",
        "reconciler.yaml",
    ]


def test_the_machine_format_is_complete(cli: Any) -> None:
    cli.declare(UGLY)
    cli.write("manifests/é.yaml", "a :  1\n")
    shown = json.loads(cli("fmt", "--format", "json").out)
    assert shown == {
        "format": "reconciler.fmt/1",
        "changed": ["manifests/all.yaml", "manifests/é.yaml"],
        "unchanged": 1,
        "refused": [],
    }
