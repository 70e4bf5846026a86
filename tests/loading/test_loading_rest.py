"""What is left of a value, and where that stood."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading.rest import Rest
from reconciler.model.values import JSON, Path, lookup

VALUES = st.recursive(
    st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=20,
)


def paths(value: JSON, here: Path = ()) -> Iterator[Path]:
    yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from paths(item, (*here, step))


@given(VALUES, st.data())
def test_the_rest_is_everything_else_and_knows_where_it_stood(value: JSON, data: st.DataObject) -> None:
    inner = [path for path in paths(value) if path]
    gone = data.draw(st.sets(st.sampled_from(inner))) if inner else set()
    rest = Rest(value, gone)
    written = [rest.written(path) for path in paths(rest.data)]
    assert written == [path for path in paths(value) if not rest.lost(path)]
    for path, whole in zip(paths(rest.data), written, strict=True):
        kept, was = lookup(rest.data, path), lookup(value, whole)
        assert type(kept) is type(was)
        assert isinstance(kept, dict | list) or kept == was
    for path in paths(value):
        assert rest.lost_some(path) is any(each[: len(path)] == path for each in gone) or path == ()
