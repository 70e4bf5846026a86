"""`python -m reconciler`."""

from __future__ import annotations

import runpy
import sys

import pytest

from reconciler import __version__


def test_the_module_is_the_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["reconciler", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("reconciler", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"reconciler, version {__version__}\n"


def test_an_interrupt_before_anything_has_begun_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler import cli
    from reconciler.cli import program

    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "run", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 130
