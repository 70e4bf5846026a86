"""`init`: a project that works at once, in whatever folder it is asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from reconciler.state.backends import BACKENDS

WORKFLOW = ".github/workflows/reconciler.yml"


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git/" not in path.as_posix()
    }


def test_a_new_project_works_at_once(cli: Any) -> None:
    ran = cli("init")
    assert (ran.code, ran.err) == (0, "")
    told = re.findall(r"^wrote (.*)$", ran.out, re.MULTILINE)
    assert sorted(told) == sorted(everything(cli.folder))
    assert len([name for name in told if name.startswith("manifests/")]) == 4
    validated = cli("validate", "--format", "json")
    assert validated.code == 0
    assert validated.json["diagnostics"] == []
    assert cli("plan").code == 0
    for step in re.findall(r"^  reconciler (.*)$", ran.out, re.MULTILINE):
        assert cli(*step.split(), *(["--yes"] if step.startswith("apply") else [])).code == 0, step
    assert len(list((cli.folder / "exports").glob("*.xlsx"))) == 1
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0


def test_what_it_writes_is_formatted(cli: Any) -> None:
    assert cli("init").code == 0
    assert cli("fmt", "--check").code == 0


@pytest.mark.parametrize("folder", ["manifests", "deep/er", "."])
def test_every_file_names_the_schema_that_it_satisfies(cli: Any, folder: str) -> None:
    assert cli("init", "new", "--dir", folder).code == 0
    checked = 0
    for file in (cli.folder / "new").rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        documents = [part for part in re.split(r"^---\n", text, flags=re.MULTILINE) if part]
        for document in documents:
            header = re.match(r"# yaml-language-server: \$schema=(\S+)\n", document)
            assert header, file
            schema = json.loads((file.parent / header[1]).read_text(encoding="utf-8"))
            jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(document))
            checked += 1
    assert checked == 5


def test_the_manifests_folder_is_named_by_the_shared_option(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = cli("init", "new", "--dir", "reports/here")
    assert "cd new" in ran.out
    assert "reconciler validate --dir reports/here" in ran.out
    monkeypatch.chdir(cli.folder / "new")
    assert cli("validate", "--dir", "reports/here").code == 0
    workflow = yaml.safe_load(Path(WORKFLOW).read_text(encoding="utf-8"))
    assert workflow["env"]["RECONCILER_DIR"] == "reports/here"
    for outside in ("../there", "/there", "a/../../b"):
        assert cli("init", "--dir", outside).code == 64


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Revenue Reports", "revenue-reports"),
        ("übung", "ubung"),
        ("2026", "2026"),
        ("true", "true"),
        ("1e5", "1e5"),
        ("報告", "reports"),
        ("./-._x_.-", "x"),
        ("a" * 200, "a" * 128),
    ],
)
def test_the_project_is_called_like_its_folder(cli: Any, folder: str, name: str) -> None:
    assert cli("init", folder).code == 0
    project = (cli.folder / folder / "manifests/reconciler.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(project)["metadata"]["name"] == name
    assert cli("validate", "--dir", f"{folder}/manifests").code == 0


def test_a_second_time_changes_nothing(cli: Any) -> None:
    cli("init")
    before = everything(cli.folder)
    ran = cli("init", "--format", "json")
    assert ran.code == 0
    assert ran.json["written"] == []
    assert sorted(ran.json["kept"]) == sorted(before)
    assert everything(cli.folder) == before


def test_what_is_there_is_never_replaced(cli: Any) -> None:
    cli.write("manifests/reconciler.yaml", "mine")
    cli.write("manifests/blue/pipeline.yaml", "mine too")
    (cli.folder / "manifests/environments/default.yaml").mkdir(parents=True)
    before = everything(cli.folder)
    ran = cli("init")
    assert (ran.code, ran.out) == (64, "")
    for name in ("manifests/reconciler.yaml", "manifests/blue/pipeline.yaml", "manifests/environments/default.yaml"):
        assert name in ran.err
    assert everything(cli.folder) == before
    cli.write("file", "")
    assert cli("init", "file").code == 64


def test_a_workflow_and_ignored_files_of_ones_own_are_kept(cli: Any) -> None:
    cli.write(WORKFLOW, "name: mine\n")
    ignore = cli.write(".gitignore", "*.pyc\n/exports\nlast without an end")
    assert cli("init").code == 0
    assert (cli.folder / WORKFLOW).read_text() == "name: mine\n"
    assert ignore.read_text() == "*.pyc\n/exports\nlast without an end\n.reconciler/\n"
    assert cli("init").code == 0
    assert ignore.read_text().count(".reconciler/") == 1


def test_in_a_repository_nothing_of_the_sandbox_is_seen_by_git(cli: Any) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    cli("init")
    before = subprocess.run(["git", "status", "--short", "-uall"], capture_output=True, check=True).stdout
    assert cli("apply", "--sandbox", "--yes").code == 0
    after = subprocess.run(["git", "status", "--short", "-uall"], capture_output=True, check=True).stdout
    assert before == after
    assert b"manifests/reconciler.yaml" in before


def test_a_disk_that_refuses_leaves_nothing_behind(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def refuse(self: Path, *arguments: Any, **more: Any) -> Any:
        if self.name == "reconciler.yml":
            raise OSError(28, os.strerror(28), str(self))
        return opened(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    ran = cli("init", "new")
    assert ran.code == 1
    assert "reconciler.yml" in ran.err
    assert "No space left" in ran.err
    assert not (cli.folder / "new").exists()


def test_the_workflow_asks_for_little_and_names_what_it_uses(cli: Any) -> None:
    cli("init")
    text = (cli.folder / WORKFLOW).read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    check, apply = workflow["jobs"]["check"], workflow["jobs"]["apply"]
    assert "secrets" not in json.dumps(check)
    assert apply["concurrency"] == {"group": "reconciler-apply", "cancel-in-progress": False}
    assert apply["permissions"] == {"contents": "write"}  # of the log; nothing else may write
    assert {"BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET", "PIPEFY_CLIENT_ID", "RECONCILER_STATE"} <= apply["env"].keys()
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    for step in steps:
        for line in re.findall(r"^reconciler .*$", step.get("run", ""), re.MULTILINE):
            words = line.partition(" >>")[0].split()[1:]
            assert cli(*words, "--help").code == 0


def test_the_workflow_installs_from_where_people_say_or_fails_loudly(cli: Any) -> None:
    cli("init")
    text = (cli.folder / WORKFLOW).read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["env"] == {"RECONCILER_SOURCE": "${{ vars.RECONCILER_SOURCE }}"}
    for job in workflow["jobs"].values():
        runs = [step["run"] for step in job["steps"] if "run" in step]
        (install,) = [run for run in runs if run.startswith("pip ")]
        assert install == 'pip install "reconciler @ $RECONCILER_SOURCE"'
        checks = [run for run in runs if run.startswith("test -n")]
        assert runs.index(checks[0]) < runs.index(install)
        for check in checks:
            name = re.findall(r"RECONCILER_[A-Z]+", check)[0]
            for value, code in (("", 1), ("git+https://somewhere", 0)):
                ran = subprocess.run(
                    ["sh", "-c", check], env={name: value}, capture_output=True, text=True, check=False
                )
                assert ran.returncode == code
                assert ran.stdout.count("\n") == code
                assert ran.stdout.startswith("::error::set the " if code else "")


def test_the_workflow_keeps_the_files_of_exports(cli: Any) -> None:
    cli("init")
    workflow = yaml.safe_load((cli.folder / WORKFLOW).read_text(encoding="utf-8"))
    last = workflow["jobs"]["apply"]["steps"][-1]
    assert (last["uses"], last["if"]) == ("actions/upload-artifact@v4", "always()")
    assert last["with"] == {"name": "exports", "path": "exports/", "if-no-files-found": "ignore"}


def test_the_project_names_the_states_that_this_version_knows(cli: Any) -> None:
    cli("init")
    text = (cli.folder / "manifests" / "reconciler.yaml").read_text(encoding="utf-8")
    told = cli("explain", "project.state").out
    for scheme in BACKENDS:
        assert f"{scheme}:" in text
        assert f"{scheme}:" in told
    assert "self-hosted" in text
