"""Exported logs: every byte counts, and a file is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from reconciler.model.entry import LeaseReleased
from reconciler.model.errors import Broken, StateError, Usage
from reconciler.state import codec
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.chain import Chain, load, walk
from reconciler.state.exported import ExportedLog, Kept, Writer
from reconciler.testing.growing import AT, archive, grown, put


class Rows:
    """A log in memory; as much of a Backend as writing one needs."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []

    def append(self, position: int, batch: bytes) -> None:
        self.batches.append(batch)


def written(file: Path, batches: list[bytes], first: int = 1) -> Path:
    with file.open("wb") as stream:
        writer = Writer(stream.write, "acme/żółć")
        for position, batch in enumerate(batches, first):
            writer.add(position, batch)
        writer.end()
    assert writer.bytes == file.stat().st_size
    return file


def small(file: Path, number: int = 3) -> Path:
    rows, chain = Rows(), Chain()
    for each in range(number):
        put(chain, rows, [LeaseReleased(f"r{each}", AT)])  # type: ignore[arg-type]
    return written(file, rows.batches)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    rows = Rows()
    chain = grown(rows, 4)  # type: ignore[arg-type]
    log = ExportedLog(written(tmp_path / "log", rows.batches))
    assert list(log.read(WHOLE)[1]) == list(log.read(0)[1]) == list(enumerate(rows.batches, 1))
    assert list(log.read(3)[1]) == [(4, rows.batches[3])]
    assert list(log.read(9)[1]) == []
    assert load(log).recorded == chain.recorded
    assert log.header.log == "acme/żółć"
    log.close()


def test_the_format_is_the_one_that_is_described(tmp_path: Path) -> None:
    file = small(tmp_path / "log", 2)
    head, one, two, foot = file.read_bytes().splitlines(keepends=True)
    assert json.loads(head) == {"format": "reconciler.export/1", "log": "acme/żółć", "first": 1}
    assert json.loads(foot) == {
        "last": 2,
        "head": codec.sha256(two.rstrip()),
        "sum": hashlib.sha256(head + one + two).hexdigest(),
    }
    assert file.read_bytes().isascii()


def test_a_trimmed_log_keeps_its_positions(tmp_path: Path) -> None:
    backend = open_backend(f"sqlite:{tmp_path}/state.db", "acme/default")
    chain = grown(backend, 3)
    archive(chain, backend)
    rows = [batch for _, batch in backend.read(WHOLE)[1]]
    backend.close()
    log = ExportedLog(written(tmp_path / "log", rows, first=4))
    again = Chain()
    assert [link.position for link in walk(log, again)] == [4]
    assert (again.recorded, again.offset) == (chain.recorded, 0)


def test_every_damaged_byte_is_found(tmp_path: Path) -> None:
    file = small(tmp_path / "log")
    whole = file.read_bytes()
    for at in range(len(whole)):
        file.write_bytes(bytes([*whole[:at], whole[at] ^ 1 << at % 7, *whole[at + 1 :]]))
        with pytest.raises(StateError) as caught:
            load(ExportedLog(file))
        assert caught.value.message.endswith("."), at
        assert caught.value.hint, at


def test_a_file_that_was_cut_off_anywhere_is_found(tmp_path: Path) -> None:
    file = small(tmp_path / "log")
    whole = file.read_bytes()
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        with pytest.raises(StateError):
            load(ExportedLog(file))


@pytest.mark.parametrize("more", [b"\n", b"x", b"{}\n"])
def test_a_file_that_goes_on_is_found(tmp_path: Path, more: bytes) -> None:
    file = small(tmp_path / "log")
    file.write_bytes(file.read_bytes() + more)
    with pytest.raises(StateError, match="goes on behind its last line"):
        load(ExportedLog(file))


def test_a_line_that_is_gone_or_there_twice_is_found(tmp_path: Path) -> None:
    file = small(tmp_path / "log")
    lines = file.read_bytes().splitlines(keepends=True)
    for number in range(len(lines)):
        for times in (0, 2):
            file.write_bytes(b"".join(lines[:number] + lines[number : number + 1] * times + lines[number + 1 :]))
            with pytest.raises(StateError):
                load(ExportedLog(file))


def test_what_is_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log"
    for content in (b"", b"hello\n", b"\0" * 99, b'{"format":"reconciler.plan/1"}', b"[" * 2_000_000):
        file.write_bytes(content)
        with pytest.raises(StateError, match="is no exported log"):
            ExportedLog(file).read(0)
    for content in (b'{"format":"reconciler.export/2","log":"a/b"}\n', b'{"format":"reconciler.export/11"}\n'):
        file.write_bytes(content)
        with pytest.raises(StateError, match="newer version"):
            ExportedLog(file).read(0)
    with pytest.raises(Usage, match="No such file"):
        ExportedLog(tmp_path / "none").read(0)
    with pytest.raises(Usage, match="directory"):
        ExportedLog(tmp_path).read(0)


def test_it_is_only_read(tmp_path: Path) -> None:
    file = small(tmp_path / "log")
    log, before = ExportedLog(file), file.read_bytes()
    for act in (lambda: log.append(4, b"x"), lambda: log.checkpoint(3, b"s"), lambda: log.trim(2)):
        with pytest.raises(StateError, match="is not written to"):
            act()
    assert file.read_bytes() == before


@pytest.mark.parametrize("batch", [b"a\nb", "żółć".encode(), b"\xff"])
def test_what_is_no_line_is_not_written(batch: bytes) -> None:
    lines: list[bytes] = []
    writer = Writer(lines.append, "acme/default")
    with pytest.raises(StateError, match="position 1 is not one line"):
        writer.add(1, batch)
    writer.end()
    assert lines == []


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_appears_when_it_is_finished(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with Kept(file) as kept:
        kept.write(b"one")
        kept.sync()
        kept.write(b"two")
        assert not file.exists()
        kept.finish()
    assert (names(tmp_path), file.read_bytes()) == (["log"], b"onetwo")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with Kept(tmp_path / "log") as kept:
        kept.write(b"one")
    assert names(tmp_path) == []
    with pytest.raises(ZeroDivisionError), Kept(tmp_path / "log") as kept:
        kept.write(b"x" * (1 / 0))  # type: ignore[operator]
    assert names(tmp_path) == []


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"old")
    with pytest.raises(Usage, match="there already"):
        Kept(file)
    with Kept(file, replace=True) as kept:
        kept.write(b"new")
        assert file.read_bytes() == b"old"
        kept.finish()
    assert file.read_bytes() == b"new"
    with pytest.raises(Usage, match="no file"):
        Kept(tmp_path, replace=True)
    with pytest.raises(Usage, match="no file"):
        Kept(Path("/dev/null"), replace=True)
    assert names(tmp_path) == ["log"]


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("this file system knows no links")

    for number in range(2):
        file = tmp_path / f"log{number}"
        with Kept(file) as kept:
            file.write_bytes(b"theirs")
            with pytest.raises(Usage, match="appeared meanwhile"):
                kept.finish()
        assert file.read_bytes() == b"theirs"
        monkeypatch.setattr(os, "link", no_links)
    with Kept(tmp_path / "other") as kept:
        kept.finish()
    assert names(tmp_path) == ["log0", "log1", "other"]


def test_a_link_leads_to_the_file_that_is_made(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "log")
    with Kept(tmp_path / "link") as kept:
        kept.write(b"one")
        kept.finish()
    assert (names(tmp_path / "deep"), (tmp_path / "link").read_bytes()) == (["log"], b"one")
    assert (tmp_path / "link").is_symlink()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="No such file"), Kept(tmp_path / "none" / "log"):
        pass


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with Kept(tmp_path / "log") as kept:
        kept.write(b"one")
        with pytest.raises(Broken, match="No space left"):
            kept.finish()
    assert names(tmp_path) == []


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    fsync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append("folder" if folder else f"file of {os.fstat(descriptor).st_size}")
        fsync(descriptor)

    def linked(*names: Path) -> None:
        seen.append("name")
        link(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    with Kept(tmp_path / "log") as kept:
        kept.write(b"one")
        kept.finish()
    assert seen == ["file of 3", "name", "folder"]
