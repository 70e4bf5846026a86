"""A regular expression for filter expressions, for editors: their validators know the grammar in no other way.

Every expression matches it.  What matches and is none has groups deeper than permitted, or letters that only look
like some.  Written for JavaScript and Python alike; what matches never depends on where a repetition ends, so
that a text of any length is decided at once.
"""

from __future__ import annotations

from typing import Final

from reconciler.providers.pipefy.grammar import DEEPEST, TYPES

_NO_WORD: Final = r"\s!-$&'()*,;<=>?\[\\\]^`{|}~\x00-\x1f\x7f“”„‘’‚«»´"
_WORD: Final = f"[^{_NO_WORD}]"
_NAME: Final = f"[^:{_NO_WORD}]"
_END: Final = f"(?!{_WORD})"
_ESCAPE: Final = r"""\\(?:[nrt\\'"]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})"""
_QUOTED: Final = rf"""(?:'(?:[^'\\]|{_ESCAPE})*'|"(?:[^"\\]|{_ESCAPE})*")"""


def _any(*words: str) -> str:
    """Any of some words of the language, in capitals and small letters alike."""
    spelled = ("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in words)
    return f"(?:{'|'.join(spelled)}){_END}"


_FIELD: Final = (
    f"(?:(?!{_any('and', 'or', 'not', 'in')}){_NAME}+(?::(?:{'|'.join(TYPES)}))?{_END}"
    f"|{_QUOTED}(?::(?:{'|'.join(TYPES)}){_END})?)"
)
_VALUE: Final = f"(?:(?!{_any('and', 'or', 'not', 'in', 'null')}){_WORD}+{_END}|{_QUOTED})"
_LIST: Final = rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)"
_COMPARISON: Final = (
    rf"(?:(?:(?:!=|[<>]=?|=)(?![=!<>&|])|{_any('period')})\s*{_VALUE}|{_any('unknown')}"
    rf"|(?:{_any('not')}\s*)?(?:{_any('contains')}\s*(?:{_VALUE}|{_LIST})|{_any('in')}\s*{_LIST}|{_any('exists')}))"
)
_TERM: Final = rf"(?:\(\s*)*{_FIELD}\s*{_COMPARISON}(?:\s*\))*\s*"


def _balanced(levels: int) -> str:
    """What stands between parentheses that close each other, quoted texts passed over."""
    inner = rf"|\({_balanced(levels - 1)}\)" if levels else ""
    return rf"""(?:[^()'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"{inner})*"""


EXPRESSION: Final = rf"^(?={_balanced(DEEPEST + 1)}$)\s*(?:{_TERM}(?:{_any('and', 'or')}\s*(?!$)|$))+$"
