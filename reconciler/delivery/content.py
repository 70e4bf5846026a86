"""Tells a workbook or a CSV from what a service sends in their stead."""

from __future__ import annotations

import codecs
import errno
import json
import zipfile
import zlib
from pathlib import Path
from typing import Final

from reconciler.model.ports import Undeliverable

CHECKED: Final = 1 << 30
"""Bytes of a workbook that are unpacked to check their sums, at most; nothing unpacked is kept."""

_CHUNK: Final = 1 << 16
_MESSAGE: Final = 1 << 20
_PARTS: Final = ("[Content_Types].xml", "xl/workbook.xml")
_MAGIC: Final = b"PK\x03\x04"


def suffix(path: Path) -> str:
    """Return `.xlsx` or `.csv` for a file that is intact; reads it, changes nothing.

    A workbook is a ZIP with an intact directory, the parts every workbook has, and sums that are right in
    the first `CHECKED` bytes.  Anything else must be UTF-8 text that is no web page and no JSON message.
    Raises Undeliverable with what is wrong, and OSError.
    """
    with path.open("rb") as file:
        head = file.read(_MESSAGE)
    if head.startswith(_MAGIC):
        _check_workbook(path)
        return ".xlsx"
    _check_text(path, head)
    return ".csv"


def _check_workbook(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [part for part in _PARTS if part not in archive.namelist()]
            if missing:
                raise Undeliverable(f"the file is a ZIP archive but no workbook: it lacks {missing[0]}")
            _check_sums(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise Undeliverable(f"the workbook is damaged, perhaps cut short: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # its directory points before its beginning
        raise Undeliverable("the workbook is damaged: its parts are not where it says") from error


def _check_sums(archive: zipfile.ZipFile) -> None:
    left = CHECKED
    for entry in archive.infolist():
        with archive.open(entry) as part:
            while left > 0 and (chunk := part.read(_CHUNK)):
                left -= len(chunk)


def _check_text(path: Path, head: bytes) -> None:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not start:
        raise Undeliverable("the file is empty")
    if start.startswith(b"<"):
        raise Undeliverable("the service sent a web page or an XML message instead of the file")
    if start.startswith(b"{") and len(head) < _MESSAGE and _is_json(head):
        raise Undeliverable("the service sent a JSON message instead of the file")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if "\0" in decoder.decode(chunk):
                    raise Undeliverable("the file is neither a workbook nor text")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Undeliverable("the file is neither a workbook nor UTF-8 text") from error


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return False
    return True
