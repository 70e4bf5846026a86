"""What stands in the `-wal` file beside an SQLite file, looked at before SQLite does.

When a process was killed, the last appends are there and nowhere else.  SQLite reads them up to the first byte that
does not fit its checksum, and takes everything behind it for something that was never finished: a log would end early,
without a word.  What was never finished has no end of a transaction, though, and what was merely damaged has one: also
the last one, since whoever writes with `psow=0` writes the page that ends a transaction twice.

The layout is that of the pages "WAL-mode File Format" and "Database File Format" in SQLite's documentation.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct(">4I8s2I")  # magic, version, page size, sequence, salts, checksum
_FRAME: Final = struct.Struct(">2I8s2I")  # page, pages of the database if a transaction ends here, salts, checksum
_SALTS: Final = 8  # where in a frame they are
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}  # and the order of bytes in checksums
_PAUSE: Final = 0.05  # seconds in which whoever is writing writes more


def is_damaged(file: Path) -> bool:
    """Whether finished transactions stand behind what SQLite will read of this `-wal` file; False when it is not there.

    Others may be writing to it: damage is what stays the same when it is read again.
    """
    seen = None
    while True:
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return False
        if not _goes_on(data):
            return False
        if data == seen:
            return True
        seen = data
        time.sleep(_PAUSE)


def _goes_on(data: bytes) -> bool:
    """Whether a transaction ends behind the first page that cannot be read: not with it, for whoever was killed over
    the page that ends one had already written that it does."""
    if len(data) <= _HEADER.size + _FRAME.size:
        return False
    salts, end = _readable(data)
    found = data.find(salts, end + _SALTS + 1)
    while found > 0:
        if any(data[found - 4 : found]):  # the number before the salts is 0 where no transaction ends
            return True
        found = data.find(salts, found + 1)
    return False


def _readable(data: bytes) -> tuple[bytes, int]:
    """The salts that all of this log has, and where what fits its checksums ends."""
    magic, _, size, _, salts, *checksum = _HEADER.unpack_from(data)
    order = _MAGIC.get(magic, "<")
    sums = _sums(data[: _HEADER.size - 8], order, (0, 0))
    if magic not in _MAGIC or list(sums) != checksum:
        return data[_HEADER.size + _SALTS :][:8], 0
    at = _HEADER.size
    while at + _FRAME.size + size <= len(data):
        page = at + _FRAME.size
        _, _, its, *checksum = _FRAME.unpack_from(data, at)
        sums = _sums(data[at : at + 8] + data[page : page + size], order, sums)
        if its != salts or list(sums) != checksum:
            break
        at = page + size
    return salts, at


def _sums(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """The checksum of some numbers that follow others with the checksum `sums`."""
    first, second = sums
    numbers = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for number in numbers:
        first = (first + number + second) & 0xFFFFFFFF
        second = (second + next(numbers) + first) & 0xFFFFFFFF
    return first, second
