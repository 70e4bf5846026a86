from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reconciler.loading.project import read_project
from reconciler.loading.text.files import MAX_BYTES
from reconciler.model.canonical import digest
from reconciler.model.errors import InvalidManifests
from reconciler.model.manifest import ProviderSettings, Safety
from reconciler.model.values import Span

HEAD = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: a}\n"


def manifest(name: str) -> str:
    spec = "{title: T, dataSources: [{name: x}]}"
    return f"apiVersion: blue/v1\nkind: Report\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def codes(loaded) -> list[tuple[str, str]]:
    return [(found.span.file if found.span else "", found.code) for found in loaded.diagnostics]


def names(loaded) -> list[str]:
    assert loaded.diagnostics == ()
    return [each.address.name for each in loaded.desired.manifests]


def test_which_files_are_manifests(workshop):
    workshop.write(
        {
            "a.yaml": manifest("a"),
            "b.yml": manifest("b"),
            "deep/er/c.yaml": manifest("c"),
            "not.yaml/d.yaml": manifest("d"),
            "environments/sub/e.yaml": manifest("e"),
            ".hidden.yaml": "]",
            ".git/x.yaml": "]",
            "notes.txt": "]",
            "yaml": "]",
            "environments/other.yaml": "]",
        }
    )
    assert names(workshop.load()) == ["a", "b", "c", "d", "e"]


def test_the_tree_covers_what_was_read(workshop):
    workshop.write({"a.yaml": manifest("a"), "sub/b.yaml": manifest("b"), "environments/other.yaml": "x"})
    workshop.write(
        {"environments/default.yaml": "{apiVersion: reconciler/v1, kind: Environment, metadata: {name: default}}"}
    )
    read = ["a.yaml", "environments/default.yaml", "reconciler.yaml", "sub/b.yaml"]
    expected = digest([[name, hashlib.sha256((workshop.folder / name).read_bytes()).hexdigest()] for name in read])
    assert workshop.load().desired.tree == expected
    workshop.write({"a.yaml": manifest("a") + "# changed"})
    assert workshop.load().desired.tree != expected


def test_places_are_relative_to_the_working_directory_when_below_it(workshop, monkeypatch):
    workshop.write({"blue/a.yaml": manifest("a")})
    assert workshop.load().desired.manifests[0].origin == Span("manifests/blue/a.yaml", 3, 18, 3, 19)
    monkeypatch.chdir(workshop.folder)
    assert workshop.load().desired.manifests[0].origin.file == "blue/a.yaml"
    elsewhere = workshop.folder.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert workshop.load().desired.manifests[0].origin.file == (workshop.folder / "blue/a.yaml").as_posix()


def test_nothing_to_read_is_an_error(workshop, kinds):
    assert codes(workshop.load()) == [("", "no-manifests")]
    workshop.write({"a.yaml": "# nothing\n---\n"})
    assert codes(workshop.load()) == [("", "no-manifests")]
    workshop.write({"a.yaml": manifest("'{{ each.key }}'").replace("spec", "forEach: []\nspec")})
    assert codes(workshop.load()) == [("", "no-manifests")]
    (workshop.folder / "reconciler.yaml").unlink()
    assert ("", "project-missing") in codes(workshop.load())


def test_what_to_do_where_there_is_no_project(workshop):
    def hints(folder):
        with pytest.raises(InvalidManifests) as raised:
            read_project(folder)
        return [found.hint for found in raised.value.diagnostics]

    assert hints(workshop.folder / "x") == ["name another one with --dir, or make a project: reconciler init"]
    assert hints(workshop.folder.parent) == ["use --dir manifests"]
    (workshop.folder / "reconciler.yaml").unlink()
    assert hints(workshop.folder) == ["it starts with `apiVersion: reconciler/v1` and `kind: Project`"]
    workshop.write({"reconciler.yml": ""})
    assert hints(workshop.folder) == ["rename reconciler.yml to reconciler.yaml"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("x")])
def test_a_folder_that_is_none(workshop, make):
    from reconciler.loading.load import load

    make(workshop.folder.parent / "nowhere")
    loaded = load(workshop.folder.parent / "nowhere", "default", ())
    assert codes(loaded) == [("", "folder-missing")]
    with pytest.raises(InvalidManifests):
        read_project(workshop.folder.parent / "nowhere")


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"x: \xff\n", "file-encoding", (1, 4)),
        (b"a: 1\nb: \xe2\x82", "file-encoding", (2, 4)),
        (b"x: \xed\xa0\x80\n", "file-encoding", (1, 4)),
        ("x: 1".encode("utf-16"), "file-encoding", (1, 1)),
        (b"a: 1\nb\0: 2", "file-encoding", (2, 2)),
        (b"a: " + b"x" * MAX_BYTES, "file-size", (1, 1)),
        (b"a: 1\nb: \x07", "yaml-syntax", (2, 4)),
    ],
)
def test_bytes_that_are_no_manifest(workshop, content, code, place):
    workshop.write({"ok.yaml": manifest("ok"), "x.yaml": content})
    loaded = workshop.load()
    (found,) = loaded.diagnostics
    assert (found.span.file, found.code, (found.span.line, found.span.column)) == ("manifests/x.yaml", code, place)
    assert loaded.resources == 1


def test_a_byte_order_mark_and_windows_lines(workshop):
    workshop.write({"a.yaml": b"\xef\xbb\xbf" + manifest("a").replace("\n", "\r\n").encode()})
    loaded = workshop.load()
    assert names(loaded) == ["a"]
    assert loaded.desired.manifests[0].origin == Span("manifests/a.yaml", 3, 18, 3, 19)


@pytest.mark.parametrize(
    "text",
    [
        manifest("a") + "\ufeff---\n" + manifest("b"),
        manifest("a") + "---\n\ufeff" + manifest("b"),
        "\ufeff" + manifest("a") + "...\r\n\ufeff---\r\n\ufeff" + manifest("b"),
    ],
)
def test_files_with_byte_order_marks_put_together(workshop, text):
    workshop.write({"a.yaml": text})
    assert names(workshop.load()) == ["a", "b"]


def test_a_large_file_is_not_read(workshop, monkeypatch):
    workshop.write({"a.yaml": manifest("a"), "x.yaml": ""})
    os.truncate(workshop.folder / "x.yaml", 1 << 40)
    (found,) = workshop.load().diagnostics
    assert (found.code, f"{1 << 40:,}" in found.message) == ("file-size", True)


def test_many_manifests_in_one_file(workshop):
    text = "---\n".join(manifest(f"r{number}") + f"# {'x' * 900}\n" for number in range(10_000))
    assert len(text) > 10_000_000
    workshop.write({"a.yaml": text})
    assert len(workshop.load().desired.manifests) == 10_000


def test_special_files_are_never_opened(workshop):
    workshop.write({"a.yaml": manifest("a")})
    os.mkfifo(workshop.folder / "pipe.yaml")
    assert codes(workshop.load()) == [("manifests/pipe.yaml", "file-special")]


def test_special_files_where_we_look_for_our_own(workshop):
    (workshop.folder / "reconciler.yaml").unlink()
    os.mkfifo(workshop.folder / "reconciler.yaml")
    workshop.write({"a.yaml": manifest("a")})
    (workshop.folder / "environments").mkdir()
    os.mkfifo(workshop.folder / "environments/default.yaml")
    assert [code for _, code in codes(workshop.load())] == ["file-special", "file-special"]


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_links_that_leave_the_folder(workshop):
    outside = workshop.folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.yaml").write_text(manifest("secret"))
    workshop.write({"a.yaml": manifest("a")})
    link(workshop.folder / "file.yaml", "../outside/secret.yaml")
    link(workshop.folder / "folder", "../outside")
    link(workshop.folder / "zero.yaml", "/dev/zero")
    link(workshop.folder / "environments", "../outside")
    assert codes(workshop.load()) == [
        ("manifests/environments", "file-outside"),
        ("manifests/file.yaml", "file-outside"),
        ("manifests/folder", "file-outside"),
        ("manifests/zero.yaml", "file-outside"),
    ]
    assert ("manifests/environments/secret.yaml", "file-outside") in codes(workshop.load("secret"))


def test_a_folder_whose_name_begins_like_ours_is_outside(workshop):
    twin = workshop.folder.parent / "manifests-old"
    twin.mkdir()
    (twin / "b.yaml").write_text(manifest("b"))
    workshop.write({"a.yaml": manifest("a")})
    link(workshop.folder / "b.yaml", "../manifests-old/b.yaml")
    assert codes(workshop.load()) == [("manifests/b.yaml", "file-outside")]


def test_links_inside_the_folder_read_each_file_once(workshop):
    workshop.write({"sub/a.yaml": manifest("a"), ".data/b.yaml": manifest("b")})
    link(workshop.folder / "again.yaml", "sub/a.yaml")
    link(workshop.folder / "again", "sub")
    link(workshop.folder / "b.yaml", ".data/b.yaml")
    link(workshop.folder / "data", ".data")
    loaded = workshop.load()
    assert {code for _, code in codes(loaded)} <= {"duplicate-address"}
    (workshop.folder / "data").unlink()
    assert names(workshop.load()) == ["a", "b"]


def test_loops_and_broken_links(workshop):
    workshop.write({"a.yaml": manifest("a"), "sub/deep/b.yaml": manifest("b")})
    link(workshop.folder / "sub/deep/up", "../..")
    link(workshop.folder / "sub/self", ".")
    link(workshop.folder / "x", "y")
    link(workshop.folder / "y", "x")
    link(workshop.folder / "gone.yaml", "nowhere.yaml")
    link(workshop.folder / "round.yaml", "round.yaml")
    assert codes(workshop.load()) == [
        ("manifests/gone.yaml", "file-unreadable"),
        ("manifests/round.yaml", "file-unreadable"),
        ("manifests/sub/deep/up", "file-loop"),
        ("manifests/sub/self", "file-loop"),
    ]


def test_a_long_chain_of_links(workshop):
    """The system follows some forty, Python would recurse."""
    workshop.write({"a.yaml": manifest("a"), "last": "]"})
    for number in range(2_000):
        link(workshop.folder / f"l{number}", f"l{number + 1}" if number < 1_999 else "last")
    link(workshop.folder / "x.yaml", "l0")
    link(workshop.folder / "y.yaml", "l1990")
    assert codes(workshop.load()) == [("manifests/x.yaml", "file-unreadable"), ("manifests/y.yaml", "yaml-syntax")]


def test_many_links_do_not_multiply(workshop):
    workshop.write({"d0/a.yaml": manifest("a")})
    for level in range(1, 25):
        for name in ("x", "y"):
            link(workshop.folder / f"d{level}" / name, f"../d{level - 1}")
    assert names(workshop.load()) == ["a"]


def test_folders_nested_too_deep(workshop):
    workshop.write({"a.yaml": manifest("a"), "/".join(["d"] * 70) + "/b.yaml": manifest("b")})
    (found,) = workshop.load().diagnostics
    assert found.code == "file-depth"


def test_a_file_name_that_is_not_utf_8(workshop):
    workshop.write({"a.yaml": manifest("a")})
    (workshop.folder / os.fsdecode(b"\xff.yaml")).write_text(manifest("b"))
    (found,) = workshop.load().diagnostics
    assert found.code == "file-name"
    found.span.file.encode()


def test_the_project_file(workshop):
    workshop.write(
        {
            "reconciler.yaml": "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\nspec:\n"
            "  state: sqlite:x.db\n"
            "  providers: {blue: {organization: acme, endpoint: 'http://x'}, pipefy: {organization: 300}}\n"
            "  safety: {maxDeletes: 3, maxDeleteShare: 0.5}\n"
        }
    )
    project = read_project(workshop.folder)
    assert (project.name, project.state) == ("acme", "sqlite:x.db")
    assert project.providers == {
        "blue": ProviderSettings("acme", "http://x"),
        "pipefy": ProviderSettings("300", ""),
    }
    assert project.safety == Safety(3, 0.5)
    workshop.write({"reconciler.yaml": "{apiVersion: reconciler/v1, kind: Project, metadata: {name: a}}"})
    assert read_project(workshop.folder).safety == Safety()


@pytest.mark.parametrize(
    ("spec", "place", "code"),
    [
        ("{metadat: {name: a}}", (1, 2), "unknown-field"),
        ("apiVersion: reconciler/v2\nkind: Project\nmetadata: {name: a}", (1, 13), "wrong-value"),
        ("apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: A}", (3, 18), "wrong-name"),
        (HEAD + "spec: {stat: x}", (4, 8), "unknown-field"),
        (
            HEAD + "spec: {safety: {maxDeletes: -1}}",
            (4, 29),
            "out-of-range",
        ),
        (
            HEAD + "spec: {safety: {maxDeleteShare: 1.5}}",
            (4, 33),
            "out-of-range",
        ),
        (
            HEAD + "spec: {providers: {blue: {organization: [x]}}}",
            (4, 27),
            "wrong-type",
        ),
        ("", (1, 1), "empty-file"),
        (HEAD + "---\na: b", (5, 1), "one-document"),
        ("a: [", (1, 4), "yaml-syntax"),
    ],
)
def test_a_wrong_project_file(workshop, spec, place, code):
    workshop.write({"reconciler.yaml": spec, "a.yaml": manifest("a")})
    with pytest.raises(InvalidManifests) as caught:
        read_project(workshop.folder)
    assert (place, code) in [((found.span.line, found.span.column), found.code) for found in caught.value.diagnostics]
    loaded = workshop.load()
    assert loaded.desired is None
    assert loaded.resources == 1


def test_settings_for_a_provider_nobody_knows(workshop):
    workshop.write({"reconciler.yaml": HEAD + "spec: {providers: {bleu: {}}}"})
    workshop.write({"a.yaml": manifest("a")})
    (found,) = workshop.load().diagnostics
    assert (found.code, found.hint) == ("unknown-field", "did you mean blue?")


def test_a_project_file_by_its_other_name(workshop):
    (workshop.folder / "reconciler.yaml").rename(workshop.folder / "reconciler.yml")
    with pytest.raises(InvalidManifests) as caught:
        read_project(workshop.folder)
    assert "rename reconciler.yml" in caught.value.diagnostics[0].hint
