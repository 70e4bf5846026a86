"""Templates in scalars: `{{ values.region }}` and the rest of the language.

A scalar without `{{`, `{%` or `{#` is itself.  One that only looks values up is rendered here;
everything else goes to the sandbox.  Equal texts are compiled once.  A scalar that is one single
expression keeps the expression's type; any other is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.loading.text.sources import clipped, did_you_mean
from reconciler.model.values import JSON, Path

MAX_TEMPLATE: Final = 20_000
"""Characters of one scalar that has a template."""
MAX_OUTPUT: Final = 1_000_000
"""Characters that the templates of one document may make."""

_MARKERS: Final = ("{{", "{%", "{#")
# What is surely one expression: no braces, no escapes inside its texts, no whitespace control.
_EXPRESSION = re.compile(r"""\{\{(?![-+])((?:[^{}'"\\]|'[^'{}\\]*'|"[^"{}\\]*")+)(?<![-+])\}\}""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CONTEXT: Final = ("values", "variables", "each", "env", "project")
"""The names that templates can use."""

Context = Mapping[str, Any]
Rendering = Callable[[Context], JSON]


class TemplateError(Exception):
    """A template that is wrong or has no value; a sentence, a hint, and the diagnostic's code."""

    def __init__(self, message: str, hint: str = "", code: str = "template") -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


class Variables(dict[str, str]):
    """The environment variables that templates may read; `withheld` says of others what stands in the way,
    as a sentence and a hint."""

    __slots__ = ("withheld",)

    def __init__(self, given: Mapping[str, str], withheld: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(given)
        self.withheld = withheld

    def missing(self, name: str) -> TemplateError:
        """The error for a variable that is not here."""
        if name in self.withheld:
            return TemplateError(*self.withheld[name], "undefined")
        near = did_you_mean(name, [*self, *self.withheld])
        hint = f"{near} " if near.startswith("did") else ""
        message = f"the project file does not list the environment variable {clipped(name)}"
        return TemplateError(message, f"{hint}templates see what stands in its spec.variables", "undefined")


def undefined(name: str, holder: Mapping[str, Any], path: str) -> TemplateError:
    """The error for a name that `holder` does not have; `path` is where it was looked for."""
    if isinstance(holder, Variables):
        return holder.missing(name)
    place = f" in {path}" if path else ""
    return TemplateError(f"{clipped(name)} is not defined{place}", did_you_mean(name, map(str, holder)), "undefined")


def has_template(text: str) -> bool:
    """Whether a text has anything that templates could mean."""
    return "{" in text and any(marker in text for marker in _MARKERS)


def written(value: JSON) -> str:
    """Return a value as it appears inside text; raises TemplateError for what has no obvious spelling."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if value is None:
        raise TemplateError("null cannot stand inside text", "give a default: {{ … | default('', true) }}")
    what = "a mapping" if isinstance(value, Mapping) else "a list"
    raise TemplateError(f"{what} cannot stand inside text", "use | join(', ') or | tojson")


class Templates:
    """Compiled templates, shared by all manifests of one load."""

    def __init__(self) -> None:
        self._compiled: dict[str, Rendering | TemplateError] = {}
        self._expressions: dict[str, Rendering] = {}
        self._sandbox: Any = None

    def render(self, value: JSON, context: Context, failed: Callable[[Path, TemplateError], None]) -> JSON:
        """Return a copy of a JSON value with every text rendered; keys stay as they are.

        Where a text fails, `failed` is told and the result has None.
        """
        if self._sandbox is not None:
            self._sandbox.begin()
        return _Walk(self, context, failed).of(value, ())

    def text(self, text: str, context: Context) -> JSON:
        """Render one text that has a template; raises TemplateError."""
        found = self._compiled.get(text)
        if found is None:
            try:
                found = self._compile(text)
            except TemplateError as error:
                found = error
            self._compiled[text] = found
        if isinstance(found, TemplateError):
            raise found
        return found(context)

    def _compile(self, text: str) -> Rendering:
        """Compile a text: each expression by itself, so that texts share them; all of it when it has statements.

        Both mean the same; a test holds them together.
        """
        if len(text) > MAX_TEMPLATE:
            raise TemplateError(f"a text with templates can have {MAX_TEMPLATE:,} characters", "shorten it")
        parts = _EXPRESSION.split(text)
        if len(parts) == 1 or any(has_template(part) or part.endswith("{") for part in parts[::2]):
            return self.whole(text)
        expressions = [self._expression(part) for part in parts[1::2]]
        if parts[::2] == ["", ""]:
            return expressions[0]

        def rendering(context: Context) -> JSON:
            made = [parts[0]]
            for expression, following in zip(expressions, parts[2::2], strict=True):
                made.append(written(expression(context)))
                made.append(following)
            return "".join(made)

        return rendering

    def _expression(self, text: str) -> Rendering:
        """Compile what stands between `{{` and `}}`."""
        path = text.strip().split(".")
        if path[0] in CONTEXT and all(map(_NAME.fullmatch, path)):
            return lambda context: _look(context, path)
        found = self._expressions.get(text)
        if found is None:
            found = self._expressions[text] = self.whole("{{" + text + "}}")
        return found

    def whole(self, text: str) -> Rendering:
        """Compile a text in the sandbox."""
        if self._sandbox is None:
            from reconciler.loading.templating.sandbox import Sandbox

            self._sandbox = Sandbox()
        rendering: Rendering = self._sandbox.compile(text)
        return rendering


class _Walk:
    """One rendering of one value: where it is, and how much it has made."""

    def __init__(self, templates: Templates, context: Context, failed: Callable[[Path, TemplateError], None]) -> None:
        self._templates, self._context, self._failed = templates, context, failed
        self._made = 0

    def of(self, value: JSON, path: Path) -> JSON:
        kind = value.__class__
        if kind is str:
            return self._text(value, path) if has_template(value) else value
        if kind is dict:
            return {key: self._inner(item, path, key) for key, item in value.items()}
        if kind is list:
            return [self._inner(item, path, index) for index, item in enumerate(value)]
        return value

    def _inner(self, value: JSON, path: Path, step: str | int) -> JSON:
        # most values are texts without templates: a path for each of them would take longer than all the rest
        if value.__class__ is str and "{" not in value:
            return value
        return self.of(value, (*path, step))

    def _text(self, text: str, path: Path) -> JSON:
        try:
            made = self._templates.text(text, self._context)
            self._made += _weight(made)
            if self._made > MAX_OUTPUT:
                raise TemplateError(f"the document's templates make more than {MAX_OUTPUT:,} characters", "make less")
        except TemplateError as error:
            self._failed(path, error)
            return None
        return made


def _weight(value: JSON) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, (dict, list)):
        return 1 + sum(map(_weight, value.values() if isinstance(value, dict) else value))
    return 1


def _look(context: Context, path: list[str]) -> JSON:
    value: Any = context
    for index, name in enumerate(path):
        if not isinstance(value, Mapping) or name not in value:
            holder = value if isinstance(value, Mapping) else {}
            raise undefined(name, holder, ".".join(path[:index]))
        value = value[name]
    return value
