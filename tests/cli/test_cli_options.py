"""Every option of every command: where it may stand, what mirrors it, what refuses it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from reconciler.cli.program import program

REPORT = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales, labels: {owner: me}}
spec:
  title: Test sales
  dataSources: [{filters: {done: false}}]
"""
OTHER = REPORT.replace("sales", "other").replace("owner: me", "owner: you")


def commands(command: click.Command = program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


ALL = dict(commands())


def test_the_commands_of_the_contract_are_there() -> None:
    promised = ["validate", "plan", "apply", "show", "state list", "state show", "state settle", "schema"]
    assert {*promised, "sandbox serve", "sandbox reset", "sandbox faults"} <= ALL.keys()


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_help(cli: Any, path: str) -> None:
    for flag in ("--help", "-h"):
        ran = cli(*path.split(), flag)
        assert ran.code == 0
        assert ran.out.startswith("Usage: reconciler")
        assert ran.err == ""


@pytest.mark.parametrize(
    ("path", "option"),
    [
        (path, option)
        for path, command in ALL.items()
        for option in command.params
        if isinstance(option, click.Option) and option.name != "version"
    ],
    ids=lambda value: value.name if isinstance(value, click.Option) else value,
)
def test_every_option_has_a_mirror_and_says_what_it_does(path: str, option: click.Option) -> None:
    long = next(name for name in option.opts if name.startswith("--"))
    assert option.envvar == "RECONCILER_" + long[2:].replace("-", "_").upper(), path
    assert option.help, (path, long)


@pytest.mark.parametrize(
    "path", [path for path, command in ALL.items() if path and not isinstance(command, click.Group)]
)
def test_every_command_takes_the_shared_options(path: str) -> None:
    names = {name for option in ALL[path].params for name in option.opts}
    assert {"--dir", "--env", "--sandbox", "--state", "--format", "--color", "-v", "-q"} <= names


def test_shared_options_stand_anywhere_and_the_later_one_wins(cli: Any) -> None:
    cli.declare(REPORT)
    (cli.folder / "manifests").rename(cli.folder / "elsewhere")
    for arguments in (
        ("--dir", "elsewhere", "--sandbox", "plan", "--format", "json"),
        ("plan", "--format", "json", "--sandbox", "--dir", "elsewhere"),
        ("--dir", "elsewhere", "plan", "--sandbox", "--format", "json"),
        ("--dir", "nowhere", "plan", "--dir", "elsewhere", "--sandbox", "--format", "json"),
    ):
        ran = cli(*arguments)
        assert ran.code == 0, arguments
        assert [step["address"] for step in ran.json["steps"]] == ["blue/report/sales"]
    assert cli("state", "list", "--sandbox", "--dir", "elsewhere").code == 0


@pytest.mark.parametrize(
    "text", ["state --sandbox list", "sandbox --format json faults list", "sandbox faults -q list"]
)
def test_shared_options_may_stand_between_a_group_and_its_command(cli: Any, text: str) -> None:
    cli.declare(REPORT)
    assert cli(*text.split()).code == 0


def test_what_was_typed_wins_over_the_environment(cli: Any) -> None:
    cli.declare(REPORT)
    assert cli("plan", RECONCILER_DIR="nowhere").code == 3
    assert cli("plan", "--dir", "manifests", RECONCILER_DIR="nowhere").code == 0
    assert cli("--dir", "manifests", "plan", RECONCILER_DIR="nowhere").code == 0


def test_variables_mirror_the_shared_options(cli: Any) -> None:
    cli.declare(REPORT)
    cli.write(
        "manifests/environments/prod.yaml",
        "apiVersion: reconciler/v1\nkind: Environment\nmetadata: {name: prod}\nspec: {values: {x: 1}}\n",
    )
    plan = cli("plan", RECONCILER_FORMAT="json", RECONCILER_SANDBOX="1", RECONCILER_ENV="prod").json
    assert plan["environment"] == "prod"
    assert "sandbox.localhost" in plan["targets"]["blue"]["endpoint"]
    assert "\x1b[" in cli("plan", RECONCILER_COLOR="always").out
    assert cli("apply", RECONCILER_SANDBOX="true", RECONCILER_YES="true", RECONCILER_QUIET="1").err == ""
    assert cli("plan", RECONCILER_SANDBOX="1", RECONCILER_DETAILED_EXITCODE="1").code == 0
    assert cli("plan", RECONCILER_STATE="sqlite:real.db", RECONCILER_DETAILED_EXITCODE="1").code == 2
    cli.declare(REPORT, OTHER)
    narrow = cli("plan", "--sandbox", RECONCILER_FORMAT="json", RECONCILER_SELECT="owner=me blue/report/sales").json
    assert narrow["steps"] == []
    assert cli("plan", "--sandbox", RECONCILER_OUT="p.json", RECONCILER_REFRESH="1").code == 0
    assert (cli.folder / "p.json").exists()


@pytest.mark.parametrize(
    "variables",
    [
        {"RECONCILER_TIMEOUT": "never"},
        {"RECONCILER_CONCURRENCY": "0"},
        {"RECONCILER_POLL_INTERVAL": "0"},
        {"RECONCILER_SETTLE_DELAY": "-1"},
        {"RECONCILER_ALLOW_DELETES": "some"},
        {"RECONCILER_ACCEPT_DRIFT": "perhaps"},
        {"RECONCILER_NO_WAIT": "perhaps"},
        {"RECONCILER_SET": "nonsense"},
        {"RECONCILER_COLOR": "sometimes"},
        {"RECONCILER_NOW": "tomorrow"},
        {"RECONCILER_NOW": "2026-11-23T06:00:00"},
    ],
    ids=lambda variables: "=".join(*variables.items()),
)
def test_a_variable_that_makes_no_sense_is_refused_by_name_or_option(cli: Any, variables: dict[str, str]) -> None:
    cli.declare(REPORT)
    ran = cli("apply", "--sandbox", "--yes", **variables)
    assert ran.code == 64
    (name,) = variables
    option = "--" + name.removeprefix("RECONCILER_").lower().replace("_", "-")
    assert option in ran.err or name in ran.err
    assert not (cli.folder / ".reconciler").exists()


def test_the_sandbox_never_opens_the_real_log_unless_told_where(cli: Any) -> None:
    cli.declare(REPORT)
    assert cli("apply", "--sandbox", "--yes", RECONCILER_STATE="sqlite:real.db").code == 0
    assert not (cli.folder / "real.db").exists()
    assert cli("apply", "--sandbox", "--yes", "--state", "sqlite:said.db", RECONCILER_STATE="sqlite:real.db").code == 0
    assert (cli.folder / "said.db").exists()


def test_set_puts_a_value_over_those_of_the_environment(cli: Any) -> None:
    cli.declare(REPORT.replace("Test sales", "Test {{ values.quarter }}"))
    assert cli("validate").code == 3
    step = cli("plan", "--sandbox", "--set", "quarter=Q4", "--format", "json").json["steps"][0]
    assert step["after"]["title"] == "Test Q4"
    step = cli("plan", "--sandbox", "--format", "json", RECONCILER_SET="quarter=Q3").json["steps"][0]
    assert step["after"]["title"] == "Test Q3"
    for wrong in ("quarter", "=Q4", ""):
        refused = cli("plan", "--set", wrong)
        assert refused.code == 64
        assert "KEY=VALUE" in refused.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("plan", "--nope"),
        ("plan", "extra"),
        ("plan", "--format", "yaml"),
        ("plan", "--timeout", "nan"),
        ("plan", "--timeout", "inf"),
        ("plan", "--timeout", "-1"),
        ("apply", "--concurrency", "201"),
        ("apply", "p.json", "--select", "x"),
        ("show",),
        ("show", "sales"),
        ("show", "blue/report/nobody"),
        ("state", "show", "Blue/Report/X"),
        ("state", "settle", "blue/report/sales"),
        ("state", "settle", "--as", "absent"),
        ("plan", "--select", "nobody"),
        ("plan", "--state", "mysql://host/db"),
        ("sandbox", "faults", "add", "nonsense"),
        ("sandbox", "serve", "--port", "70000"),
        ("sandbox", "serve", "--port", "0", "--switch", "export_plan"),
        ("sandbox", "serve", "--port", "0", "--switch", "nope=1"),
        ("sandbox", "serve", "--port", "0", "--host", "256.0.0.1"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_64_and_a_sentence_on_stderr(cli: Any, arguments: tuple[str, ...]) -> None:
    cli.declare(REPORT)
    ran = cli(*arguments)
    assert ran.code == 64
    assert ran.out == ""
    assert "rror: " in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("group", [(), ("state",), ("sandbox",), ("sandbox", "faults")], ids=" ".join)
def test_a_group_alone_shows_its_help_and_is_wrong_usage(cli: Any, group: tuple[str, ...]) -> None:
    ran = cli(*group)
    assert ran.code == 64
    assert "Commands:" in ran.err


def test_the_version(cli: Any) -> None:
    from reconciler import __version__

    ran = cli("--version")
    assert (ran.code, ran.err) == (0, "")
    assert __version__ in ran.out


def test_help_loads_no_heavy_library() -> None:
    script = (
        "import sys; from reconciler.cli.program import run; run(['apply', '--help']);"
        "heavy = {'asyncio', 'graphql', 'httpx', 'jinja2', 'pydantic', 'rich', 'sqlite3', 'yaml'};"
        "print(sorted(heavy & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_main_ends_the_process_with_the_exit_code(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["nope"])
    assert ended.value.code == 64
    monkeypatch.setattr(sys, "argv", ["reconciler", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_seconds_are_finite(cli: Any) -> None:
    cli.declare(REPORT)
    for value in ("inf", "nan", "1e999"):
        ran = cli("apply", "--sandbox", "--yes", "--settle-delay", value)
        assert ran.code == 64, value
        assert "--settle-delay" in ran.err
