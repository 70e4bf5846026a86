from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.templating.escape import escaped
from reconciler.loading.templating.templates import Templates

PARTS = ["{", "%", "}", "#", "{{", "}}", "{%", "%}", "{{ x }}", " raw ", "endraw", "{% endraw %}", "{%- endraw -%}"]
TEXTS = st.lists(st.sampled_from([*PARTS, "\n", "\r", "a", " ", "-", "'", '"', "\\", "é"]), max_size=12).map("".join)
VALUES = st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))


@given(VALUES)
def test_what_is_escaped_renders_to_itself(value):
    failed = []
    assert Templates().render(escaped(value), {}, lambda path, error: failed.append(error)) == value
    assert failed == []


def test_text_without_markers_stays_as_it_is():
    assert escaped({"a": ["{ x }", "50 %}", 5, None]}) == {"a": ["{ x }", "50 %}", 5, None]}
    assert escaped("{{ x }}") == "{% raw %}{{ x }}{% endraw %}"
