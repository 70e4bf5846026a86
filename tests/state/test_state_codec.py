"""Entries, batches and checkpoints as bytes: what is written is what is read, and nothing else is read."""

from __future__ import annotations

import json
import typing
from dataclasses import MISSING, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import entry as entries_of
from reconciler.model.entry import Entry, Holder
from reconciler.model.errors import StateError
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.plan import Action
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Lease, Resource
from reconciler.model.values import Address
from reconciler.state import codec, snapshot

text = st.text(st.characters(), max_size=12)  # lone surrogates and control characters included
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text, json_values, max_size=4)
optional = st.none() | text
labels = st.dictionaries(text, text, max_size=2)
names = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,8}[a-z0-9])?", fullmatch=True)
addresses = st.builds(Address, names, st.sampled_from(["report", "export", "pipeexport"]), names)
lifecycles = st.builds(Lifecycle, st.booleans(), st.sampled_from(OnRemove))
actions = st.sampled_from(Action)
holders = st.builds(Holder, text, text, text, text, text)
integers = st.integers(0, 2**40)

STRATEGIES: dict[type[Entry], st.SearchStrategy[Entry]] = {
    entries_of.RunStarted: st.builds(
        entries_of.RunStarted, text, text, holders, text, optional, optional, st.dictionaries(text, text)
    ),
    entries_of.RunFinished: st.builds(
        entries_of.RunFinished, text, text, integers, st.dictionaries(text, integers, max_size=2)
    ),
    entries_of.LeaseTaken: st.builds(entries_of.LeaseTaken, text, text, holders, text),
    entries_of.LeaseRenewed: st.builds(entries_of.LeaseRenewed, text, text, text),
    entries_of.LeaseReleased: st.builds(entries_of.LeaseReleased, text, text),
    entries_of.LeaseBroken: st.builds(entries_of.LeaseBroken, text, text, text, text),
    entries_of.Intended: st.builds(
        entries_of.Intended,
        *(text, text, text, addresses, actions, optional, st.none() | objects, text, lifecycles, labels, optional),
    ),
    entries_of.Applied: st.builds(entries_of.Applied, text, text, text, optional, json_values, optional),
    entries_of.Rejected: st.builds(entries_of.Rejected, text, text, text, text, text),
    entries_of.Doubted: st.builds(entries_of.Doubted, text, text, text, text),
    entries_of.Settled: st.builds(
        entries_of.Settled, text, text, text, st.booleans(), text, optional, json_values, optional
    ),
    entries_of.Imported: st.builds(
        entries_of.Imported, text, text, addresses, text, objects, lifecycles, labels, json_values, optional
    ),
    entries_of.Moved: st.builds(entries_of.Moved, text, text, addresses, addresses),
    entries_of.Forgotten: st.builds(entries_of.Forgotten, text, text, addresses),
    entries_of.ExportIntended: st.builds(
        entries_of.ExportIntended,
        *(text, text, text, addresses, optional, text, objects, text, lifecycles, labels, optional),
    ),
    entries_of.ExportStarted: st.builds(entries_of.ExportStarted, text, text, text, text),
    entries_of.ExportFinished: st.builds(entries_of.ExportFinished, text, text, text, optional),
    entries_of.ExportDelivered: st.builds(entries_of.ExportDelivered, text, text, text, text, text, integers),
    entries_of.ExportFailed: st.builds(entries_of.ExportFailed, text, text, text, st.booleans(), text, text),
    entries_of.ExportSkipped: st.builds(entries_of.ExportSkipped, text, text, addresses, text, text),
    entries_of.Resolved: st.builds(entries_of.Resolved, text, text, text, labels),
    entries_of.Migrated: st.builds(entries_of.Migrated, text, text, text),
    entries_of.Archived: st.builds(entries_of.Archived, text, text, integers, text, objects),
}

ALL = typing.get_args(Entry)
any_entry = st.one_of(*STRATEGIES.values())
SMALL = entries_of.Forgotten("r", "2026-11-23T06:00:00Z", Address.parse("blue/report/a"))


def test_every_type_of_entry_has_a_name_and_a_strategy() -> None:
    assert set(codec.TYPES.values()) == set(STRATEGIES) == set(ALL)


def test_the_documentation_names_every_field() -> None:
    lines = (codec.__doc__ or "").replace("\n" + " " * 22, " ").splitlines()
    documented = {line.split()[0]: line.split()[1:] for line in lines if line[:4] == "    " and line[4] != "{"}
    assert set(documented) == {*codec.TYPES, *RECORDS}
    for name, kind in {**codec.TYPES, **RECORDS}.items():
        optional = {item.name for item in fields(kind) if (item.default, item.default_factory) != (MISSING, MISSING)}
        assert documented[name] == [item.name + ("?" if item.name in optional else "") for item in fields(kind)]


RECORDS = {
    "holder": Holder,
    "lifecycle": Lifecycle,
    "state": snapshot.State,
    "resource": Resource,
    "export": ExportRecord,
    "export_run": ExportRun,
    "doubt": Doubt,
    "lease": Lease,
}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_entry_comes_back_as_it_went(kind: type[Entry]) -> None:
    @given(STRATEGIES[kind])
    def law(entry: Entry) -> None:
        written = codec.encode(entry)
        assert written.isascii()
        assert b"\n" not in written
        assert codec.decode(json.loads(written)) == entry

    law()


@given(st.none() | st.just("ab" * 32), st.lists(any_entry, min_size=1, max_size=4))
def test_batches_come_back_as_they_went(prev: str | None, entries: list[Entry]) -> None:
    batch = codec.seal(prev, map(codec.encode, entries))
    assert codec.unseal(prev, batch) == entries
    parsed = json.loads(batch)
    assert list(parsed) == ["format", "prev", "sum", "entries"]
    assert (parsed["format"], parsed["prev"]) == ("reconciler.log/1", prev)


@given(any_entry, st.data())
def test_no_byte_of_a_batch_can_change_unseen(entry: Entry, data: st.DataObject) -> None:
    batch = bytearray(codec.seal("ab" * 32, [codec.encode(entry)]))
    place = data.draw(st.integers(0, len(batch) - 1))
    batch[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError):
        codec.unseal("ab" * 32, bytes(batch))


@given(any_entry, st.data())
def test_a_torn_batch_is_found(entry: Entry, data: st.DataObject) -> None:
    batch = codec.seal(None, [codec.encode(entry)])
    with pytest.raises(StateError, match="damaged"):
        codec.unseal(None, batch[: data.draw(st.integers(0, len(batch) - 1))])


def sealed(entries: str) -> bytes:
    return codec.seal(None, [entries.encode()])


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (b"", "this is no batch of entries"),
        (b"hello", "this is no batch of entries"),
        (b"[" * 100_000, "this is no batch of entries"),
        (b"\xff\xfe", "this is no batch of entries"),
        (b"[1]", "this is no batch of entries"),
        (b'{"format":"other/1","prev":null,"entries":[]}', "its content does not match its checksum"),
        (codec.seal("ab" * 32, [codec.encode(SMALL)]), "it does not follow the batch before it"),
        (codec.seal(None, []), "a batch holds no entry"),
        (sealed("nonsense"), "the entries are not JSON"),
        (sealed("7"), "7 stands where an entry belongs"),
        (sealed('{"type":7}'), "{'type': 7} stands where an entry belongs"),
        (sealed('{"type":"forgotten","at":"","address":"a/b/c"}'), "a Forgotten lacks 'run'"),
        (sealed('{"type":"forgotten","run":5,"at":"","address":"a/b/c"}'), "5 stands where str belongs"),
        (sealed('{"type":"forgotten","run":"","at":"","address":"nowhere"}'), "'nowhere' is no address"),
        (sealed('{"type":"forgotten","run":"","at":"","address":5}'), "5 is no address"),
        (sealed('{"type":"run_finished","run":"","at":"","exit_code":true}'), "True stands where int belongs"),
        (
            sealed('{"type":"run_finished","run":"","at":"","exit_code":0,"counts":{"a":"b"}}'),
            "a mapping to int belongs",
        ),
        (sealed('{"type":"run_finished","run":"","at":"","exit_code":0,"counts":[]}'), "a mapping to int belongs"),
        (sealed('{"type":"lease_taken","run":"","at":"","holder":1,"until":""}'), "1 stands where a Holder belongs"),
        (sealed('{"type":"applied","run":"","operation":"","at":"","id":7}'), "7 stands where str or null belongs"),
    ],
)
def test_damage_is_called_damage(batch: bytes, said: str) -> None:
    with pytest.raises(StateError, match="damaged") as caught:
        codec.unseal(None, batch)
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (b'{"format":"reconciler.log/2","prev":null,"x":1}', "its format is 'reconciler.log/2'"),
        (sealed('{"type":"invented"}'), "it holds an entry 'invented'"),
        (sealed('{"type":"forgotten","run":"","at":"","address":"a/b/c","why":""}'), "a Forgotten has a field 'why'"),
        (
            sealed(
                '{"type":"intended","run":"","operation":"","at":"","address":"a/b/c","action":"paint","request":""}'
            ),
            "'paint' is no Action",
        ),
    ],
)
def test_a_newer_version_is_called_a_newer_version(batch: bytes, said: str) -> None:
    with pytest.raises(StateError, match="newer version") as caught:
        codec.unseal(None, batch)
    assert said in caught.value.message
    assert "Install" in caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}], ids=["nan", "inf", "set"])
def test_what_json_cannot_hold_is_refused_before_it_is_written(value: object) -> None:
    with pytest.raises(StateError, match="cannot be written"):
        codec.encode(entries_of.Applied("r", "o", "t", remote=value))


def test_what_is_nested_too_deep_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(StateError, match="cannot be written"):
        codec.encode(entries_of.Applied("r", "o", "t", remote=deep))
