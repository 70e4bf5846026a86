from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.templating.filters import FILTERS
from reconciler.loading.templating.templates import TemplateError, Templates

CONTEXT = {
    "values": {
        "a": 1,
        "f": 2.5,
        "yes": True,
        "none": None,
        "text": "Öl",
        "items": [3, 1, 2],
        "names": ["b", "a"],
        "map": {"x": "y", "keys": "k"},
        "sources": [{"name": "p"}, {"name": "q"}],
        "id": "9007199254740993",
        "true": "word",
    },
    "env": "prod",
    "project": "acme",
}


def render(text: str):
    failures = []
    made = Templates().render(text, CONTEXT, lambda path, error: failures.append(error))
    if failures:
        raise failures[0]
    return made


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("{ x } }} %} #}", "{ x } }} %} #}"),
        ("{{ values.a }}", 1),
        ("{{values.f}}", 2.5),
        ("{{ values.yes }}", True),
        ("{{ values.none }}", None),
        ("{{ values.map }}", {"x": "y", "keys": "k"}),
        ("{{ values.items }}", [3, 1, 2]),
        ("{{ values.map.keys }}", "k"),
        ("{{ values['map']['x'] }}", "y"),
        ("{{ values.items[0] }}", 3),
        ("{{ values.items[-1] }}", 2),
        ("{{ values.items[:2] }}", [3, 1]),
        ("{{ values.true }}", "word"),
        (" {{ values.a }}", " 1"),
        ("{{ values.a }}\n", "1\n"),
        ("{{ values.a }}{{ values.yes }}", "1true"),
        ("{{ env }}-{{ project }}", "prod-acme"),
        ("{{- values.a -}}", 1),
        ("x {{- values.a }}", "x1"),
        ("{{ 1 + 2 * 3 }}", 7),
        ("{{ 'a' ~ values.a ~ true }}", "a1true"),
        ("{{ values.names + ['c'] }}", ["b", "a", "c"]),
        ("{{ 'yes' if values.a == 1 else 'no' }}", "yes"),
        ("{{ values.a in values.items }}", True),
        ("{{ not values.yes }}", False),
        ("{{ values.missing | default('d') }}", "d"),
        ("{{ values.missing.deeper | d('d') }}", "d"),
        ("{{ values.none | default('d') }}", None),
        ("{{ values.none | default('d', true) }}", "d"),
        ("{{ values.missing is defined }}", False),
        ("{{ values.map is mapping }}", True),
        ("{{ values.text | upper }} {{ values.text | lower }}", "ÖL öl"),
        ("{{ 'some words' | capitalize }}|{{ 'some words' | title }}|{{ ' x ' | trim }}", "Some words|Some Words|x"),
        ("{{ 'a-b' | replace('-', '_') }}", "a_b"),
        ("{{ 'a,b' | split(',') }}", ["a", "b"]),
        ("{{ values.names | sort | join(', ') }}", "a, b"),
        ("{{ values.items | min }}{{ values.items | max }}{{ values.items | sum }}", "136"),
        ("{{ values.map | items }}", [["x", "y"], ["keys", "k"]]),
        ("{{ values.map | list }}", ["x", "keys"]),
        ("{{ values.items | length }}{{ values.text | count }}", "32"),
        ("{{ values.items | first }}{{ values.items | last }}", "32"),
        ("{{ [1, 1, '1'] | unique }}", [1, "1"]),
        ("{{ values.items | reverse | tojson }}{{ 'ab' | reverse }}", "[2, 1, 3]ba"),
        ("{{ values.sources | map('name') }}", ["p", "q"]),
        ("{{ values.sources | map(attribute='name') | join }}", "pq"),
        ("{{ '5' | int + 1 }}", 6),
        ("{{ '2.5' | float }}", 2.5),
        ("{{ values.a | string }}", "1"),
        ("{{ 2.567 | round(2) }}", 2.57),
        ("{{ 2.5 | round }}", 2),
        ("{{ -3 | abs }}", 3),
        ("{{ (-3) | abs }}", 3),
        ("{{ values.map | tojson }}", '{"keys": "k", "x": "y"}'),
        ("{{ range(3) }}", [0, 1, 2]),
        ("{% for i in range(1, 4) %}{{ loop.index }}:{{ i }} {% endfor %}", "1:1 2:2 3:3 "),
        ("{% for k, v in values.map | items %}{{ k }}={{ v }};{% endfor %}", "x=y;keys=k;"),
        ("{% if values.yes %}on{% else %}off{% endif %}", "on"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ '{{' }} x {{ '}}' }}", "{{ x }}"),
        ("{# a comment #}", ""),
    ],
)
def test_what_templates_give(text, value):
    made = render(text)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ values.txet }}", "txet is not defined"),
        ("x {{ values.missing.deeper }}", "missing is not defined in values"),
        ("{{ values.a.b }}", "b is not defined in values.a"),
        ("{{ [values.a, values.missing] }}", "missing is not defined"),
        ("{{ {'x': values.missing} }}", "missing is not defined"),
        ("{{ values.missing == 1 }}", "missing is not defined"),
        ("{% if values.missing %}x{% endif %}", "missing is not defined"),
        ("{% for x in values.missing %}x{% endfor %}", "missing is not defined"),
        ("{{ values.a ~ values.missing }}", "missing is not defined"),
        ("{{ values.items[7] }}", "[7] is not defined"),
        ("{{ values.text.upper() }}", "nothing but range"),
        ("{{ values.items.append(1) }}", "nothing but range"),
        ("{{ values.__class__ }}", "__class__ is not defined"),
        ("{{ ''['__class__'] }}", "text has no __class__"),
        ("{{ values.map.items }}", "items is not defined"),
        ("{{ self }}", "no value for a manifest"),
        ("{{ range }}", "no value for a manifest"),
        ("{{ values | attr('x') }}", "no filter attr"),
        ("{{ values.items | map('upper') }}", "needs a mapping"),
        ("{{ 'x' | pprint }}", "no filter pprint"),
        ("{{ ().__class__ }}", "__class__"),
        ("{% set x = 1 %}", "no assign"),
        ("{% macro f() %}{% endmacro %}", "no macro"),
        ("{% include 'x' %}", "no include"),
        ("{% import 'x' as y %}", "no import"),
        ("{% extends 'x' %}", "no extends"),
        ("{% block x %}{% endblock %}", "no block"),
        ("{% filter upper %}x{% endfilter %}", "no filter"),
        ("{% for x in [1] recursive %}{{ loop([]) }}{% endfor %}", "recursive"),
        ("{% do x %}", "unknown tag"),
        ("{{ 'a' * 1000000000 }}", "cannot be computed"),
        ("{{ [1] * 1000000000 }}", "cannot be computed"),
        ("{{ 9 ** 9 ** 9 }}", "out of range"),
        ("{{ 2 ** 0.5 ** -9999 }}", "too big"),
        ("{{ (-8) ** 0.5 }}", "out of range"),
        ("{{ '%999999999d' % 1 }}", "cannot be computed"),
        ("{{ range(1000000000) }}", "steps"),
        ("{{ range(1, 10, 0) }}", "cannot be 0"),
        ("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}", "steps"),
        ("{{ values.id | int }}", "2^53-1"),
        ("{{ 1e400 }}", "out of range"),
        ("{{ '\\ud800' }}", "half a character"),
        ("x{{ '\\ud800' }}", "half a character"),
        ("{{ 'x' | int }}", "not a whole number"),
        ("{{ true + 1 }}", "cannot be computed"),
        ("{{ values.map[0:1] }}", "cannot be computed"),
        ("{{ {1: 2} }}", "no value"),
        ("{{ [] | first }}", "empty"),
        ("{{ ['a', 1] | sort }}", "numbers or a list of texts"),
        ("{{ values.map }}!", "cannot stand inside text"),
        ("{{ values.none }}!", "null cannot stand"),
        ("{{ 'x' if false }}", "no `else`"),
        ("a\r{% if true %}x{% endif %}", "carriage return"),
        ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "nested too deep"),
        ("{{ 1 }}" * 5_000, "20,000 characters"),
        ("{{ values", "not closed"),
        ("{% if values.a %}", "not closed"),
        ("{{ }}", "wrong"),
    ],
)
def test_what_templates_refuse(text, words):
    with pytest.raises(TemplateError) as caught:
        render(text)
    assert words in caught.value.message
    for inside in ("dict object", "Undefined", "jinja", "NoneType", "object at 0x"):
        assert inside not in caught.value.message + caught.value.hint


def test_a_result_has_a_limit():
    with pytest.raises(TemplateError, match=r"characters|too long"):
        Templates().text("{% for i in range(99) %}{{ values.big }}{% endfor %}", {"values": {"big": "x" * 100_000}})
    failures = []
    Templates().render(
        ["{{ values.big }}"] * 11, {"values": {"big": "x" * 100_000}}, lambda path, error: failures.append(path)
    )
    assert failures == [(10,)]


def test_every_filter_refuses_what_it_cannot_take():
    """No filter fails in Python's words or gives something that is no JSON, whatever it is given."""
    said = []
    for name in FILTERS:
        for value in ("values.a", "values.text", "values.none", "values.map", "values.items", "values.yes"):
            try:
                render(f"{{{{ {value} | {name} }}}}")
            except TemplateError as error:
                said.append(error.message)
    assert not [message for message in said if "object" in message or "'int'" in message]


PARTS = st.sampled_from(
    [
        *("{{ values.a }}", "{{ values.text }}", "{{values.none}}", "{{ values.map.x }}", "{{ values.missing }}"),
        *(
            "{{ values.a + 1 }}",
            "{{ 'q' }}",
            '{{ "}" }}',
            "{{ env }}",
            "{{ values.text|upper }}",
            "{{- env }}",
            "{{ env -}}",
        ),
        *(
            "{",
            "}",
            "{{",
            "}}",
            " ",
            "\n",
            "x",
            "'",
            "{%",
            "%}",
            "{#",
            "#}",
            "-",
            "{{ '{{' }}",
            "{% raw %}",
            "{% endraw %}",
        ),
    ]
)


@given(st.lists(PARTS, max_size=8).map("".join))
def test_expression_by_expression_means_the_same_as_the_whole(text):
    """Texts are taken apart for speed only."""

    def outcome(make):
        try:
            return make()
        except TemplateError as error:
            return error.code

    templates = Templates()
    assert outcome(lambda: templates.text(text, CONTEXT)) == outcome(lambda: Templates().whole(text)(CONTEXT))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_has_no_template_stays_as_it_is(value):
    failures = []
    made = Templates().render(value, CONTEXT, lambda path, error: failures.append(path))
    assert failures or "{" in str(value) or made == value


def test_a_failure_is_told_with_its_path_and_the_rest_is_rendered():
    failures = []
    value = {"a": ["{{ values.a }}", {"b": "{{ nobody }}"}], "{{ key }}": 1}
    made = Templates().render(value, CONTEXT, lambda path, error: failures.append((path, error.code)))
    assert made == {"a": [1, {"b": None}], "{{ key }}": 1}
    assert failures == [(("a", 1, "b"), "undefined")]
