"""The filters of templates.  All are strict: what makes no sense is an error, never a silent default.

Each takes JSON and gives JSON, has no effects and does work in proportion to its input.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.loading.templating.templates import MAX_OUTPUT, TemplateError, written
from reconciler.model.values import JSON


def spoken(value: Any) -> str:
    """Return what sort of value it is, for a sentence."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", type(None): "null"}
    if isinstance(value, Mapping):
        return "a mapping"
    return names.get(type(value), "a list" if isinstance(value, (list, tuple)) else "something else")


def default(value: Any, other: JSON = "", blank: bool = False) -> JSON:
    """`x | default(y)`: y when x is not defined; with `true` as second argument also when x is null, empty or false."""
    from jinja2.runtime import Undefined

    return other if isinstance(value, Undefined) or (blank and not value) else value


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise TemplateError(f"the filter needs text, not {spoken(value)}", "use | string")
    return value


def _list(value: JSON) -> list[JSON]:
    if not isinstance(value, (list, tuple)):
        raise TemplateError(f"the filter needs a list, not {spoken(value)}", "use | list")
    return list(value)


def _mapping(value: JSON) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        raise TemplateError(f"the filter needs a mapping, not {spoken(value)}")
    return value


def _number(value: JSON) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TemplateError(f"the filter needs a number, not {spoken(value)}", "use | int or | float")
    return value


def _numbers_or_texts(value: JSON) -> list[Any]:
    items = _list(value)
    for check in (_number, _text):
        try:
            return [check(item) for item in items]
        except TemplateError:
            continue
    raise TemplateError("the filter needs a list of numbers or a list of texts")


def _as_list(value: JSON) -> JSON:
    """`x | list`: a list as it is, a mapping's keys, a text's characters."""
    if isinstance(value, (list, tuple, Mapping, str)):
        return list(value)
    raise TemplateError(f"{spoken(value)} cannot become a list")


def _join(value: JSON, separator: str = "") -> str:
    texts = [written(item) for item in _list(value)]
    if sum(map(len, texts)) + len(_text(separator)) * len(texts) > MAX_OUTPUT:
        raise TemplateError("the text becomes too long")
    return separator.join(texts)


def _replace(value: JSON, old: str, new: str) -> str:
    text = _text(value)
    if not _text(old):
        raise TemplateError("replace needs something to replace")
    if len(text) + text.count(old) * len(_text(new)) > MAX_OUTPUT:
        raise TemplateError("the text becomes too long")
    return text.replace(old, new)


def _split(value: JSON, separator: str | None = None) -> JSON:
    return _text(value).split(_text(separator) if separator else None)


def _length(value: JSON) -> int:
    if isinstance(value, (str, list, tuple, Mapping)):
        return len(value)
    raise TemplateError(f"{spoken(value)} has no length")


def _first(value: JSON) -> JSON:
    return _some(value)[0]


def _last(value: JSON) -> JSON:
    return _some(value)[-1]


def _some(value: JSON) -> list[JSON]:
    items = _list(value)
    if not items:
        raise TemplateError("the list is empty")
    return items


def _unique(value: JSON) -> JSON:
    found: dict[str, JSON] = {}
    for item in _list(value):
        found.setdefault(_json(item), item)
    return list(found.values())


def _reverse(value: JSON) -> JSON:
    return value[::-1] if isinstance(value, str) else _list(value)[::-1]


def _pluck(value: JSON, key: str) -> JSON:
    """`x | map('name')` (or `attribute='name'`): that key of each mapping in a list."""
    items = [_mapping(item) for item in _list(value)]
    for item in items:
        if key not in item:
            raise TemplateError(f"an entry of the list has no {key}", code="undefined")
    return [item[key] for item in items]


def _map(value: JSON, key: str = "", *, attribute: str = "") -> JSON:
    return _pluck(value, _text(key or attribute))


def _int(value: JSON) -> int:
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > 20 or (text and not text.lstrip("+-").isdecimal()):
        raise TemplateError(f"{json.dumps(text[:40])} is not a whole number")
    try:
        return int(text) if text else int(_number(value))
    except (ValueError, OverflowError):
        raise TemplateError(f"{json.dumps(text[:40])} is not a whole number") from None


def _float(value: JSON) -> float:
    try:
        return float(value) if isinstance(value, str) else float(_number(value))
    except ValueError:
        raise TemplateError(f"{json.dumps(str(value)[:40])} is not a number") from None


def _string(value: JSON) -> str:
    return written(value)


def _round(value: JSON, digits: int = 0) -> int | float:
    rounded = round(_number(value), digits)
    return rounded if digits > 0 else int(rounded)


def _json(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "default": default,
    "d": default,
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "capitalize": lambda value: _text(value).capitalize(),
    "title": lambda value: _text(value).title(),
    "trim": lambda value: _text(value).strip(),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "list": _as_list,
    "items": lambda value: [list(pair) for pair in _mapping(value).items()],
    "length": _length,
    "count": _length,
    "first": _first,
    "last": _last,
    "sort": lambda value: sorted(_numbers_or_texts(value)),
    "min": lambda value: min(_numbers_or_texts(_some(value))),
    "max": lambda value: max(_numbers_or_texts(_some(value))),
    "sum": lambda value: sum(_number(item) for item in _list(value)),
    "unique": _unique,
    "reverse": _reverse,
    "map": _map,
    "int": _int,
    "float": _float,
    "string": _string,
    "round": _round,
    "abs": lambda value: abs(_number(value)),
    "tojson": _json,
}


def usage(name: str) -> str:
    """Return how a filter is written."""
    import inspect  # loaded on first use: nearly always the arguments are right

    _, *taken = inspect.signature(FILTERS[name]).parameters.values()
    named = [f"{each.name}=…" if each.kind is each.KEYWORD_ONLY else each.name for each in taken]
    words = [word if each.default is each.empty else f"[{word}]" for each, word in zip(taken, named, strict=True)]
    return f"write {name}({', '.join(words)})" if words else f"write {name} without arguments"
