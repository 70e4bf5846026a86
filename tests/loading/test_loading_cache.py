"""What is kept of a folder: the same result, or none."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import PROJECT

import reconciler
from reconciler.loading.keeping import cache, secret
from reconciler.loading.keeping.kept import read_desired, read_diagnostic, write_desired, write_diagnostic
from reconciler.loading.load import Loaded, load
from reconciler.loading.text.files import Folder
from reconciler.loading.text.sources import Findings
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.lint import Lint
from reconciler.model.manifest import Desired, Lifecycle, Manifest, OnRemove, Project, ProviderSettings, Safety
from reconciler.model.naming import Place
from reconciler.model.values import Address, Reference, Span

ENVIRONMENT = "apiVersion: reconciler/v1\nkind: Environment\nmetadata: {name: default}\nspec: {values: {x: %s}}\n"


def report(name: str, title: str = "T") -> str:
    spec = f"{{title: {title}, dataSources: [{{name: x}}]}}"
    return f"apiVersion: blue/v1\nkind: Report\nmetadata: {{name: {name}}}\nspec: {spec}\n"


class Site:
    """A project whose results are kept, whatever its size."""

    def __init__(self, root: Path, kinds: Any) -> None:
        self.root, self.kinds = root, kinds
        self.folder = root / "work/manifests"
        self.place = root / "work/.reconciler/cache"
        self.keys = root / "home/.cache/reconciler"
        self.environ = {"HOME": str(root / "home")}
        self.folder.mkdir(parents=True)
        self.keys.parent.parent.mkdir()
        self.write({"reconciler.yaml": PROJECT, "a.yaml": report("a"), "sub/b.yaml": report("b", "'{{ env }}'")})

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def cold(self, environment: str = "default", **options: Any) -> Loaded:
        return load(self.folder, environment, self.kinds, **{"variables": self.environ, **options})

    def warm(self, environment: str = "default", **options: Any) -> Loaded:
        return self.cold(environment, cache=self.place, **options)

    def finds(self, environment: str = "default", **options: Any) -> bool:
        """Whether there is a kept result for this; it must then be the right one."""
        given = cache.Settings(
            environment,
            options.get("kinds", self.kinds),
            options.get("overrides", {}),
            options.get("organizations", {}),
            options.get("variables", self.environ),
        )
        opened = Folder(self.folder, Findings())
        return cache.Cache(self.place, opened, given).find() is not None

    @property
    def file(self) -> Path:
        (found,) = self.place.glob("*.json")
        return found


program = cache._program


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's files count as unchanged, whoever works on them while the tests run."""
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    monkeypatch.setattr(cache, "_program", lambda: ["this program"])


@pytest.fixture
def site(tmp_path: Path, kinds: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path, kinds)
    monkeypatch.chdir(made.folder.parent)
    return made


@pytest.fixture(scope="session")
def fresh_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Site]:
    return lambda kinds: Site(tmp_path_factory.mktemp("site"), kinds)


def test_the_second_time_it_is_found(site):
    assert not site.finds()
    first = site.warm()
    assert first.desired is not None
    assert site.finds()
    assert site.warm() == first == site.cold()
    assert site.warm().valid


def test_it_is_found_without_reading_the_manifests(site):
    site.warm()
    head, body = site.file.read_bytes().rsplit(b"\n", 1)
    site.file.write_bytes(head + b"\n" + body.replace(b'"T"', b'"U"'))
    kept = site.warm()
    assert (kept.valid, kept.resources, kept.diagnostics) == (True, 2, ())
    assert kept.desired == site.cold().desired  # the damage shows when they are asked for, and they are read anew


@pytest.mark.parametrize(
    "change",
    [
        lambda site: site.write({"a.yaml": report("a", "U")}),
        lambda site: site.write({"c.yaml": report("c")}),
        lambda site: (site.folder / "a.yaml").unlink(),
        lambda site: (site.folder / "a.yaml").rename(site.folder / "c.yaml"),
        lambda site: site.write({"reconciler.yaml": PROJECT + "spec: {safety: {maxDeletes: 1}}\n"}),
        lambda site: site.write({"environments/default.yaml": ENVIRONMENT % 1}),
        lambda site: (site.folder / "a.yaml").chmod(0) if os.geteuid() else (site.folder / "a.yaml").unlink(),
        lambda site: (site.folder / "link.yaml").symlink_to("/etc/passwd"),
        lambda site: site.write({"a.yaml": "]"}),
        lambda site: (site.folder / "reconciler.yaml").unlink(),
    ],
)
def test_what_the_folder_holds_decides(site, change):
    site.warm()
    change(site)
    assert not site.finds()
    assert site.warm() == site.cold()


def test_a_change_back_and_a_touch_change_nothing(site):
    first = site.warm()
    site.write({"a.yaml": report("a", "U")})
    site.write({"a.yaml": report("a")})
    os.utime(site.folder / "a.yaml", (1, 1))
    assert site.finds()
    assert site.warm() == first


@pytest.mark.parametrize(
    "options",
    [
        {"overrides": {"x": "1"}},
        {"organizations": {"blue": "acme"}},
        {"kinds": ()},
        {"environment": "other"},
    ],
)
def test_the_settings_decide(site, options):
    site.warm()
    assert not site.finds(**options)


def test_the_listed_variables_decide_and_are_not_told(site):
    site.write({"reconciler.yaml": PROJECT + "spec: {variables: [STAGE]}\n", "c.yaml": report("c", "'{{ env }}'")})
    variables = {**site.environ, "STAGE": "a secret stage"}
    site.warm(variables=variables)
    assert site.finds(variables=variables)
    assert site.finds(variables={**variables, "OTHER": "x"})
    assert not site.finds(variables={**variables, "STAGE": "b"})
    assert not site.finds()
    assert b"a secret stage" not in site.file.read_bytes()


def test_another_program_does_not_believe_it(site, monkeypatch):
    site.warm()
    for module, name, value in (
        (reconciler, "__version__", "999"),
        (cache.sys, "version", "4.0"),
        (cache, "_program", list),
        (cache, "_FORMAT", "reconciler.cache/0"),
        (os, "geteuid", lambda: 12345),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(module, name, value)
            assert not site.finds()
    assert site.finds()


def test_the_program_is_its_files(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    for file in ("__init__.py", "sub/a.py"):
        (tmp_path / file).write_text("x = 1")
    monkeypatch.setattr(reconciler, "__file__", str(tmp_path / "__init__.py"))
    before = program()
    assert before == program()
    os.utime(tmp_path / "sub/a.py", (1, 1))
    after = program()
    assert after != before
    (tmp_path / "sub/b.py").write_text("")
    assert program() != after


def test_another_place_does_not_believe_it(site):
    """A kept result names files as they are shown here."""
    site.warm()
    other = site.folder.with_name("others")
    site.folder.rename(other)
    kept = site.file
    site.folder = other
    assert not site.finds()
    site.warm()
    written = [file for file in site.place.glob("*.json") if file != kept]
    written[0].write_bytes(kept.read_bytes())
    assert not site.finds()


def test_without_the_key_it_is_not_believed(site):
    """As when a branch brings a cache that somebody made elsewhere."""
    site.warm()
    (site.keys / "key").unlink()
    assert not site.finds()
    (site.keys / "key").write_bytes(bytes(32))
    (site.keys / "key").chmod(0o600)
    assert not site.finds()
    site.warm()
    assert site.finds()


@pytest.mark.parametrize("part", range(4))
def test_forged_parts_are_not_believed(site, part):
    first = site.warm()
    parts = site.file.read_bytes().split(b"\n", 3)
    forged = {
        0: b"0" * 64,
        1: parts[1].replace(b'"others"', b'"otters"'),
        2: b'[[["error","x","y",null,null,"",""]],7]',
    }
    parts[part] = forged.get(part, parts[part].replace(b'"T"', b'"U"'))
    site.file.write_bytes(b"\n".join(parts))
    assert site.finds() == (part == 3)
    assert site.warm() == first


@pytest.mark.parametrize(
    "content", [b"", b"\n\n\n", b"{}", b"\xff" * 100, b"a\n{\nb\nc", b"0" * 64 + b"\n[]\n[]\n[]", None]
)
def test_damage_is_no_cache(site, content):
    first = site.warm()
    whole = site.file.read_bytes()
    site.file.write_bytes(whole[: len(whole) // 3] if content is None else content)
    assert not site.finds()
    assert site.warm() == first
    assert site.finds()


def _replaced(site: Site, make: Callable[[Path], object]) -> None:
    file = site.file
    file.unlink()
    make(file)


@pytest.mark.parametrize(
    "make",
    [
        lambda site: _replaced(site, os.mkfifo),
        lambda site: _replaced(site, Path.mkdir),
        lambda site: _replaced(site, lambda file: file.symlink_to("/dev/zero")),
        lambda site: _replaced(site, _sparse),
        lambda site: site.place.chmod(0o777),
        lambda site: site.keys.chmod(0o755),
        lambda site: (site.keys / "key").chmod(0o644),
        lambda site: (site.keys / "key").write_bytes(b"short"),
        lambda site: _moved(site.keys / "key"),
        lambda site: _moved(site.keys),
        lambda site: _moved(site.place),
        lambda site: _moved(site.place.parent),
    ],
)
def test_whatever_else_is_wrong_is_no_cache(site, make):
    """Also links, which could lead anywhere, and what others may write to."""
    first = site.warm()
    make(site)
    assert not site.finds()
    assert site.warm() == first


def _sparse(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, cache.MAX_BYTES + 1)


def _moved(path: Path) -> None:
    other = path.with_name(path.name + "-other")
    path.rename(other)
    path.symlink_to(other)


def test_a_key_of_somebody_else_is_none(site, monkeypatch):
    site.warm()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert secret.existing(site.environ) is None
    assert secret.made(site.environ) is None


@pytest.mark.parametrize("environ", [{}, {"HOME": "relative"}, {"XDG_CACHE_HOME": "relative"}, {"HOME": "/dev/null"}])
def test_without_a_home_nothing_is_kept(site, environ):
    assert site.warm(variables=environ).valid
    assert not site.place.exists()


def test_the_key(site):
    assert secret.existing(site.environ) is None
    key = secret.made(site.environ)
    assert key is not None
    assert len(key) == 32
    assert secret.made(site.environ) == secret.existing(site.environ) == key
    assert [file.name for file in site.keys.iterdir()] == ["key"]
    assert (site.keys.stat().st_mode & 0o777, (site.keys / "key").stat().st_mode & 0o777) == (0o700, 0o600)
    elsewhere = {**site.environ, "XDG_CACHE_HOME": str(site.keys.parent.parent / "xdg")}
    assert secret.made(elsewhere) not in (None, key)


def test_what_is_written(site):
    site.warm()
    assert sorted(file.name for file in site.place.iterdir()) == sorted([".gitignore", site.file.name])
    assert (site.place / ".gitignore").read_text() == "*\n"
    assert site.file.stat().st_mode & 0o777 == 0o600
    before = site.file.stat()
    time.sleep(0.01)
    site.warm()
    assert site.file.stat() == before  # nothing is written when nothing has changed


def test_small_folders_get_none(site, monkeypatch):
    monkeypatch.setattr(cache, "MIN_BYTES", 256 * 1024)
    assert site.warm().valid
    assert not site.place.parent.exists()
    assert not site.keys.exists()
    site.write({f"big/{number}.yaml": report(f"r{number}") + "#" * 10_000 for number in range(30)})
    site.warm()
    assert site.finds()


def test_errors_are_not_kept_and_warnings_are(site):
    site.write({"c.yaml": report("c").replace("title", "titel")})
    assert not site.warm().valid
    assert not site.place.exists()


def test_a_folder_that_cannot_be_written(site, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as changed:
        changed.setattr(Path, "replace", full)
        assert site.warm().valid
    assert [file.name for file in site.place.iterdir()] == []
    site.place.rmdir()
    site.place.write_text("a file")
    assert site.warm().valid
    site.place.unlink()
    site.place.parent.rmdir()
    site.place.parent.write_text("a file")
    assert site.warm().valid


def test_runs_at_the_same_time_do_no_harm(site):
    """Each writes a file of its own and puts it in place."""
    site.warm()
    one = site.file.read_bytes()
    site.write({"a.yaml": report("a", "U")})
    site.warm()
    two = site.file.read_bytes()
    assert one != two
    site.file.write_bytes(one)
    assert not site.finds()
    site.file.write_bytes(two)
    assert site.finds()


WORDS = st.sampled_from(["a", "b", "é", "{{ env }}", "{{ values.x }}", "{{ values.y }}", "[", ""])
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["a.yaml", "sub/b.yaml", "c.yml", "environments/default.yaml", "-"]), WORDS, st.booleans()
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the kinds are the same for all examples
@given(st.lists(CHANGES, min_size=1, max_size=4))
def test_with_a_cache_everything_is_as_without(fresh_site, kinds, rounds):
    site = fresh_site(kinds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "MIN_BYTES", 0)
        for changes in rounds:
            for name, word, gone in changes:
                if gone or name == "-":
                    (site.folder / name).unlink(missing_ok=True)
                elif name.startswith("environments"):
                    site.write({name: ENVIRONMENT % json.dumps(word)})
                else:
                    site.write({name: report(name[0], json.dumps(word)) + "---\n" + report(f"{name[0]}2")})
            cold = site.cold()
            assert site.warm() == cold
            assert site.warm() == cold
            assert site.finds() == cold.valid


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.integers(1, 9)
SPANS = st.builds(Span, TEXT, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
ADDRESSES = st.builds(Address, *[st.sampled_from(["a", "b-c"])] * 3)
PATHS = st.lists(TEXT | NUMBERS, max_size=3).map(tuple)
LABELS = st.dictionaries(TEXT, TEXT, max_size=2)
SEVERITIES = st.sampled_from(Severity)
MANIFESTS = st.builds(
    Manifest,
    ADDRESSES,
    TEXT,
    st.dictionaries(TEXT, JSONS, max_size=3),
    SPANS,
    LABELS,
    st.builds(Lifecycle, st.booleans(), st.sampled_from(OnRemove)),
    st.lists(st.builds(Reference, PATHS, ADDRESSES), max_size=2).map(tuple),
    TEXT,
    st.dictionaries(PATHS, SPANS, max_size=2),
    st.dictionaries(PATHS, st.builds(Place, SPANS, TEXT), max_size=2),
    st.dictionaries(TEXT, TEXT, max_size=2),
)
PROJECTS = st.builds(
    Project,
    TEXT,
    TEXT,
    st.dictionaries(TEXT, st.builds(ProviderSettings, TEXT, TEXT, NUMBERS), max_size=2),
    st.builds(Safety, NUMBERS, st.floats(0, 1)),
    st.builds(Lint, st.dictionaries(TEXT, st.none() | SEVERITIES, max_size=2), st.lists(TEXT, max_size=2).map(tuple)),
)
DIAGNOSTICS = st.builds(Diagnostic, SEVERITIES, TEXT, TEXT, st.none() | SPANS, st.none() | ADDRESSES, TEXT, TEXT)


@given(DIAGNOSTICS)
def test_a_diagnostic_is_read_as_it_was_written(found):
    assert read_diagnostic(json.loads(json.dumps(write_diagnostic(found)))) == found


@given(st.builds(Desired, PROJECTS, TEXT, st.lists(MANIFESTS, max_size=3).map(tuple), TEXT))
def test_what_is_desired_is_read_as_it_was_written(desired):
    written = json.loads(json.dumps(write_desired(desired)))
    assert read_desired(written, desired.environment, desired.tree, ()) == desired


def test_warnings_come_with_the_diagnostics():
    warning = Diagnostic(Severity.WARNING, "a", "b", None)
    desired = Desired(Project("a"), "e", (), "t", (warning,))
    assert read_desired(write_desired(desired), "e", "t", (warning,)) == desired


def test_no_field_is_forgotten():
    """Whoever adds a field to these adds it to `kept`, to the strategies above, and here."""
    expected = {
        Manifest: 11,
        Project: 5,
        ProviderSettings: 3,
        Safety: 2,
        Lint: 2,
        Lifecycle: 2,
        Desired: 5,
        Diagnostic: 7,
    }
    expected |= {Place: 2, Span: 5, Reference: 2, Address: 3}
    assert {kind: len(fields(kind)) for kind in expected} == expected


def test_keys_that_json_would_change_are_not_kept():
    manifest = Manifest(Address("a", "b", "c"), "a/v1", {"x": [{1: 2}]}, Span("f", 1, 1, 1, 1))
    with pytest.raises(ValueError, match="key"):
        write_desired(Desired(Project("a"), "e", (manifest,), "t"))
    write_desired(Desired(Project("a"), "e", (replace(manifest, spec={"x": [{"1": 2}]}),), "t"))
