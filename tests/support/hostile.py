"""Manifests folders that mean harm: small to send, and big, slow or far-reaching for whoever believes them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

PROJECT: Final = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n"
MANY: Final = 10_000
MILLION: Final = 1_000_000


def report(name: str, spec: str = "", more: str = "") -> str:
    """A Blue report; `spec` is the inside of a mapping, `more` lines of the document."""
    inside = f"title: T, dataSources: [{{name: x, filters: {{done: true}}}}]{', ' + spec if spec else ''}"
    return f"apiVersion: blue/v1\nkind: Report\nmetadata: {{name: {name}}}\n{more}spec: {{{inside}}}\n"


def export(name: str, target: str) -> str:
    """A Pipefy export that refers to another resource."""
    spec = f"{{report: {{ref: {target}}}, organizationId: 1}}"
    return f"apiVersion: pipefy/v1\nkind: Export\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def _bomb(levels: int, opening: str, item: str, closing: str) -> str:
    lines = [f"l0: &l0 {opening}{'x' if opening == '[' else 'a: x'}{closing}"]
    lines += [
        f"l{level}: &l{level} {opening}{item.replace('@', f'*l{level - 1}')}{closing}" for level in range(1, levels)
    ]
    return "\n".join(lines) + "\n"


def _quadratic() -> str:
    return f"a: &a {{{','.join(f'k{number}: {number}' for number in range(1_000))}}}\nb:\n" + "- <<: *a\n" * 20_000


def _thousands_of_bombs() -> str:
    return "---\na: &a [" + "x," * 900 + "]\nb: [" + "*a," * 100 + "]\n"


TEXTS: Final[dict[str, Callable[[], str | bytes]]] = {
    "alias bomb of lists": lambda: _bomb(30, "[", ",".join(["@"] * 10), "]"),
    "alias bomb of mappings": lambda: _bomb(30, "{", ",".join(f"k{n}: @" for n in range(10)), "}"),
    "alias bomb of merge keys": lambda: _bomb(30, "{", "<<: [" + ",".join(["@"] * 10) + "]", "}"),
    "alias bomb, quadratic": _quadratic,
    "alias bomb of one long text": lambda: f"a: &a {'x' * MILLION}\nb: [{'*a,' * 100_000}]\n",
    "alias bombs in thousands of documents": lambda: _thousands_of_bombs() * 5_000,
    "an alias of itself": lambda: "&a [*a, *a]\n",
    "deep lists": lambda: "[" * MILLION,
    "deep lists, closed": lambda: "[" * 100_000 + "]" * 100_000,
    "deep mappings": lambda: "{a: " * MILLION,
    "deep block lists": lambda: "- " * MILLION,
    "deep block mappings": lambda: "".join(" " * depth + "a:\n" for depth in range(4_000)),
    "deep keys": lambda: "? " * MILLION,
    "invalid UTF-8": lambda: b"a: \xff\n" * 100_000,
    "invalid UTF-8 at the end": lambda: b"a: b\n" * MILLION + b"\xff",
    "UTF-16": lambda: report("a").encode("utf-16"),
    "NUL bytes": lambda: b"\0" * 10_000_000,
    "binary": lambda: bytes(range(256)) * 4_000,
    "control characters": lambda: "a: \x1b[2J\x07\n" * 100_000,
    "one line": lambda: "a: " + "x" * 10_000_000,
    "one quoted line": lambda: 'a: "' + "x\\n" * 3_000_000 + '"',
    "one line of blanks": lambda: " " * 10_000_000,
    "one line of wide characters": lambda: "a: " + "\U0001f600" * 2_500_000,
    "one line of other line breaks": lambda: "a: '" + "\u2028" * 3_000_000 + "'",
    "ten million lines": lambda: "\n" * 10_000_000,
    "comments": lambda: "#\n" * 5_000_000,
    "a long block text": lambda: "a: |\n" + " x\n" * 3_300_000,
    "a long plain text": lambda: "a:\n" + " x\n" * 3_300_000,
    "blank lines with tabs": lambda: "a: b\n" + "\t\n" * 3_000_000 + "c: d\n",
    "halves of characters": lambda: 'a: "' + "\\ud83d\\ude00" * 800_000 + '"\n',
    "empty documents": lambda: "---\n" * MILLION,
    "small documents": lambda: "--- a\n" * MILLION,
    "keys": lambda: "".join(f"k{number}: 1\n" for number in range(MILLION)),
    "the same key": lambda: "k: 1\n" * MILLION,
    "unknown fields": lambda: report("a", ", ".join(f"k{number}: 1" for number in range(20_000))),
    "wrong values": lambda: report("a").replace("[{name: x", "[" + "1," * 40_000 + "{name: x"),
    "a huge key": lambda: f"{'k' * 10_000_000}: 1\n",
    "a huge explicit key": lambda: f"? {'k' * 10_000_000}\n: 1\n",
    "a huge anchor": lambda: f"a: &{'k' * 5_000_000} x\nb: *{'k' * 4_999_999}\n",
    "a huge tag": lambda: f"a: !{'k' * 10_000_000} x\n",
    "a huge name": lambda: report("a" * MILLION),
    "a huge unknown kind": lambda: f"apiVersion: {'b' * MILLION}\nkind: {'k' * MILLION}\n",
    "anchors": lambda: "[" + ",".join(f"&a{number} x" for number in range(100_000)) + "]\n",
    "a missing anchor among many": lambda: "[" + "".join(f"&a{number} x," for number in range(40_000)) + "*b]\n",
    "tags": lambda: "[" + "!x a," * 50_000 + "]\n",
    "tag directives": lambda: "".join(f"%TAG !e{number}! tag:e\n" for number in range(100_000)) + "---\na: b\n",
    "directives": lambda: "%FOO bar\n" * MILLION + "---\na: b\n",
    "another version": lambda: "%YAML 9.9\n---\n" + report("a"),
    "huge numbers": lambda: report(
        "a", f"description: {'9' * MILLION}, config: {{a: {'1' * MILLION}e{'9' * MILLION}}}"
    ),
    "hexadecimal numbers": lambda: report("a", f"config: {{a: 0x{'f' * MILLION}, b: 0o{'7' * MILLION}}}"),
    "entries of forEach": lambda: report("'{{ each.key }}'", more=f"forEach: [{'1,' * MILLION}]\n"),
    "entries of forEach, permitted": lambda: report("'r{{ each.value }}'", more=f"forEach: {[*range(MANY)]}\n"),
    "the same entry": lambda: report("a", more=f"forEach: {[*range(MANY)]}\n"),
    "large entries of forEach": lambda: report(
        "'{{ each.key }}'", f"config: {{a: [{'1,' * 500}]}}", f"forEach: {[*range(MANY)]}\n"
    ),
    "template expressions": lambda: report(
        "a", "config: {a: [" + ",".join(f"'{{{{ {number} + 1 }}}}'" for number in range(20_000)) + "]}"
    ),
    "template statements": lambda: report(
        "a", "config: {a: [" + ",".join(f"'{{% if {number} %}}x{{% endif %}}'" for number in range(20_000)) + "]}"
    ),
    "a template that counts": lambda: report(
        "a", "description: '{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}'"
    ),
    "a template that grows": lambda: report("a", "description: \"{{ 'x' * 1000000000 }}\""),
    "a template of braces": lambda: report("a", "description: '" + "{{" * 5_000 + "'"),
    "undefined values": lambda: report(
        "a", "config: {a: [" + ",".join(f"'{{{{ values.v{number} }}}}'" for number in range(20_000)) + "]}"
    ),
    "dangling references": lambda: "---\n".join(
        export(f"e{number}", f"pipefy/report/r{number}") for number in range(MANY)
    ),
    "a circle of references": lambda: "---\n".join(
        export(f"e{number}", f"pipefy/export/e{(number + 1) % MANY}") for number in range(MANY)
    ),
    "identical addresses": lambda: "---\n".join([report("a")] * MANY),
    "unclosed": lambda: '[{"a": [' * 20,
    "colons": lambda: "a: " * MILLION,
    "quotes": lambda: "\"'" * MILLION,
    "question marks": lambda: "[?" * MILLION,
    "byte order marks": lambda: "\ufeff" * MILLION,
    "document marks": lambda: "---\n\ufeff" * MILLION,
}
"""What one file of a folder has in it, by what it is; beside it stands a project file."""


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket can have some hundred characters only
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _links(folder: Path) -> None:
    for number in range(MANY):
        (folder / f"l{number}.yaml").symlink_to(f"l{(number + 1) % MANY}.yaml")


def _folder_links(folder: Path) -> None:
    for level in range(1, 100):
        (folder / f"d{level}").mkdir()
        for name in ("x", "y", "z"):
            (folder / f"d{level}" / name).symlink_to(f"../d{level - 1 or 99}")


def _deep_folders(folder: Path) -> None:
    for _ in range(500):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(report("a"))


def _unreadable(folder: Path) -> None:
    (folder / "x.yaml").write_text(report("x"))
    (folder / "x.yaml").chmod(0)


FOLDERS: Final[dict[str, Callable[[Path], object]]] = {
    "100 MB": lambda folder: _sparse(folder / "x.yaml", 100_000_000),
    "1 TB": lambda folder: _sparse(folder / "x.yaml", 1_000_000_000_000),
    "a FIFO": lambda folder: os.mkfifo(folder / "x.yaml"),
    "a socket": lambda folder: _socket(folder / "x.yaml"),
    "a device": lambda folder: (folder / "x.yaml").symlink_to("/dev/zero"),
    "a folder called like a file": lambda folder: (folder / "x.yaml").mkdir(),
    "a file that cannot be read": _unreadable,
    "a link out of the folder": lambda folder: (folder / "x.yaml").symlink_to("/etc/passwd"),
    "a folder out of the folder": lambda folder: (folder / "x").symlink_to("/usr"),
    "a link to itself": lambda folder: (folder / "x.yaml").symlink_to("x.yaml"),
    "links in a circle": _links,
    "folders that link to folders": _folder_links,
    "deep folders": _deep_folders,
    "a name that is not UTF-8": lambda folder: (folder / os.fsdecode(b"\xff.yaml")).write_text(report("a")),
    "a name with control characters": lambda folder: (folder / "a\x1b[2J\n::error::.yaml").write_text("]"),
    "no project file": lambda folder: (folder / "reconciler.yaml").unlink(),
    "a project file that is a FIFO": lambda folder: (
        (folder / "reconciler.yaml").unlink(),
        os.mkfifo(folder / "reconciler.yaml"),
    ),
}
"""What a folder looks like, by what it is; made in a folder with a project file."""


def make(folder: Path, what: str) -> Path:
    """Make a manifests folder by its name in TEXTS or FOLDERS."""
    folder.mkdir(parents=True)
    (folder / "reconciler.yaml").write_text(PROJECT)
    if what in TEXTS:
        text = TEXTS[what]()
        (folder / "x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    else:
        FOLDERS[what](folder)
    return folder
