"""What every backend promises, in S3 on a real server, and what object stores add to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import obstore
import pytest
from object_logs import ObjectStorage, no_cloud_variables, refused, stored
from s3_server import BUCKET, OWNER, READER, STRANGER, Identity, S3Server, environment, s3_server

import reconciler.state.backends.objects as module
from reconciler.model.errors import Conflict, Unreachable
from reconciler.state.backends import WHOLE, open_backend
from reconciler.testing.backends import LOG, BackendContract, rows
from reconciler.testing.writer import claims, content

__all__ = ["no_cloud_variables", "s3_server"]


@pytest.fixture
def storage(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, no_cloud_variables: None) -> Iterator[ObjectStorage]:
    with stored("s3", BUCKET, s3_server, environment, monkeypatch) as made:
        yield made


class TestS3(BackendContract):
    stride = 7

    @pytest.fixture
    def storage(self, storage: ObjectStorage) -> ObjectStorage:
        return storage


def grown(storage: ObjectStorage, batches: int) -> list[tuple[int, bytes]]:
    """A log of so many batches, put there side by side."""
    storage.open().append(1, b"1")
    written = [(position, b"%d" % position) for position in range(1, batches + 1)]
    with ThreadPoolExecutor(16) as pool:
        done = [pool.submit(obstore.put, storage.store, storage.batch(at), held) for at, held in written[1:]]
    assert all(one.result() for one in done)
    return written


def test_a_log_is_a_folder_of_numbered_objects(storage: ObjectStorage) -> None:
    backend = storage.open("sandbox:acme/default")
    for position in range(1, 6):
        backend.append(position, b"x")
        backend.checkpoint(position, b"s")
    number = "{:020}".format
    assert storage.keys("", "sandbox:acme/default") == [
        *(f"checkpoint/{number(position)}" for position in (4, 5)),
        *(f"log/{number(position)}" for position in range(1, 6)),
        "probe",
    ]
    assert storage.key("", "sandbox:acme/default").endswith("/sandbox%3Aacme%2Fdefault/")


def test_reading_and_trimming_create_nothing(storage: ObjectStorage) -> None:
    backend = storage.open()
    assert rows(backend) == rows(backend, WHOLE) == []
    backend.trim(5)
    assert storage.keys() == []


def test_thousands_of_batches_come_in_pages(storage: ObjectStorage) -> None:
    written = grown(storage, 2_345)
    one = storage.open()
    one.checkpoint(1_500, b"s")
    assert rows(one, WHOLE) == written
    found, batches = storage.open().read(0)
    assert (found, list(batches)) == ((1_500, b"s"), written[1_500:])
    one.append(2_346, b"next")
    one.trim(2_100)
    assert rows(storage.open(), WHOLE) == [*written[2_099:], (2_346, b"next")]
    assert len(storage.keys("log/")) == 247


@pytest.mark.parametrize("gap", [2, 1_001, 1_200])
def test_a_batch_that_is_missing_is_named(storage: ObjectStorage, gap: int) -> None:
    grown(storage, 1_201)
    storage.remove(gap)
    for after in (0, WHOLE, gap - 1):
        found = refused(partial(rows, storage.open(), after), storage.url, LOG, f"position {gap} is missing")
        assert not isinstance(found, Conflict | Unreachable)
    assert len(rows(storage.open(), gap)) == 1_201 - gap


def test_a_last_batch_that_is_removed_is_missed_by_whoever_has_seen_it(storage: ObjectStorage) -> None:
    one, other = storage.open(), storage.open()
    for position in range(1, 5):
        one.append(position, b"x")
    assert len(rows(other)) == 4
    storage.remove(4)
    storage.remove(3)
    for backend in (one, other):
        refused(partial(rows, backend), "position 3 is missing")
    with pytest.raises(Conflict):
        one.append(4, b"y")
    assert len(rows(storage.open())) == 2  # a store alone cannot tell


def test_a_checkpoint_without_any_batch_is_no_empty_log(storage: ObjectStorage) -> None:
    one = storage.open()
    one.append(1, b"a")
    one.checkpoint(1, b"s")
    storage.remove(1)
    for act in (
        lambda: rows(storage.open()),
        lambda: rows(storage.open(), WHOLE),
        lambda: storage.open().append(1, b"x"),
    ):
        refused(act, "position 1 is missing")


@pytest.mark.parametrize(
    "name", ["log/README", "log/0000000000000000002", "log/00000000000000000002x", "log/old/00000000000000000001"]
)
def test_what_is_no_batch_is_not_passed_over(storage: ObjectStorage, name: str) -> None:
    one = storage.open()
    one.append(1, b"a")
    storage.put(storage.key(name), b"?")
    refused(lambda: rows(storage.open()), storage.url, name)
    storage.put(storage.key(name, "acme/other"), b"?")
    refused(lambda: storage.open("acme/other").append(1, b"a"), name)


def test_objects_elsewhere_are_left_alone(storage: ObjectStorage) -> None:
    one = storage.open()
    strange = [storage.key(name) for name in ("README", "checkpoint/README", "checkpoint/7", "checkpoint/from-2")]
    for key in (*strange, f"{storage.prefix}/README"):
        storage.put(key, b"?")
    for position in range(1, 4):
        one.append(position, b"x")
        one.checkpoint(position, b"s")
    one.trim(3)
    assert storage.open().read(0)[0] == (3, b"s")
    assert {"README", "checkpoint/README", "checkpoint/7", "checkpoint/from-2"} <= {*storage.keys()}


def test_a_position_far_ahead_is_not_counted_up_to(storage: ObjectStorage) -> None:
    storage.open().append(1, b"a")
    storage.put(storage.batch(10**19), b"?")
    refused(lambda: rows(storage.open()), "position 2 is missing")


def test_the_last_two_checkpoints_are_kept_also_when_others_are_ahead(storage: ObjectStorage) -> None:
    one = storage.open()
    for position in range(1, 8):
        one.append(position, b"x")
    one.checkpoint(90, b"?")
    one.checkpoint(91, b"?")
    for position in (2, 3, 5, 7):
        one.checkpoint(position, b"%d" % position)
    assert [int(name) for name in storage.keys("checkpoint/")] == [5, 7, 90, 91]
    assert storage.open().read(0)[0] == (7, b"7")
    storage.remove(7)
    assert storage.open().read(0)[0] == (5, b"5")


def test_a_trim_that_was_interrupted_is_finished_by_the_next(storage: ObjectStorage) -> None:
    one = storage.open()
    for position in range(1, 8):
        one.append(position, b"x")
    one.checkpoint(4, b"s")
    obstore.put(storage.store, storage.key("checkpoint/from-00000000000000000005"), b"", mode="create")
    storage.remove(2)
    storage.remove(4)
    assert [position for position, _ in rows(storage.open(), WHOLE)] == [5, 6, 7]
    assert storage.open().read(0)[0] is None
    for position in (1, 2, 3, 4, 5, 7, 9):
        with pytest.raises(Conflict):
            storage.open().append(position, b"y")
    storage.open().trim(5)
    assert [int(name) for name in storage.keys("log/")] == [5, 6, 7]
    storage.remove(5)
    refused(lambda: rows(storage.open()), "position 5 is missing")


@pytest.mark.parametrize("known", [1, 2, 5])
def test_a_writer_that_slept_through_a_trim_writes_nothing(storage: ObjectStorage, known: int) -> None:
    sleeper, one = storage.open(), storage.open()
    for position in range(1, known + 1):
        one.append(position, b"x")
    assert len(rows(sleeper)) == known
    for position in range(known + 1, known + 5):
        one.append(position, b"x")
    one.trim(known + 4)
    with pytest.raises(Conflict):
        sleeper.append(known + 1, b"late")
    for backend in (sleeper, storage.open()):
        with pytest.raises(Conflict):
            backend.append(known + 2, b"later")
    one.append(known + 5, b"x")
    assert rows(storage.open(), WHOLE) == [(known + 4, b"x"), (known + 5, b"x")]
    storage.open().trim(known + 5)
    assert [int(name) for name in storage.keys("log/")] == [known + 5]


def test_a_reader_that_a_trim_overtakes_says_so(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(storage, 200)
    monkeypatch.setattr(module, "_AHEAD", 4)
    batches = iter(storage.open().read(0)[1])
    assert next(batches) == (1, b"1")
    storage.open().trim(150)
    found = refused(lambda: list(batches), "archived while it was read")
    assert isinstance(found, Unreachable)


def test_a_batch_that_arrives_after_it_was_trimmed_is_in_nobodys_log(storage: ObjectStorage) -> None:
    one = storage.open()
    for position in (1, 2):
        one.append(position, b"x")
    listed, tail = storage.open().read(2)[1], storage.open().read(2)[1]
    for position in (3, 4):
        one.append(position, b"x")
    one.trim(4)
    storage.put(storage.batch(3), b"what its writer was told is a conflict")
    found = refused(lambda: list(listed), "archived while it was read")
    assert isinstance(found, Unreachable)
    assert rows(storage.open()) == rows(storage.open(), 2) == [(4, b"x")]
    storage.remove(4)
    refused(lambda: list(tail), "archived while it was read")


def test_no_more_is_fetched_ahead_than_fits(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(storage, 100)
    for limit, at_most in (("_AHEAD", module._AHEAD), ("_BYTES", 11)):
        if limit == "_BYTES":
            monkeypatch.setattr(module, limit, 10)
        one, asked = storage.open(), []
        get = one._bucket.get  # type: ignore[attr-defined]
        monkeypatch.setattr(one._bucket, "get", lambda key, get=get, asked=asked: asked.append(key) or get(key))  # type: ignore[attr-defined]
        batches = iter(one.read(0)[1])
        next(batches)
        assert len(asked) <= at_most
    assert len(list(batches)) == 99


def test_a_reader_that_is_given_up_waits_for_nobody(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(storage, 40)
    one, free, waited = storage.open(), threading.Event(), []
    get = one._bucket.get  # type: ignore[attr-defined]

    def slow(key: str) -> bytes | None:
        if key != storage.batch(1) and not free.wait(3):
            waited.append(key)
        return get(key)

    monkeypatch.setattr(one._bucket, "get", slow)  # type: ignore[attr-defined]
    batches = iter(one.read(0)[1])
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    free.set()
    assert waited == []


def test_sixteen_writers_race(storage: ObjectStorage) -> None:
    won: list[tuple[int, bytes]] = []
    begin = threading.Barrier(16)

    def write(name: str) -> None:
        backend = storage.open()
        begin.wait()
        won.extend((position, content(name, position)) for position in claims(backend, name, 24))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, [f"w{number}" for number in range(16)]))
    assert sorted(won) == rows(storage.open())
    assert len(won) == 24


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("", ""),
        ("/", ""),
        ("/a//b/", "a/b/"),
        ("/my logs/żółć 🐙", "my logs/żółć 🐙/"),
        ("/a%20b/%2F", "a%20b/%2F/"),
        ("/a+b&c=d/~e/#f/(g)'h\"/*!:;,@$", "a+b&c=d/~e/#f/(g)'h\"/*!:;,@$/"),
        ("/...", ".../"),
    ],
)
def test_a_prefix_is_taken_as_it_is(storage: ObjectStorage, path: str, prefix: str) -> None:
    log = f"acme/{storage.prefix}"
    backend = open_backend(f"s3://{BUCKET}{path}", log)
    backend.append(1, b"a")
    backend.append(2, b"b")
    folder = f"{prefix}acme%2F{storage.prefix}/"
    assert bytes(obstore.get(storage.store, f"{folder}log/{2:020}").bytes()) == b"b"
    assert rows(open_backend(f"s3://{BUCKET}{path}", log), WHOLE) == [(1, b"a"), (2, b"b")]


@pytest.mark.parametrize(
    ("who", "reads"),
    [
        (READER, True),
        (STRANGER, False),
        (Identity("NOBODY", OWNER.secret), False),
        (Identity(OWNER.key, "wrong"), False),
    ],
)
def test_who_may_not_is_told_so(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch, who: Identity, reads: bool
) -> None:
    owner = storage.open()
    owner.append(1, b"a")
    owner.append(2, b"b")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", who.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", who.secret)
    other = storage.open()
    acts = [lambda: other.append(3, b"x"), lambda: other.trim(2), lambda: other.checkpoint(2, b"s")]
    if reads:
        assert len(rows(other)) == 2
        acts.append(lambda: storage.open("acme/new").append(1, b"x"))
    else:
        acts.append(lambda: rows(other))
    said = "permission denied" if who in {READER, STRANGER} else "credentials are not accepted"
    for act in acts:
        assert not isinstance(refused(act, storage.url, said, "HTTP 403"), Conflict | Unreachable)
    assert len(rows(owner, WHOLE)) == 2


def test_a_bucket_that_is_not_there_is_named(storage: ObjectStorage) -> None:
    backend = open_backend("s3://nowhere/x", LOG)
    for act in (lambda: rows(backend), lambda: backend.append(1, b"a"), lambda: backend.trim(1)):
        assert not isinstance(refused(act, "s3://nowhere/x", "is not there"), Conflict | Unreachable)
