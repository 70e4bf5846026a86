from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.errors import Usage
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import SWITCHES, ExportPlan, Switches, Throttle


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_has_a_default_that_is_allowed_and_a_line_about_it(name: str) -> None:
    switch = SWITCHES[name]
    assert switch.name == name
    assert switch.default == switch.values[0]
    assert switch.service in ("blue", "pipefy")
    assert switch.doc
    switch.parse(switch.default)


def test_settings_are_shared_through_the_file(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "s.db"), Store(tmp_path / "s.db")
    Switches(one).set("missing_code", "RESOURCE_NOT_FOUND")
    assert Switches(two).get("missing_code") == "RESOURCE_NOT_FOUND"
    assert Switches(two).text("missing_code") == "RESOURCE_NOT_FOUND"
    assert Switches(two).text("quota_per_pipe") == "50"
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("quota_per_pipe", "off", None),
        ("quota_per_pipe", "7", 7),
        ("url_ttl", "0.5", 0.5),
        ("date_zone", "Europe/Berlin", "Europe/Berlin"),
        ("throttle", "500/30/300", Throttle(500, 30, 300)),
        ("throttle", "off", None),
        ("export_plan", "0.15/0.35", ExportPlan("done", 0.15, 0.35)),
        ("export_plan", "fail", ExportPlan("fail", 0.15, 0.35)),
        ("export_plan", "stuck", ExportPlan("stuck", 0.15, 0.35)),
        ("export_plan", "fail:1/2", ExportPlan("fail", 1, 2)),
        ("export_plan", "1/0", ExportPlan("done", 1, 0)),
    ],
)
def test_values_are_parsed(name: str, text: str, value: object) -> None:
    store = Store(None)
    switches = Switches(store)
    switches.set(name, text)
    assert switches.get(name) == value
    store.close()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing_code", "NOT_FOUND"),
        ("quota_per_pipe", "0"),
        ("quota_per_pipe", "many"),
        ("url_ttl", "-1"),
        ("url_ttl", "nan"),
        ("throttle", "1/2"),
        ("export_plan", "later:1/2"),
        ("export_plan", "1"),
        ("date_zone", "Mars/Base"),
        ("date_zone", "../etc/passwd"),
    ],
)
def test_other_values_are_refused_and_nothing_changes(name: str, text: str) -> None:
    store = Store(None)
    switches = Switches(store)
    with pytest.raises(Usage, match=name):
        switches.set(name, text)
    assert switches.text(name) == SWITCHES[name].default
    store.close()


def test_a_slip_of_the_pen_gets_a_suggestion() -> None:
    store = Store(None)
    with pytest.raises(Usage) as caught:
        Switches(store).set("mising_code", "PERMISSION_DENIED")
    assert caught.value.hint == "did you mean 'missing_code'?"
    with pytest.raises(Usage) as caught:
        Switches(store).set("missing_code", "PERMISION_DENIED")
    assert caught.value.hint == "did you mean 'PERMISSION_DENIED'?"
    store.close()
