from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import Broken
from reconciler.sandbox.store import Store


def test_documents_keep_their_order_and_are_copies() -> None:
    store = Store(None)
    store.put("c", "b", {"n": 1})
    store.put("c", "a", {"n": 2})
    store.put("c", "b", {"n": 3})
    assert store.all("c") == [{"n": 3}, {"n": 2}]
    first = store.get("c", "a") or {}
    first["n"] = 9
    assert store.get("c", "a") == {"n": 2}
    assert store.delete("c", "a")
    assert not store.delete("c", "a")
    assert store.get("c", "a") is None
    assert store.all("other") == []
    store.close()


@given(st.text())
def test_any_text_survives(text: str) -> None:
    store = Store(None)
    store.put("c", "a", {"text": text, "half": text + "\ud800"})
    assert store.get("c", "a") == {"text": text, "half": text + "\ud800"}
    store.close()


def test_a_transaction_happens_whole_or_not_at_all() -> None:
    store = Store(None)

    def fail() -> None:
        with store.transaction():
            store.put("c", "a", {})
            with store.transaction():
                store.put("c", "b", {})
                assert store.next("n") == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert store.all("c") == []
    assert store.next("n") == 1
    assert store.next("n") == 2
    store.close()


def test_threads_and_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "sandbox.db"
    store, other = Store(path), Store(path)
    drawn: list[int] = []

    def draw(source: Store) -> None:
        drawn.extend(source.next("n") for _ in range(50))

    threads = [threading.Thread(target=draw, args=(source,)) for source in (store, other, store)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == list(range(1, 151))
    store.put("c", "a", {"n": 1})
    assert other.get("c", "a") == {"n": 1}
    store.close()
    other.close()


def test_what_was_committed_survives_kill_nine(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from reconciler.sandbox.store import Store\n"
        "store = Store(pathlib.Path(sys.argv[1]))\n"
        "store.put('c', 'kept', {})\n"
        "with store.transaction():\n"
        "    store.put('c', 'lost', {})\n"
        "    print('now', flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / "sandbox.db"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        os.kill(process.pid, signal.SIGKILL)
    store = Store(path)
    assert store.get("c", "kept") == {}
    assert store.get("c", "lost") is None
    store.put("c", "more", {})
    store.close()


def test_a_file_that_is_no_store_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    path.write_bytes(b"this is not a database at all, not even nearly" * 50)
    with pytest.raises(Broken, match="cannot be opened") as caught:
        Store(path)
    assert "sandbox reset" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Broken, match="cannot be opened"):
        Store(tmp_path / "file" / "sandbox.db")


def test_a_store_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "sandbox.db"), Store(tmp_path / "sandbox.db")
    other._connection.execute("PRAGMA busy_timeout=0")
    with store.transaction(), pytest.raises(Broken, match="cannot be written"):
        other.put("c", "a", {})
    other.put("c", "a", {})
    store.close()
    other.close()


def test_a_store_of_another_format_is_reported(tmp_path: Path) -> None:
    store = Store(tmp_path / "sandbox.db")
    store._connection.execute("PRAGMA user_version=7")
    store.close()
    with pytest.raises(Broken, match="format 7"):
        Store(tmp_path / "sandbox.db")
