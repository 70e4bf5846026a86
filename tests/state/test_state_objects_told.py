"""What an object store can say that no real server says on demand, and what is sent to it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_stub import Stub, stub
from object_logs import no_cloud_variables, refused

import reconciler.state.backends.objects as module
import reconciler.state.backends.objects_bucket as bucket_module
from reconciler.model.errors import Conflict, Unreachable, Usage
from reconciler.state.backends import WHOLE, open_backend
from reconciler.testing.backends import LOG, rows

__all__ = ["no_cloud_variables"]

FOLDER = "p/acme%2Fdefault/"
GCS = ("x-goog-if-generation-match", "0")


def batch(position: int) -> str:
    return f"{FOLDER}log/{position:020}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, no_cloud_variables: None) -> Iterator[Stub]:
    with stub() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "owner-secret")
        monkeypatch.setenv("GOOGLE_BASE_URL", made.endpoint)
        monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "owner-secret")
        yield made


@pytest.mark.parametrize(("url", "condition"), [("s3://logs/p", ("if-none-match", "*")), ("gs://logs/p", GCS)])
def test_every_put_carries_the_condition(
    server: Stub, monkeypatch: pytest.MonkeyPatch, url: str, condition: tuple[str, str]
) -> None:
    """For Google Cloud Storage there is no server to be had that takes it: this shows what is sent, no more."""
    monkeypatch.setattr(module, "_FRESH", 0.02)
    server.condition = condition
    one, other = open_backend(url, LOG), open_backend(url, LOG)
    for position in range(1, 6):
        one.append(position, b"%d" % position)
    for position in (1, 5, 7):
        with pytest.raises(Conflict):
            other.append(position, b"x")
    one.checkpoint(3, b"three")
    found, batches = other.read(0)
    assert (found, list(batches)) == ((3, b"three"), [(4, b"4"), (5, b"5")])
    if url.startswith("gs:"):  # S3 deletes many at once, which the stub does not know; a real server shows that
        one.trim(4)
        assert rows(open_backend(url, LOG), WHOLE) == [(4, b"4"), (5, b"5")]
    puts = [asked for asked in server.asked if asked.method == "PUT"]
    assert len(puts) > 8
    assert {asked.headers.get(condition[0]) for asked in puts} == {condition[1]}


@pytest.mark.parametrize("url", ["s3://logs/p", "gs://logs/p"])
def test_a_store_that_overwrites_is_refused_before_it_can(server: Stub, url: str) -> None:
    server.condition = None
    for _ in range(2):
        found = refused(lambda: open_backend(url, LOG).append(1, b"a"), url, "puts an object where there is one")
        assert not isinstance(found, Conflict | Unreachable)
    assert list(server.objects) == [f"{FOLDER}probe"]


@pytest.mark.parametrize("hidden", [{2}, {1}, {3}, {2, 3}, {1, 2, 3}])
def test_what_a_listing_does_not_show_is_found(server: Stub, hidden: set[int]) -> None:
    one, other = open_backend("s3://logs/p", LOG), open_backend("s3://logs/p", LOG)
    written = [(position, b"%d" % position) for position in range(1, 4)]
    for row in written:
        one.append(*row)
    server.hidden = {batch(position) for position in hidden}
    assert rows(one) == rows(other) == rows(other, WHOLE) == written
    assert rows(other, 1) == written[1:]
    with pytest.raises(Conflict):
        open_backend("s3://logs/p", LOG).append(1, b"x")
    other.append(4, b"4")
    assert rows(one) == [*written, (4, b"4")]


def test_a_put_that_another_one_disturbed_is_repeated(server: Stub) -> None:
    """As of "PutObject" in the documentation of Amazon S3: 409 ConditionalRequestConflict, to be tried again."""
    one = open_backend("s3://logs/p", LOG)
    one.append(1, b"a")
    server.canned["PUT"] = [(409, "ConditionalRequestConflict")] * 2
    one.append(2, b"b")
    server.canned["PUT"] = [(409, "ConditionalRequestConflict")] * 20
    assert isinstance(refused(lambda: one.append(3, b"c"), "busy at position 3"), Unreachable)
    server.canned.clear()
    one.append(3, b"c")
    assert rows(one) == [(1, b"a"), (2, b"b"), (3, b"c")]


def test_a_put_whose_answer_was_an_error_may_have_happened(server: Stub) -> None:
    one = open_backend("s3://logs/p", LOG)
    one.append(1, b"a")
    server.canned["PUT"] = [(500, "InternalError")]
    one.append(2, b"b")
    server.canned["PUT"] = [(503, "SlowDown")] * 20
    assert isinstance(refused(lambda: one.append(3, b"c"), "did not answer", "HTTP 503, SlowDown"), Unreachable)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, "ExpiredToken", "have expired"),
        (403, "ExpiredToken", "have expired"),
        (403, "InvalidAccessKeyId", "are not accepted"),
        (401, "", "are not accepted"),
        (403, "RequestTimeTooSkewed", "clock is wrong"),
        (403, "AccessDenied", "permission denied"),
        (403, "", "permission denied"),
        (301, "PermanentRedirect", "in another region"),
        (400, "AuthorizationHeaderMalformed", "in another region"),
        (404, "NoSuchBucket", "is not there"),
        (400, "Strange", "refused what it was asked (127.0.0.1, HTTP 400, Strange)"),
        (501, "NotImplemented", "cannot do what is needed"),
        (507, "XMinioStorageFull", "is full"),
    ],
)
def test_what_waiting_does_not_cure_is_explained(server: Stub, status: int, code: str, said: str) -> None:
    one = open_backend("s3://logs/p", LOG)
    for method, act in (("GET", lambda: rows(one)), ("PUT", lambda: one.append(1, b"a"))):
        server.canned[method] = [(status, code)] * 20
        found = refused(act, "s3://logs/p", said)
        assert not isinstance(found, Conflict | Unreachable)
        server.canned.clear()


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "InternalError"), (503, "SlowDown"), (429, ""), (400, "RequestTimeout"), (408, ""), (504, "")],
)
def test_what_waiting_may_cure_is_unreachable(server: Stub, status: int, code: str) -> None:
    one = open_backend("s3://logs/p", LOG)
    server.canned["GET"] = [(status, code)] * 20
    assert isinstance(refused(lambda: rows(one), "s3://logs/p did not answer", f"HTTP {status}"), Unreachable)
    server.canned.clear()
    assert rows(one) == []


def test_nobody_there_is_unreachable(monkeypatch: pytest.MonkeyPatch, server: Stub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    one = open_backend("s3://logs/p", LOG)
    for act in (lambda: rows(one), lambda: one.append(1, b"a"), lambda: one.append(2, b"a"), lambda: one.trim(2)):
        assert isinstance(refused(act, "s3://logs/p", "127.0.0.1, no connection"), Unreachable)


def test_somebody_who_says_nothing_is_unreachable(monkeypatch: pytest.MonkeyPatch, server: Stub) -> None:
    monkeypatch.setattr(bucket_module, "_TIMEOUTS", {"connect_timeout": "300ms", "timeout": "300ms"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        one = open_backend("s3://logs/p", LOG)
        assert isinstance(refused(lambda: one.append(1, b"a"), "no answer in time"), Unreachable)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "s3:",
            "s3:bucket",
            "s3://",
            "s3:///p",
            "s3://b/../c",
            "s3://b/./c",
            "s3://key:secret@bucket/p",
            "s3://b?x=1",
        ),
        *("gs://b\n/p", "az://b/\x1b[2J", "s3://bucket with blanks/p", "s3://b/p?region=x"),
    ],
)
def test_a_url_that_names_no_place_is_wrong_usage(server: Stub, url: str) -> None:
    with pytest.raises(Usage) as caught:
        open_backend(url, LOG)
    assert f"{url[:2]}://BUCKET/PREFIX" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
def test_what_is_sent_in_the_clear_needs_permission(
    monkeypatch: pytest.MonkeyPatch, no_cloud_variables: None, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://ann:secret@minio.example.com:9000")
    with pytest.raises(Usage, match=f"{variable} is an http: address") as caught:
        open_backend("s3://bucket/p", LOG)
    assert "AWS_ALLOW_HTTP=true" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    open_backend("s3://bucket/p", LOG)
    for wrong in ("minio:9000", "ftp://minio", "https://", "https://a b"):
        monkeypatch.setenv(variable, wrong)
        with pytest.raises(Usage, match=f"{variable} is not the address"):
            open_backend("s3://bucket/p", LOG)


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_REGION"])
def test_a_line_break_in_a_setting_is_found(server: Stub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "owner-secret\n")
    with pytest.raises(Usage, match=f"{variable} holds a line break") as caught:
        open_backend("s3://logs/p", LOG)
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_setting_that_cannot_be_sent_is_no_crash(server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:99999")
    refused(lambda: rows(open_backend("s3://logs/p", LOG)), "the settings in the environment make no sense")


PROFILES = {
    "boto3/__init__.py": """
from boto3.session import Session
""",
    "boto3/session.py": """
import os
from botocore.credentials import Credentials
class Session:
    region_name = "eu-west-9"
    def get_credentials(self):
        return Credentials() if os.environ.get("AWS_PROFILE") == "ann" else None
""",
    "botocore/__init__.py": "",
    "botocore/session.py": "class Session: ...",
    "botocore/credentials.py": """
class Credentials:
    access_key, secret_key, token = "PROFILEKEY", "owner-secret", None
    def get_frozen_credentials(self):
        return self
""",
}


@pytest.fixture
def boto3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of boto3 as asks for credentials; it is not needed, so it is not installed."""
    for name, text in PROFILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    _forget(monkeypatch)
    monkeypatch.syspath_prepend(tmp_path)


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in {"boto3", "botocore"} or name == "obstore.auth.boto3":
            monkeypatch.delitem(sys.modules, name)


def test_a_profile_is_read_by_boto3(server: Stub, monkeypatch: pytest.MonkeyPatch, boto3: None) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "ann")
    open_backend("s3://logs/p", LOG).append(1, b"a")
    signed = {asked.headers["authorization"] for asked in server.asked}
    assert all("Credential=PROFILEKEY/" in header and "/eu-west-9/s3/" in header for header in signed)
    monkeypatch.setenv("AWS_PROFILE", "bob")
    refused(lambda: rows(open_backend("s3://logs/p", LOG)), "no credentials; AWS_PROFILE leads to none")


def test_keys_in_the_environment_come_first(server: Stub, monkeypatch: pytest.MonkeyPatch, boto3: None) -> None:
    monkeypatch.setenv("AWS_PROFILE", "ann")
    open_backend("s3://logs/p", LOG).append(1, b"a")
    assert all("Credential=KEY/" in asked.headers["authorization"] for asked in server.asked)


def test_a_profile_without_boto3_is_not_passed_over(server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_PROFILE", "ann")
    refused(lambda: rows(open_backend("s3://logs/p", LOG)), "AWS_PROFILE needs boto3, which is not installed")
    assert server.asked == []


def test_nobody_with_credentials_is_not_an_outage(server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    refused(lambda: rows(open_backend("s3://logs/p", LOG)), "the settings in the environment make no sense")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", server.endpoint)
    for status in (404, 500):
        server.canned["PUT"] = [(status, "")] * 20
        found = refused(lambda: rows(open_backend("s3://logs/p", LOG)), "are no credentials; 127.0.0.1 gave none")
        assert not isinstance(found, Unreachable)
        assert "AWS_ACCESS_KEY_ID" in found.hint
