"""The template language: sandboxed Jinja2, cut down to what manifests need, bounded in steps.

Expressions: literals, lookups in mappings and lists, arithmetic, comparisons, `if … else`, the
filters and tests below, `range`.  Statements: `if`, `for`, `raw`.  Nothing has attributes or
methods, nothing is imported, assigned or called, so a template reaches the values it was given
and nothing else.  `filters.FILTERS` is the documented set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.exceptions import TemplateSyntaxError, UndefinedError
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from reconciler.loading.templating import filters
from reconciler.loading.templating.templates import (
    CONTEXT,
    MAX_OUTPUT,
    Context,
    Rendering,
    TemplateError,
    undefined,
    written,
)
from reconciler.loading.text.scalars import MAX_INTEGER
from reconciler.loading.text.sources import clipped, did_you_mean
from reconciler.model.values import JSON

MAX_STEPS: Final = 100_000
"""Values that the templates of one document may touch."""
MAX_STEPS_IN_ALL: Final = 10_000_000
"""The same for a whole folder, forEach included."""
MAX_TEMPLATES: Final = 1_000_000
"""Characters of all distinct expressions and statements of a folder; each counts `_BASE` more."""
_BASE: Final = 200

_PERMITTED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.For,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.Call,
    nodes.BinExpr,
    nodes.UnaryExpr,
    nodes.Concat,
)
_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_TESTS: Final = ("defined", "undefined", "none", "string", "number", "boolean", "mapping", "sequence", "integer")
_STEP: Final = " step"
_MEASURED: Final = " measured"
_VALUE: Final = "single_value"


class _Missing(StrictUndefined):
    """A value that is not there, with a sentence that names what is."""

    __slots__ = ()

    def problem(self) -> TemplateError:
        """Return the error to show for it."""
        name = str(self._undefined_name)
        known = self._undefined_obj if isinstance(self._undefined_obj, Mapping) else {}
        if self._undefined_obj is missing and not name.startswith("["):
            known = dict.fromkeys(each for each in CONTEXT if each != name)
        if self._undefined_hint:
            return TemplateError(str(self._undefined_hint), did_you_mean(name, map(str, known)), "undefined")
        return undefined(name, known, "")

    @property
    def _undefined_message(self) -> str:
        return self.problem().message


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 without attributes, methods and big operations; `spend` counts the steps."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            undefined=_Missing,
            keep_trailing_newline=True,
            optimized=False,
            cache_size=0,
            autoescape=False,
            finalize=_finalize,
        )
        self.left = 0
        self.left_in_all = MAX_STEPS_IN_ALL
        self.globals = {"range": self._range}
        self.filters = {name: self._counted(name, function) for name, function in filters.FILTERS.items()}
        self.filters |= {_STEP: self._each, _MEASURED: self.measured}
        self.tests = {name: self.tests[name] for name in _TESTS}

    def spend(self, steps: int) -> None:
        """Count steps; raises TemplateError when there are too many."""
        self.left -= steps
        self.left_in_all -= steps
        if self.left < 0:
            raise TemplateError(
                f"the templates of the document take more than {MAX_STEPS:,} steps", "make them simpler"
            )
        if self.left_in_all < 0:
            raise TemplateError(f"all templates take more than {MAX_STEPS_IN_ALL:,} steps", "make them simpler")

    def measured(self, value: Any) -> Any:
        """Count a value with everything in it, and return it."""
        pending = [value]
        while pending:
            item = pending.pop()
            if isinstance(item, Undefined):
                raise _problem(item)
            self.spend(1 + len(item) // 64 if isinstance(item, str) else 1)
            if isinstance(item, Mapping):
                pending.extend(item.values())
            elif isinstance(item, (list, tuple)):
                pending.extend(item)
        return value

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look a name up in a mapping; there are no attributes."""
        if isinstance(obj, LoopContext):
            if attribute in _LOOP:
                return getattr(obj, attribute)
            return self.undefined(hint=f"loop has no {clipped(attribute)}", name=attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look a key up in a mapping or an index in a list or text."""
        if isinstance(obj, Undefined):
            return obj
        if isinstance(obj, Mapping) and isinstance(argument, str):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(obj, (list, tuple, str)) and isinstance(argument, int):
            return obj[argument] if -len(obj) <= argument < len(obj) else self.undefined(name=f"[{argument}]")
        return self.undefined(hint=f"{filters.spoken(obj)} has no {clipped(str(argument))}", name=str(argument))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute with numbers, join texts and lists; nothing big."""
        for operand in (left, right):
            if isinstance(operand, Undefined):
                raise _problem(operand)
        if operator == "+" and type(left) is type(right) and isinstance(left, (str, list)):
            self.spend((len(left) + len(right)) // 64 + 1)
            return left + right
        if not all(isinstance(operand, (int, float)) and not isinstance(operand, bool) for operand in (left, right)):
            raise TemplateError(
                f"{filters.spoken(left)} {operator} {filters.spoken(right)} cannot be computed",
                "use ~ to join text" if operator == "+" else "",
            )
        if operator == "**" and (abs(right) > 64 or abs(left) > MAX_INTEGER):
            raise TemplateError("the power is too big to compute")
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, complex) or not math.isfinite(result) or abs(result) > 2**63:
            raise TemplateError(f"the result of {operator} is out of range")
        return result

    def _counted(self, filter_: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(value: Any, *arguments: Any, **named: Any) -> Any:
            if not (isinstance(value, Undefined) and function is filters.default):
                self.measured(value)
            try:
                result = function(value, *arguments, **named)
            except TypeError as error:  # what is wrong with the value is said by the filters themselves
                message = f"the arguments of the filter {filter_} are wrong"
                raise TemplateError(message, filters.usage(filter_)) from error
            return self.measured(result)

        return counted

    def _each(self, values: Any) -> Iterator[Any]:
        if isinstance(values, Undefined):
            raise _problem(values)
        if not isinstance(values, (list, tuple, Mapping)):
            raise TemplateError(f"for needs a list, not {filters.spoken(values)}")
        for value in values:
            self.spend(1)
            yield value

    def _range(self, *arguments: Any) -> list[int]:
        if not 1 <= len(arguments) <= 3 or not all(type(argument) is int for argument in arguments):
            raise TemplateError("range takes one to three whole numbers")
        if len(arguments) == 3 and arguments[2] == 0:
            raise TemplateError("the step of range cannot be 0")
        numbers = range(*arguments)
        self.spend(min(len(numbers), MAX_STEPS + 1) if numbers else 1)
        return list(numbers)


def _problem(value: Undefined) -> TemplateError:
    if isinstance(value, _Missing):
        return value.problem()
    return TemplateError("the `if` is false and has no `else`", "add one: … if … else …", "undefined")


def _finalize(value: Any) -> Any:
    if isinstance(value, Undefined):
        raise _problem(value)
    return written(value)


class _Narrow(NodeTransformer):
    """Refuses what manifests do not have, and makes loops, literals and comparisons count their steps."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if not isinstance(node, _PERMITTED):
            raise TemplateError(f"templates have no {type(node).__name__.lower()} here", _LANGUAGE)
        return super().generic_visit(node, *args, **kwargs)

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if isinstance(node.value, float) and not math.isfinite(node.value):
            raise TemplateError("the number is out of range")
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        if not (isinstance(node.node, nodes.Name) and node.node.name == "range"):
            raise TemplateError("templates can call nothing but range", "use a filter: value | upper")
        return self.generic_visit(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        if node.node is None:
            raise TemplateError("templates have no filter blocks", _LANGUAGE)
        if node.name not in filters.FILTERS:
            raise TemplateError(f"there is no filter {clipped(node.name)}", did_you_mean(node.name, filters.FILTERS))
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        if node.name not in _TESTS:
            raise TemplateError(f"there is no test {clipped(node.name)}", did_you_mean(node.name, _TESTS))
        return self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise TemplateError("templates have no recursive loops", _LANGUAGE)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _STEP)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return _filtered(self.generic_visit(node), _MEASURED)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return node if node.ctx == "store" else _filtered(node, _MEASURED)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return _filtered(self.generic_visit(node), _MEASURED)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _filtered(node.expr, _MEASURED)
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, _MEASURED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(_filtered(nodes.List(node.nodes, lineno=node.lineno), _MEASURED), "join")


_LANGUAGE: Final = "there are expressions, filters, if, for and raw"


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class Sandbox:
    """Compiles texts with templates; one for all texts of a load."""

    def __init__(self) -> None:
        self._environment = _Environment()
        self.begin()
        self._characters = 0

    def begin(self) -> None:
        """Start to count the steps of another document."""
        self._environment.left = MAX_STEPS

    def compile(self, text: str) -> Rendering:
        """Return what renders `text` with a context; raises TemplateError, as does the result."""
        if "\r" in text:
            raise TemplateError("the text has a carriage return, which the template language would drop", "remove it")
        self._characters += len(text) + _BASE
        if self._characters > MAX_TEMPLATES:
            raise TemplateError("the folder has too much text with templates", "use fewer different ones")
        rendering: Rendering = self._guarded(lambda: self._compiled(text))
        return rendering

    def _compiled(self, text: str) -> Rendering:
        tree: Any = self._environment.parse(text)
        single = _single_expression(tree)
        tree = _Narrow().visit(tree)
        if single:
            assigned = nodes.Assign(nodes.Name(_VALUE, "store"), tree.body[0].nodes[0], lineno=1)
            tree = nodes.Template([assigned], lineno=1)
        tree.set_environment(self._environment)
        template = self._environment.from_string(tree)

        def text_of(context: Context) -> JSON:
            parts = []
            length = 0
            for part in template.root_render_func(template.new_context(dict(context))):
                length += len(part)
                if length > MAX_OUTPUT:
                    raise TemplateError(f"the template makes more than {MAX_OUTPUT:,} characters", "make less")
                parts.append(part)
            return _sound("".join(parts))

        def value_of(context: Context) -> JSON:
            local = template.new_context(dict(context))
            for _ in template.root_render_func(local):
                pass
            return _plain(self._environment.measured(local.vars[_VALUE]))

        rendering = value_of if single else text_of
        return lambda context: self._guarded(lambda: rendering(context))

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except TemplateError:
            raise
        except TemplateSyntaxError as error:
            raise _syntax(str(error.message)) from error
        except UndefinedError as error:
            raise TemplateError(str(error.message), code="undefined") from error
        except (RecursionError, MemoryError, SyntaxError) as error:
            raise TemplateError("the template is nested too deep", "make it simpler") from error
        except (JinjaError, ArithmeticError, LookupError, TypeError, ValueError, AssertionError) as error:
            raise TemplateError(f"the template cannot be computed: {clipped(str(error), 120)}") from error


def _syntax(message: str) -> TemplateError:
    if message.startswith("unexpected end of template"):
        return TemplateError("the template is not closed", "add }} or %}")
    if message.startswith(("Unexpected end of template", "Missing end of raw")):
        return TemplateError("an if, for or raw is not closed", "add {% endif %}, {% endfor %} or {% endraw %}")
    return TemplateError(f"the template is wrong: {clipped(message, 120)}", _LANGUAGE)


def _single_expression(tree: nodes.Template) -> bool:
    body = tree.body
    if len(body) != 1 or not isinstance(body[0], nodes.Output):
        return False
    return len(body[0].nodes) == 1 and not isinstance(body[0].nodes[0], nodes.TemplateData)


def _plain(value: Any) -> JSON:
    """Return a template's result as JSON; raises TemplateError when it is none."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
        raise TemplateError("the number is beyond 2^53-1 and would lose digits", "make it text: … | string")
    if isinstance(value, float) and not math.isfinite(value):
        raise TemplateError("the result is not a finite number")
    if isinstance(value, str):
        return _sound(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise TemplateError("the result is no value for a manifest")


def _sound(text: str) -> str:
    """Refuse halves of characters, which an escape in a template can make and no file can hold."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise TemplateError("the text has half a character (a lone surrogate)")
    return text
