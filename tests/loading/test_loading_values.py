from __future__ import annotations

import json
import re
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from reconciler.loading.environment.files import Environment, read_environment
from reconciler.loading.environment.schema.checks import TooMuch, check
from reconciler.loading.environment.schema.declared import problems
from reconciler.loading.environment.schema.patterns import MAX_TEXT, PatternError, compiled
from reconciler.loading.environment.values import RULES, Values, values_of
from reconciler.loading.environment.variables import check_variables, variables_of
from reconciler.loading.text.files import Folder
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Findings, Source
from reconciler.model.values import lookup

REPORT = "apiVersion: blue/v1\nkind: Report\nmetadata: {name: a}\nspec: {title: T, dataSources: [{name: x}]}\n"


def environment(name: str, spec: object) -> str:
    return json.dumps({"apiVersion": "reconciler/v1", "kind": "Environment", "metadata": {"name": name}, "spec": spec})


def project(spec: object) -> str:
    return json.dumps({"apiVersion": "reconciler/v1", "kind": "Project", "metadata": {"name": "acme"}, "spec": spec})


KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["x", "y"])
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
MAPPINGS = st.dictionaries(KEYS, TREES, max_size=3)


def read(*layers: object) -> tuple[Environment, Findings]:
    made = [
        next(documents(Source(f"{n}.yaml", environment(str(n), {"values": each})))) for n, each in enumerate(layers)
    ]
    return Environment(tuple(made), known=True), Findings()


def scalars(value: object, path: tuple[str | int, ...] = ()):
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key), item
        yield from scalars(item, (*path, key))


@given(st.lists(MAPPINGS, min_size=1, max_size=3), st.dictionaries(st.sampled_from(["a", "b.c", "c.a"]), st.just("9")))
def test_every_value_has_the_origin_that_gave_it(layers, overrides):
    read_layers, findings = read(*layers)
    values = values_of(read_layers, overrides, None, findings)
    if values is None:
        assert {found.code for found in findings.sorted()} >= {"override"}
        return
    for path, value in scalars(values.data):
        origin = values.origin(path)
        if origin is None:
            assert values.override(path) is not None
        elif not isinstance(value, dict):
            assert json.dumps(lookup(origin[0].data, origin[1])) == json.dumps(value)
        else:
            assert isinstance(lookup(origin[0].data, origin[1]), dict)


def test_origins_through_extends(workshop):
    workshop.write(
        {
            "environments/prod.yaml": environment("prod", {"extends": "base", "values": {"a": {"x": 1}}}),
            "environments/base.yaml": environment("base", {"values": {"a": {"x": 0, "y": 2}, "b": 3}}),
        }
    )
    findings = Findings()
    found = read_environment(Folder(workshop.folder, findings), "prod")
    values = values_of(found, {"c": "5", "a.z": "6"}, None, findings)
    places = {path: values.origin(path) for path in [("a",), ("a", "x"), ("a", "y"), ("b",), ("c",), ("a", "z"), ()]}
    assert {path: origin and origin[0].source.file for path, origin in places.items()} == {
        ("a",): "manifests/environments/prod.yaml",
        ("a", "x"): "manifests/environments/prod.yaml",
        ("a", "y"): "manifests/environments/base.yaml",
        ("b",): "manifests/environments/base.yaml",
        ("c",): None,
        ("a", "z"): None,
        (): "manifests/environments/prod.yaml",
    }
    assert places["a", "y"][1] == ("spec", "values", "a", "y")
    assert values.override(("a", "z")) == "--set a.z=6"
    assert values.override(("b",)) is None
    assert Values({}).origin(("a",)) is None


def test_an_override_of_a_known_value_is_no_news(workshop):
    workshop.write({"environments/default.yaml": environment("default", {"values": {"a": {"b": 1}}}), "a.yaml": REPORT})
    assert workshop.load(overrides={"a.b": "2", "a": "3"}).diagnostics == ()
    (found,) = workshop.load(overrides={"a.c": "2"}).desired.warnings
    assert found.code == RULES[0].id
    workshop.write({"reconciler.yaml": project({"lint": {"rules": {"override-unknown": "off"}}})})
    assert workshop.load(overrides={"a.c": "2"}).diagnostics == ()


# variables


def test_variables_are_text(workshop):
    workshop.write(
        {
            "reconciler.yaml": project({"variables": ["N", "REGION", "UNSET", "ODD"]}),
            "a.yaml": REPORT.replace(
                "title: T",
                "title: '{{ variables.N }}', description: '{{ variables.UNSET | "
                'default("none") }} {{ variables.REGION | upper }}\'',
            ),
        }
    )
    loaded = workshop.load(variables={"N": "007", "REGION": "emea", "HOME": "/root", "ODD": "\udc80"})
    assert loaded.diagnostics == ()
    assert loaded.desired.manifests[0].spec["title"] == "007"
    assert loaded.desired.manifests[0].spec["description"] == "none EMEA"


def test_all_variables_at_once_are_those_that_are_listed(workshop):
    workshop.write(
        {
            "reconciler.yaml": project({"variables": ["A", "B"]}),
            "a.yaml": REPORT.replace("title: T", "title: T, config: '{{ variables }}'"),
        }
    )
    loaded = workshop.load(variables={"A": "1", "HOME": "/root"})
    assert json.dumps(loaded.desired.manifests[0].spec["config"]) == '{"A": "1"}'


def test_a_credential_is_not_even_shown_in_what_else_is_wrong(workshop):
    workshop.write(
        {
            "reconciler.yaml": project({"variables": ["GITHUB_TOKEN", "1X"]}),
            "a.yaml": REPORT.replace("name: x", "name: x, sourceType: '{{ variables.GITHUB_TOKEN }}'"),
        }
    )
    loaded = workshop.load(variables={"GITHUB_TOKEN": "hidden", "1X": "y"})
    assert [found.code for found in loaded.diagnostics] == ["undefined", "secret-variable", "wrong-name"]
    assert "hidden" not in repr(loaded)


MANY = 8_000


@pytest.mark.parametrize(
    "spec",
    [
        {"variables": ["A"] * MANY},
        {"variables": [f"TOKEN{n}" for n in range(MANY)]},
        {"lint": {"requiredLabels": ["a"] * MANY}},
        {"lint": {"rules": {f"overide-{n}": "off" for n in range(MANY)}}},
        {"providers": {f"bleu{n}": {} for n in range(MANY // 4)}},
        {"defaults": {f"blue/reprot{n}": {} for n in range(MANY // 4)}},
        {"defaults": {"blue/report": {"spec": {f"titel{n}": 1 for n in range(MANY)}}}},
        {"valuesSchema": {"additionalProperties": False, "properties": {f"value-{n}": True for n in range(900)}}},
    ],
)
def test_many_mistakes_are_soon_told(workshop, spec):
    values = {f"vlaue-{n}": 1 for n in range(MANY)} if "valuesSchema" in spec else {}
    workshop.write({"reconciler.yaml": project(spec), "a.yaml": REPORT})
    workshop.write({"environments/default.yaml": environment("default", {"values": values})})
    assert sum(found.code != "missing-label" for found in workshop.load().diagnostics) == 1_000


@pytest.mark.parametrize("text", ["\udc80", "postgres://u:p@host", "https://:token@host/x"])
def test_what_no_template_may_see(text):
    found = variables_of(["A", "B"], {"A": text, "B": "https://host:443/a@b"})
    assert dict(found) == {"B": "https://host:443/a@b"}
    assert text not in found.missing("A").message + found.missing("A").hint


SECRETS = "TOKEN SECRET PASSWORD PASSWD PASSPHRASE CREDENTIAL KEY AUTH COOKIE SESSION PRIVATE CERT DSN".split()  # noqa: SIM905 - a list of words


@given(st.sampled_from(SECRETS), st.sampled_from(["", "MY_", "my_"]), st.sampled_from(["", "S", "_2", "1", "_x"]))
def test_no_word_of_a_secret_gets_through(word, before, after):
    for name in (f"{before}{word}{after}", f"{before}{word}{after}".lower()):
        (found,) = check_variables([name], ("spec", "variables"))
        assert (found.code, found.path) == ("secret-variable", ("spec", "variables", 0))


# patterns

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\W", "-", r"\.", "[a-c1]", r"[\d-]", "(?:)"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,1}?", "{1,}"])),
    ),
    max_leaves=6,
)


@settings(max_examples=400)
@given(PATTERNS, st.booleans(), st.booleans(), st.text("ab1-. c_", max_size=6))
def test_a_pattern_matches_what_it_matches_elsewhere(inner, start, end, text):
    pattern = ("^" if start else "") + f"(?:{inner})" + ("$" if end else "")
    assert compiled(pattern).found_in(text, lambda work: None) == bool(re.search(pattern, text, re.ASCII))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("^a$", ["a"], ["a\n", "ba"]),
        ("^$", [""], ["a", "\n"]),
        ("a|^$|b$", ["xa", "", "cb"], ["bc"]),
        (r"^\u00e9\x41\u{1F600}$", ["\u00e9A\U0001f600"], ["e"]),
        (r"^[\]\\^-]+$", ["]\\^-"], ["a"]),
        (r"^\s\S$", [" a", "\u2028a", "\ufeffa"], ["a ", "  "]),
        (r"^\D\W\n$", ["a-\n"], ["1-\n", "aa\n"]),
        (".", ["a"], ["", "\n", "\u2028"]),
        ("^(a*)*$", ["", "aaa"], ["ab"]),
        ("[^\\x00-\U0010ffff]", [], ["", "a"]),
        (r"[^\D]", ["1"], ["a"]),
    ],
)
def test_patterns(pattern, yes, no):
    found = partial(compiled(pattern).found_in, spend=lambda work: None)
    assert [text for text in [*yes, *no] if found(text)] == yes


def test_a_pattern_that_others_never_finish():
    work = []
    assert not compiled("^(a|a)*(a*)*b$").found_in("a" * MAX_TEXT, work.append)
    assert sum(work) < 100 * MAX_TEXT


def test_groups_have_a_depth():
    assert compiled("(" * 20 + ")" * 20)
    with pytest.raises(PatternError, match="nested too deep"):
        compiled("(" * 21 + ")" * 21)


# schemas

TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
SIZES = st.integers(0, 3)
SIMPLE_PATTERNS = st.sampled_from(["^a", "b|c", "^.$"])


def schemas(inner: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(inner, min_size=1, max_size=2)
    keywords = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
        "enum": st.lists(TREES, max_size=3),
        "const": TREES,
        "properties": st.dictionaries(KEYS, inner, max_size=2),
        "patternProperties": st.dictionaries(SIMPLE_PATTERNS, inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "required": st.lists(KEYS, max_size=2, unique=True),
        "dependentRequired": st.dictionaries(KEYS, st.lists(KEYS, max_size=2, unique=True), max_size=2),
        "dependentSchemas": st.dictionaries(KEYS, inner, max_size=2),
        "minProperties": SIZES,
        "maxProperties": SIZES,
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "minContains": SIZES,
        "maxContains": SIZES,
        "minItems": SIZES,
        "maxItems": SIZES,
        "uniqueItems": st.booleans(),
        "minLength": SIZES,
        "maxLength": SIZES,
        "pattern": SIMPLE_PATTERNS,
        "minimum": SIZES,
        "maximum": SIZES,
        "exclusiveMinimum": SIZES,
        "exclusiveMaximum": SIZES,
        "multipleOf": st.integers(1, 3),
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "$ref": st.just("#/$defs/d"),
        "description": st.just("what it is"),
    }
    pairs = [st.tuples(st.just(keyword), values) for keyword, values in keywords.items()]
    return st.lists(st.one_of(pairs), max_size=4).map(dict)


SCHEMAS = st.recursive(st.booleans() | schemas(st.booleans()), schemas, max_leaves=3).filter(
    lambda schema: isinstance(schema, dict)
)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, schemas(st.booleans()), MAPPINGS)
def test_values_are_judged_as_the_standard_judges_them(schema, shared, data):
    shared.pop("$ref", None)
    whole = {**schema, "$defs": {"d": shared}, "$schema": "https://json-schema.org/draft/2020-12/schema"}
    assert problems(whole, ("spec", "valuesSchema")) == []
    found = check(whole, data, ("values",))
    assert bool(found) == (not Draft202012Validator(whole).is_valid(data))
    for violation in found:
        assert violation.message.startswith("values")
        assert (
            violation.code == "missing-field" or not violation.path or lookup({"d": data}, ("d", *violation.path[:-1]))
        )


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, st.sampled_from(["type", "required", "minLength", "items", "properties", "allOf", "enum"]), TREES)
def test_a_schema_is_one_where_the_meta_schema_says_so(schema, keyword, value):
    schema = {**schema, "$defs": {"d": True}, keyword: value}
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        wrong = True
    else:
        wrong = False
    found = problems(schema, ("spec", "valuesSchema"))
    unknown = [each for each in found if each.code == "unknown-field"]
    assert bool(unknown or wrong) == bool(found)
    assert all(each.path[:2] == ("spec", "valuesSchema") for each in found)


def test_no_text_is_too_long_to_say_so():
    schema = {"properties": {"a": {"pattern": "^a*$"}}}
    assert check(schema, {"a": "a" * MAX_TEXT}, ("values",)) == []
    (found,) = check(schema, {"a": "a" * (MAX_TEXT + 1)}, ("values",))
    assert found.message == "values.a has more than 10,000 characters, too many to be matched with ^a*$"


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"additionalProperties": {"pattern": "^(a*)*(b|c{99})*$"}}, {f"k{n}": "a" * MAX_TEXT for n in range(90)}),
        ({"additionalProperties": {"enum": list(range(1000))}}, {f"k{n}": -1 for n in range(10_000)}),
        ({"allOf": [{"if": False}] * 900}, {f"k{n}": {"a": "x" * 100} for n in range(10_000)}),
        ({"anyOf": [{"maxProperties": 1}] * 900}, {f"k{n}": {"a": "x" * 100} for n in range(10_000)}),
        ({"patternProperties": {f"^{n}": {} for n in range(900)}}, {f"k{n}": 1 for n in range(10_000)}),
    ],
)
def test_a_check_ends(schema, data):
    assert problems(schema, ()) == []
    with pytest.raises(TooMuch):
        check(schema, data, ("values",))


def test_many_equal_looking_entries_are_compared_quickly():
    entries = [{"a": [number, True]} for number in range(20_000)]
    schema = {"properties": {"a": {"uniqueItems": True}}}
    assert check(schema, {"a": entries}, ("values",)) == []
    (found,) = check(schema, {"a": [*entries, {"a": [7, True]}, {"a": [7, 1]}]}, ("values",))
    assert found.path == ("a", 20_000)
