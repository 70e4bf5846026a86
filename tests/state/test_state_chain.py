"""The chain: every way to read a log gives the same state, whatever was archived, moved or damaged in between."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from histories import ME, REPORT, at, cuts, history, moves
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.entry import Archived, Entry, Intended, LeaseReleased, LeaseTaken, RunFinished
from reconciler.model.errors import StateError, Unreachable
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded
from reconciler.state import codec, snapshot
from reconciler.state.backends import WHOLE, replay
from reconciler.state.chain import Chain, load, walk
from reconciler.state.fold import fold

Rows = list[tuple[int, bytes]]


@dataclass
class Kept:
    """A storage in memory; a Backend that is only read."""

    rows: Rows
    found: tuple[int, bytes] | None = None
    reads: list[int] = field(default_factory=list)

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        self.reads.append(after)
        found = self.found if after >= 0 and self.found is not None and self.found[0] > after else None
        first = found[0] if found else max(after, ~after)
        return found, (row for row in self.rows if row[0] > first)

    def append(self, position: int, batch: bytes) -> None:
        raise NotImplementedError

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        raise NotImplementedError

    def trim(self, position: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


def sealed(chain: Chain, batches: Iterable[list[Entry]]) -> Rows:
    """The batches as they would be stored behind a chain, which follows them."""
    rows = []
    for entries in batches:
        batch = codec.seal(chain.head, map(codec.encode, entries))
        rows.append((chain.end + 1, batch))
        chain.take(batch, entries)
    return rows


def end_of(chain: Chain) -> Archived:
    assert chain.head is not None
    state = snapshot.encode(chain.recorded)
    return Archived("r9", at(0), chain.recorded.position, chain.head, state)


BATCHES: list[list[Entry]] = [[LeaseReleased("r1", at(1))], [LeaseReleased("r2", at(2))], [LeaseReleased("r3", at(3))]]


def archived(batches: list[list[Entry]], cut: int) -> tuple[Rows, int]:
    """A log that was archived behind a cut, whole, and the position of the archive."""
    chain = Chain()
    before = sealed(chain, batches[:cut])
    return [*before, *sealed(chain, [[end_of(chain)], *batches[cut:]])], len(before) + 1


def renumbered(rows: Rows, first: int) -> Rows:
    return [(position - first + 1, batch) for position, batch in rows]


logs = st.builds(history, moves.filter(bool), cuts).filter(bool)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[Rows, Rows, int]:
    """A log and one of the forms it may have: whole, begun with an archive, or that in another place; and how far the
    positions of that are behind."""
    batches = draw(logs)
    rows, first = archived(batches, draw(st.integers(1, len(batches))))
    form = draw(st.sampled_from(["whole", "trimmed", "moved"]))
    if form == "whole":
        return rows, rows, 0
    rest = rows[first - 1 :]
    return (rows, rest, 0) if form == "trimmed" else (rows, renumbered(rest, first), first - 1)


@given(logs)
def test_opening_walking_and_folding_are_the_same(batches: list[list[Entry]]) -> None:
    chain, recorded = Chain(), Recorded()
    rows = sealed(chain, batches)
    for entries in batches:
        fold(recorded, entries)
    recorded.lineage = codec.sha256(rows[0][1])[:32]
    walked = Chain()
    links = list(walk(Kept(rows), walked))
    assert [(link.position, link.batch) for link in links] == rows
    assert [link.entries for link in links] == batches
    loaded = load(Kept(rows))
    assert chain.recorded == walked.recorded == loaded.recorded == recorded
    assert chain.head == walked.head == loaded.head == codec.sha256(rows[-1][1])
    assert (loaded.end, loaded.offset, loaded.fresh) == (len(rows), 0, sum(map(len, batches)))


@given(shapes())
def test_what_was_archived_or_moved_makes_no_difference(shape: tuple[Rows, Rows, int]) -> None:
    rows, rest, offset = shape
    whole, part, walked = load(Kept(rows)), load(Kept(rest)), Chain()
    assert len(list(walk(Kept(rest), walked))) == len(rest)
    assert whole.recorded == part.recorded == walked.recorded
    assert whole.head == part.head == walked.head
    assert (part.offset, part.end) == (offset, rest[-1][0]) == (walked.offset, walked.end)
    assert whole.recorded.position == rows[-1][0]
    more = codec.seal(part.head, [codec.encode(LeaseReleased("r8", at(9)))])
    for chain in (whole, part):
        chain.follow(chain.end + 1, more)
    assert whole.recorded == part.recorded


@given(shapes(), st.data())
def test_a_checkpoint_anywhere_makes_no_difference(shape: tuple[Rows, Rows, int], data: st.DataObject) -> None:
    rows, rest, offset = shape
    chain = Chain()
    for position, batch in rest[: data.draw(st.integers(1, len(rest)))]:
        chain.follow(position, batch)
    assert chain.head is not None
    kept = Kept(rest, (chain.end, snapshot.dump(chain.recorded, chain.head, chain.offset)))
    loaded = load(kept)
    assert kept.reads == ([0] if chain.end < rest[-1][0] else [0, replay(chain.end - 1)])
    assert (loaded.recorded, loaded.offset, loaded.end) == (load(Kept(rows)).recorded, offset, rest[-1][0])


Damage = tuple[str, int, int]
damages = st.tuples(st.sampled_from(["flip", "drop", "insert"]), st.integers(0, 10**6), st.integers(1, 255))


def harmed(data: bytes, damage: Damage) -> bytes:
    what, place, value = damage
    place %= len(data)
    if what == "flip":
        return data[:place] + bytes([data[place] ^ value]) + data[place + 1 :]
    return data[:place] + (b"" if what == "drop" else bytes([value])) + data[place + (what == "drop") :]


@settings(max_examples=300)
@given(shapes(), damages, st.integers(0, 10**6))
def test_a_byte_changed_lost_or_added_is_refused(shape: tuple[Rows, Rows, int], damage: Damage, which: int) -> None:
    _, rest, _ = shape
    position, batch = rest[which % len(rest)]
    wrong = harmed(batch, damage)
    with pytest.raises(StateError):
        load(Kept([(at_, wrong if at_ == position else row) for at_, row in rest]))


@settings(max_examples=300)
@given(shapes(), damages, st.data())
def test_a_byte_of_a_checkpoint_changes_nothing(
    shape: tuple[Rows, Rows, int], damage: Damage, data: st.DataObject
) -> None:
    _, rest, _ = shape
    chain = Chain()
    for position, batch in rest[: data.draw(st.integers(1, len(rest)))]:
        chain.follow(position, batch)
    assert chain.head is not None
    made = snapshot.dump(chain.recorded, chain.head, chain.offset)
    kept = Kept(rest, (chain.end, harmed(made, damage)))
    assert load(kept).recorded == load(Kept(rest)).recorded
    assert len(kept.reads) == 2


@given(shapes(), st.integers(0, 10**6), st.booleans())
def test_a_batch_removed_swapped_or_doubled_is_missed(shape: tuple[Rows, Rows, int], which: int, swap: bool) -> None:
    _, rest, _ = shape
    if len(rest) < 2:
        return
    index = which % (len(rest) - 1)
    positions = [position for position, _ in rest]
    batches = [batch for _, batch in rest]
    if swap:
        batches[index], batches[index + 1] = batches[index + 1], batches[index]
    else:
        del batches[index]
    try:
        read = load(Kept(list(zip(positions, batches, strict=False))))
    except StateError:
        pass
    else:  # all that is missing is what was archived
        assert read.recorded == load(Kept(rest)).recorded
        assert index == 0
    doubled = [*batches, batches[-1]]
    with pytest.raises(StateError):
        load(Kept(list(enumerate(doubled, positions[0]))))


def refused(rows: Rows) -> str:
    with pytest.raises(StateError, match="damaged") as caught:
        load(Kept(rows))
    assert caught.value.hint
    return caught.value.message


def begun(entry: Entry, prev: str | None = None, position: int = 4) -> Rows:
    return [(position, codec.seal(prev, [codec.encode(entry)]))]


def test_a_log_begins_with_its_first_batch_or_with_an_archive() -> None:
    rows = sealed(Chain(), BATCHES)
    assert "Position 2: The log is damaged: what comes before it is missing, and was not archived" in refused(rows[1:])
    assert "position 1 is missing" in refused([(2, rows[0][1])])
    whole, first = archived(BATCHES, 3)
    entry = codec.unseal(codec.link(whole[3][1]), whole[3][1])[0]
    assert isinstance(entry, Archived)
    assert load(Kept(begun(entry, entry.head, 4))).recorded.position == first == 4
    assert load(Kept(begun(entry, entry.head, 1))).offset == 3
    for wrong in (
        begun(entry),
        begun(entry, "ab" * 32),
        begun(replace(entry, head="ab" * 32), entry.head),
        begun(entry, entry.head, 5),
    ):
        assert "what comes before it is not what was archived" in refused(wrong)
    assert "the state of something else" in refused(begun(replace(entry, position=7), entry.head))
    assert "the state of something else" in refused(
        begun(replace(entry, state={**entry.state, "position": 2}), entry.head)
    )


def test_an_archive_in_the_middle_agrees_with_the_log() -> None:
    chain = Chain()
    rows = sealed(chain, BATCHES)
    good = end_of(chain)
    assert chain.head is not None
    for entries, said in (
        ([replace(good, head="ab" * 32)], "what was archived ends with another batch"),
        ([replace(good, position=2)], "the state of something else"),
        ([replace(good, state={**good.state, "changed": 2})], "what was archived is not what the log says"),
        ([RunFinished("r1", at(5), 0), good], "in the middle of a batch"),
    ):
        batch = codec.seal(chain.head, map(codec.encode, entries))
        assert said in refused([*rows, (4, batch)])


def test_an_archived_log_knows_who_held_it_and_what_was_in_doubt() -> None:
    intended = Intended("r1", "o1", at(1), REPORT, Action.CREATE, None, {"title": "A"}, "q")
    rows, first = archived([[LeaseTaken("r1", at(0), ME, at(60)), intended]], 1)
    chain = load(Kept(rows[first - 1 :]))
    assert chain.recorded.lease is not None
    assert list(chain.recorded.in_doubt) == ["o1"]


def test_a_checkpoint_is_not_believed_when_what_follows_does_not() -> None:
    rows = sealed(Chain(), BATCHES)
    other = Chain()
    sealed(other, [[LeaseReleased("other", at(1))]])
    assert other.head is not None
    kept = Kept(rows, (1, snapshot.dump(other.recorded, other.head)))
    assert load(kept).recorded == load(Kept(rows)).recorded
    assert kept.reads == [0, -1]


@given(shapes(), st.data())
def test_a_checkpoint_of_what_was_lost_is_not_believed(shape: tuple[Rows, Rows, int], data: st.DataObject) -> None:
    _, rest, _ = shape
    if len(rest) < 2:
        return
    fork, first = Chain(), data.draw(st.integers(1, len(rest) - 1))
    for position, batch in rest[:first]:
        fork.follow(position, batch)
    sealed(fork, [[LeaseReleased("lost", at(9))]] * (len(rest) - first))
    assert fork.head is not None
    assert fork.end == rest[-1][0]
    kept = Kept(rest, (fork.end, snapshot.dump(fork.recorded, fork.head, fork.offset)))
    assert load(kept).recorded == load(Kept(rest)).recorded


def test_a_checkpoint_that_ends_the_log_is_compared_with_its_batch_alone() -> None:
    lost, chain = Chain(), Chain()
    sealed(lost, [BATCHES[0], [LeaseReleased("lost", at(2))], BATCHES[2]])
    rows = sealed(chain, BATCHES)
    for made, reads in ((chain, [0, replay(2)]), (lost, [0, replay(2), WHOLE])):
        assert made.head is not None
        kept = Kept(rows, (3, snapshot.dump(made.recorded, made.head)))
        assert load(kept).recorded == chain.recorded
        assert kept.reads == reads


def test_a_checkpoint_whose_batch_is_gone_is_not_believed() -> None:
    chain = Chain()
    rows = sealed(chain, BATCHES)
    assert chain.head is not None
    made = snapshot.dump(chain.recorded, chain.head)
    assert load(Kept(rows[:2], (3, made))).recorded.position == 2


def test_who_holds_the_state_holds_it_on() -> None:
    held = Recorded()
    chain = Chain()
    sealed(chain, BATCHES)
    expected = copy.deepcopy(chain.recorded)
    chain.into(held)
    assert held == expected
    assert chain.recorded is held
    sealed(chain, [[LeaseTaken("r1", at(0), ME, at(60))]])
    assert held.lease is not None


def test_a_storage_that_stops_answering_is_not_damage() -> None:
    class Gone(Kept):
        def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
            raise Unreachable("The state does not answer.")

    with pytest.raises(Unreachable):
        load(Gone([]))
    with pytest.raises(Unreachable):
        list(walk(Gone([]), Chain()))
