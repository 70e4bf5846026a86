"""How much a file may make us do: what is beyond it is refused before it takes time or memory."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Final, NoReturn

from yaml._yaml import CParser
from yaml.events import StreamEndEvent

from reconciler.loading.text.dialect import Misread
from reconciler.loading.text.sources import Mark

MAX_DEPTH: Final = 64
MAX_DOCUMENT: Final = 100_000
"""Nodes of one document once its aliases are written out; 64 characters of text count as one more."""
MAX_FILE: Final = 2_000_000
"""The same for all documents of one file."""
MAX_REPEATED: Final = 500_000
"""What the aliases of one file may add to that: they make much of little text."""
MAX_DOCUMENTS: Final = 50_000
"""Documents of one file, empty ones too."""
MAX_TAG_DIRECTIVES: Final = 100
"""libyaml compares each with all others."""

_TAG_DIRECTIVE: Final = re.compile(r"(?<![^\r\n])%TAG")


class Refused(Exception):
    """What is not read on, and why; `mark` is where it became too much."""

    def __init__(self, code: str, message: str, hint: str, mark: Mark) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.mark = code, message, hint, mark


class Budget:
    """What one file has taken so far; `weight` counts its values, `repeated` those that aliases added."""

    __slots__ = ("limit", "repeated", "weight")

    def __init__(self) -> None:
        self.weight = 0
        self.repeated = 0
        self.limit = 0

    def begin(self) -> None:
        """A document begins."""
        self.limit = min(self.weight + MAX_DOCUMENT, MAX_FILE)

    def check(self, mark: Mark) -> None:
        """Raise Refused when the values are too many."""
        if self.repeated > MAX_REPEATED:
            message, hint = "the file is too big once its aliases are written out", "use fewer aliases"
        elif self.weight > self.limit:
            message = "the document is too big" + (" once its aliases are written out" if self.repeated else "")
            hint = f"keep a document below {MAX_DOCUMENT:,} values and a file below {MAX_FILE:,}"
        else:
            return
        raise Refused("yaml-size", message, hint, mark)

    def too_deep(self, mark: Mark) -> NoReturn:
        """Raise Refused for a mapping or a list inside too many others."""
        raise Refused("yaml-depth", f"nested deeper than {MAX_DEPTH} levels", "flatten it", mark)


def check_directives(text: str) -> None:
    """Raise Misread when a text has so many directives that libyaml takes long over them."""
    if text.count("%TAG") > MAX_TAG_DIRECTIVES:
        directives = list(islice(_TAG_DIRECTIVE.finditer(text), MAX_TAG_DIRECTIVES + 1))
        if len(directives) > MAX_TAG_DIRECTIVES:
            raise Misread("there are too many %TAG directives", "remove them", directives[-1].start())


def check_documents(index: int, parser: CParser) -> None:
    """Raise Refused when a file goes on after its last permitted document."""
    if index < MAX_DOCUMENTS or parser.check_event(StreamEndEvent):
        return
    event: Any = parser.peek_event()
    message = f"the file has more than {MAX_DOCUMENTS:,} documents"
    raise Refused("yaml-size", message, "split it into several files", event.start_mark)
