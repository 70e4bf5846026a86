"""Who may receive credentials."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import CredentialError
from reconciler.transport.hosts import VARIABLE, TrustedHosts, is_loopback

OFFICIAL = ("api.pipefy.com", "*.files.pipefy.com")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.pipefy.com/graphql",
        "https://API.Pipefy.COM/graphql",
        "https://api.pipefy.com:443/graphql",
        "https://a.files.pipefy.com/x?y=1#z",
        "https://a.b.files.pipefy.com/x",
    ],
)
def test_official_hosts_are_trusted(url: str) -> None:
    hosts = TrustedHosts(OFFICIAL)
    assert hosts.is_official(hosts.check(url, "the token"))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.pipefy.com/graphql",
        "https://api.pipefy.com:8443/graphql",
        "https://api.pipefy.com@evil.test/",
        "https://api.pipefy.com:pw@evil.test/",
        "https://user@api.pipefy.com/",
        "https://@api.pipefy.com/",
        "https://api.pipefy.com.evil.test/",
        "https://api.pipefy.com./",
        "https://evil.test\\@api.pipefy.com/",
        "https://evil.test\\.api.pipefy.com/",
        "https://api。pipefy。com/",
        "https://аpi.pipefy.com/",
        "https://xn--pi-7kc.pipefy.com/",
        "https://files.pipefy.com/",
        "https://evilfiles.pipefy.com/",
        "https://.files.pipefy.com/",
        "https://api.pipefy.com%2eevil.test/",
        "https://api.pipefy.com%00.evil.test/",
        "https://api.pipefy.com\n/",
        " https://api.pipefy.com/",
        "https:///graphql",
        "https:api.pipefy.com/",
        "//api.pipefy.com/",
        "api.pipefy.com",
        "ftp://api.pipefy.com/",
        "file:///etc/passwd",
        "",
        "http://localhost/",
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://[::1",
        "https://api.pipefy.com:99999/",
        "https://api.pipefy.com:0/",
    ],
)
def test_everything_else_is_not(url: str) -> None:
    with pytest.raises(CredentialError) as caught:
        TrustedHosts(OFFICIAL).check(url, "the token")
    assert VARIABLE in caught.value.message + caught.value.hint
    assert "pw" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("extra", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000/graphql"),
        ("127.0.0.1", "http://127.0.0.1:8000/graphql"),
        ("localhost", "http://LOCALHOST:1/graphql"),
        ("::1", "http://[::1]:9/graphql"),
        ("[::1]:9", "http://[::1]:9/graphql"),
        (" a.test , B.test:8443 ,", "https://b.test:8443/"),
        ("b.test:443", "https://b.test/"),
        ("127.0.0.1:80", "http://127.0.0.1/"),
        ("xn--bcher-kva.test", "https://xn--bcher-kva.test/"),
    ],
)
def test_named_hosts_are_trusted(extra: str, url: str) -> None:
    TrustedHosts(OFFICIAL, extra).check(url, "the token")


@pytest.mark.parametrize(
    ("extra", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8001/"),
        ("b.test", "http://b.test/"),
        ("10.0.0.1", "http://10.0.0.1/"),
        ("127.1", "http://127.1/"),
        ("10.0.0.1:80", "http://10.0.0.1/"),
        ("localhost.evil.test", "http://localhost.evil.test/"),
        ("sandbox.localhost", "http://sandbox.localhost/"),
        ("*.b.test", "https://a.b.test/"),
        ("b.test:443", "https://b.test:8443/"),
        ("b.test", "https://a.b.test/"),
    ],
)
def test_naming_is_exact_and_plain_http_stays_at_home(extra: str, url: str) -> None:
    with pytest.raises(CredentialError):
        TrustedHosts(OFFICIAL, extra).check(url, "the token")


@pytest.mark.parametrize(
    "extra", ["http://a.test", "a.test/x", "user@a.test", "a.test:0", "a.test:x", "a b", "[::1", "ä.test"]
)
def test_what_is_not_a_host_is_refused(extra: str) -> None:
    with pytest.raises(CredentialError, match=VARIABLE):
        TrustedHosts(OFFICIAL, extra)


def test_in_process_names_are_loopback() -> None:
    TrustedHosts(OFFICIAL, "sandbox.localhost", in_process=True).check("http://sandbox.localhost/x", "the token")
    assert not is_loopback("sandbox.localhost")


@given(st.text(alphabet="ap.ipefycom@:/\\%?#[]01-evil", max_size=30))
def test_no_spelling_reaches_another_host(tail: str) -> None:
    try:
        url = TrustedHosts(("api.pipefy.com",)).check("https://" + tail, "the token")
    except CredentialError:
        return
    assert url.raw_host == b"api.pipefy.com"
    assert not url.userinfo
    assert url.port is None
