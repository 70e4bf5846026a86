"""Where documents wait on a disk, so that as many as a log is long need no memory."""

from __future__ import annotations

import json
import tempfile
from typing import Final

from reconciler.model.errors import Broken
from reconciler.model.values import JSON

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_IN_MEMORY: Final = 8 * 1024 * 1024
"""Bytes from which on a disk is needed."""


class Shelf:
    """Keeps JSON documents by the offset at which they begin; a temporary file, gone with the process."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - lives as long as the shelf
        self._end = 0

    def put(self, document: JSON) -> int:
        """Keep a document and return where it is.  Raises Broken when there is no room."""
        line = _ENCODE(document).encode("ascii") + b"\n"
        try:
            self._file.seek(self._end)
            self._file.write(line)
        except OSError as error:
            raise Broken(f"there is no room for temporary files: {error.strerror}", "see TMPDIR") from error
        place, self._end = self._end, self._end + len(line)
        return place

    def get(self, place: int) -> JSON:
        """The document that is there."""
        self._file.seek(place)
        return json.loads(self._file.readline())

    def close(self) -> None:
        """Let go of everything."""
        self._file.close()
