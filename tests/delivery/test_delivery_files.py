"""Files in a folder: verified, named, whole or not there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import json
import os
import resource
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.delivery import content
from reconciler.delivery.files import Folder
from reconciler.model.outcome import Delivered
from reconciler.model.ports import LinkExpired, Undeliverable
from reconciler.model.values import Address

WEEKLY = Address("pipefy", "export", "weekly-sales")
STAMP = "2026-11-23T06:00:00Z"


def workbook(text: str = "a", **parts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in {"[Content_Types].xml": "<t/>", "xl/workbook.xml": text * 100, **parts}.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


async def chunks(body: bytes, size: int = 7, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
    if error is not None:
        raise error


def deliver(root: Path, body: bytes, stamp: str = STAMP, error: BaseException | None = None) -> Delivered:
    return asyncio.run(Folder(root)(WEEKLY, stamp, chunks(body, error=error)))


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_workbook_is_stored_under_its_name_and_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    body = workbook()
    delivered = deliver(Path("exports"), body)
    assert delivered == Delivered(
        "exports/weekly-sales-20261123T060000Z.xlsx", hashlib.sha256(body).hexdigest(), len(body)
    )
    assert (tmp_path / delivered.location).read_bytes() == body
    assert listing(tmp_path / "exports") == ["weekly-sales-20261123T060000Z.xlsx"]


def test_the_location_is_relative_only_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert deliver(tmp_path / "here/out", workbook()).location == "out/weekly-sales-20261123T060000Z.xlsx"
    assert deliver(tmp_path / "there", workbook()).location.startswith(tmp_path.as_posix())


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        deliver(tmp_path, workbook())
    finally:
        os.umask(before)
    assert next(tmp_path.iterdir()).stat().st_mode & 0o777 == 0o640
    assert next(tmp_path.iterdir()).stat().st_nlink == 1


def test_the_same_content_twice_is_one_file(tmp_path: Path) -> None:
    assert deliver(tmp_path, workbook()) == deliver(tmp_path, workbook())
    assert len(listing(tmp_path)) == 1


def test_another_content_never_overwrites(tmp_path: Path) -> None:
    locations = [Path(deliver(tmp_path, workbook(text)).location).name for text in ("a", "b", "c", "b", "dd")]
    stem = "weekly-sales-20261123T060000Z"
    assert locations == [f"{stem}.xlsx", f"{stem}-2.xlsx", f"{stem}-3.xlsx", f"{stem}-2.xlsx", f"{stem}-4.xlsx"]
    assert (tmp_path / f"{stem}.xlsx").read_bytes() == workbook("a")


def test_what_is_no_file_under_the_name_is_left_alone(tmp_path: Path) -> None:
    stem = "weekly-sales-20261123T060000Z"
    body = workbook()
    (tmp_path / f"{stem}.xlsx").mkdir()
    (tmp_path / f"{stem}-2.xlsx").symlink_to(tmp_path / "nowhere")
    assert Path(deliver(tmp_path, body).location).name == f"{stem}-3.xlsx"


def test_two_at_once_do_not_lose_one(tmp_path: Path) -> None:
    async def both() -> set[str]:
        folder = Folder(tmp_path)
        found = await asyncio.gather(*(folder(WEEKLY, STAMP, chunks(workbook(text))) for text in "abcd"))
        return {item.location for item in found}

    assert len(asyncio.run(both())) == 4
    assert len(listing(tmp_path)) == 4


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    names = [Path(deliver(tmp_path, workbook(text)).location).name for text in ("a", "b", "a")]
    assert names == [
        "weekly-sales-20261123T060000Z.xlsx",
        "weekly-sales-20261123T060000Z-2.xlsx",
        "weekly-sales-20261123T060000Z.xlsx",
    ]
    assert len(listing(tmp_path)) == 2


@pytest.mark.parametrize("stamp", ["../../etc/passwd", "a/b", "2026-11-23T06:00:00+02:00", "\x00\n"])
def test_a_stamp_cannot_leave_the_folder(tmp_path: Path, stamp: str) -> None:
    deliver(tmp_path / "out", workbook(), stamp)
    assert len(listing(tmp_path / "out")) == 1
    assert listing(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "body", [b"a,b\n1,2\n", "é;ü\n".encode() * 50_000, b"\xef\xbb\xbfa,b\n", b'{"a",b\n', b"{" * 90_000]
)
def test_text_is_kept_as_csv(tmp_path: Path, body: bytes) -> None:
    assert deliver(tmp_path, body).location.endswith(".csv")
    assert (tmp_path / listing(tmp_path)[0]).read_bytes() == body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<!DOCTYPE html><html>no</html>", "web page"),
        (b"\n <html>", "web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "web page"),
        (json.dumps({"error": "expired"}).encode(), "JSON message"),
        (b"\xef\xbb\xbf" + json.dumps({"error": "expired"}).encode(), "JSON message"),
        (b"\xff\xfea\x00,\x00", "neither a workbook nor UTF-8 text"),
        (b"a,b\n\x00\x01\x02", "neither a workbook nor text"),
        ("ü".encode()[:1], "neither a workbook nor UTF-8 text"),
        (b"\x1f\x8b\x08" + bytes(range(256)), "neither a workbook"),
        (workbook()[:-30], "damaged"),
        (workbook()[:60], "damaged"),
        (b"PK\x03\x04", "damaged"),
    ],
)
def test_what_is_no_export_is_refused_and_leaves_nothing(tmp_path: Path, body: bytes, said: str) -> None:
    with pytest.raises(Undeliverable, match=said):
        deliver(tmp_path, body)
    assert listing(tmp_path) == []


def test_a_zip_that_is_no_workbook(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<t/>")
    with pytest.raises(Undeliverable, match=r"it lacks xl/workbook\.xml"):
        deliver(tmp_path, buffer.getvalue())


def test_a_damaged_part_is_found(tmp_path: Path) -> None:
    body = bytearray(workbook(**{"xl/sheet.xml": "hello" * 50}))
    body[body.index(b"xl/sheet.xml") + 14] ^= 0xFF
    with pytest.raises(Undeliverable, match="damaged"):
        deliver(tmp_path, bytes(body))


def test_a_bomb_is_unpacked_only_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    original = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        nonlocal read
        chunk = original(self, n)
        read += len(chunk)
        return chunk

    monkeypatch.setattr(content, "CHECKED", 1 << 20)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    deliver(tmp_path, workbook(**{"xl/sheet.xml": "0" * (50 << 20)}))
    assert read <= (1 << 20) + (1 << 16)


@pytest.mark.parametrize("error", [LinkExpired(), ConnectionResetError("reset"), asyncio.CancelledError()])
def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        deliver(tmp_path, workbook(), error=error)
    assert listing(tmp_path) == []


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(Undeliverable, match="exports: the file cannot be stored: "):
        deliver(tmp_path / "exports", workbook())


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(Undeliverable, match="cannot be stored: File too large"):
            asyncio.run(Folder(tmp_path)(WEEKLY, STAMP, chunks(b"0" * 200_000, 50_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert listing(tmp_path) == []


def test_a_full_disk_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Undeliverable, match=f"cannot be stored: {os.strerror(errno.ENOSPC)}"):
        deliver(tmp_path, workbook())
    assert listing(tmp_path) == []


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5), st.integers(0, 10_000))
def test_a_damaged_workbook_is_accepted_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], cut: int
) -> None:
    body = bytearray(workbook(**{"xl/sheet.xml": "hello"}))
    for at, value in flips:
        body[at % len(body)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.xlsx"
    path.write_bytes(body[: len(body) - cut % len(body)])
    with contextlib.suppress(Undeliverable):
        assert content.suffix(path) in (".xlsx", ".csv")
