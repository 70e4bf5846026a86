"""The trust rule: which hosts may receive credentials and serve files."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Final

import httpx

from reconciler.model.errors import CredentialError

VARIABLE: Final = "RECONCILER_TRUSTED_HOSTS"

_ENTRY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")


def is_loopback(host: str, *, in_process: bool = False) -> bool:
    """Whether a host name can only mean this machine.

    Names under `.localhost` count only for requests that never reach a network.
    """
    if host == "localhost" or (in_process and host.endswith(".localhost")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class TrustedHosts:
    """The hosts one connection may talk to.

    `official` are the service's own hosts, `*.example.com` standing for everything below example.com;
    they are reached by https on its default port.  `extra` is the text of RECONCILER_TRUSTED_HOSTS:
    comma-separated `host[:port]`, any port where none is given; by https, or by plain http for loopback
    hosts.  `in_process` says that requests go to an application in this process.
    Raises CredentialError for an entry that is not a host.
    """

    def __init__(self, official: Collection[str], extra: str = "", *, in_process: bool = False) -> None:
        self._official = frozenset(official)
        self._in_process = in_process
        self._extra = frozenset(_entry(text) for text in extra.split(",") if text.strip())

    def is_official(self, url: httpx.URL) -> bool:
        """Whether a checked address is one of the service's own hosts."""
        host = _host(url)
        return url.scheme == "https" and url.port is None and (host in self._official or self._below_wildcard(host))

    def check(self, address: str, what: str) -> httpx.URL:
        """Return the address, parsed, if `what` may be sent to it (or read from it).

        Raises CredentialError, which names the host and the variable, before anything is sent.
        """
        url = _parse(address, what)
        if self.is_official(url):
            return url
        host, port = _host(url), url.port or (443 if url.scheme == "https" else 80)
        named = (host, None) in self._extra or (host, port) in self._extra
        loopback = is_loopback(host, in_process=self._in_process)
        if named and (url.scheme == "https" or loopback):
            return url
        shown = host if url.port is None else f"{host}:{url.port}"
        if url.scheme == "http" and not loopback:
            raise CredentialError(
                f"withheld: {what} may not go to {shown}, plain http is only for loopback hosts named in {VARIABLE}",
                "use https",
            )
        raise CredentialError(
            f"withheld: {what} may not go to {shown}, it is neither the service's own host nor named in {VARIABLE}",
            f"if you trust this host, set {VARIABLE}={shown}",
        )

    def _below_wildcard(self, host: str) -> bool:
        return any(
            host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
            for pattern in self._official
            if pattern.startswith("*.")
        )


def _host(url: httpx.URL) -> str:
    """The host as it goes over the wire: lower case, ASCII, IPv6 in brackets."""
    host = url.raw_host.decode("ascii").lower()
    return f"[{host}]" if ":" in host else host


def _entry(text: str) -> tuple[str, int | None]:
    entry = text.strip().lower()
    if entry.count(":") > 1 and not entry.startswith("["):
        entry = f"[{entry}]"
    found = _ENTRY.fullmatch(entry)
    if found is None or (found[2] is not None and not 0 < int(found[2]) < 65536):
        raise CredentialError(
            f"{VARIABLE} holds {text.strip()!r}, which is not a host", "write host or host:port, comma-separated"
        )
    return found[1], None if found[2] is None else int(found[2])


def _parse(address: str, what: str) -> httpx.URL:
    """Read an address; anything that two parsers could read differently is refused."""
    problem = ""
    url = httpx.URL()
    if not address.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", address):
        problem = "it holds characters that no address holds (write international names as xn--…)"
    else:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL:
            problem = "it cannot be read"
        else:
            if url.scheme not in ("https", "http") or not url.host:
                problem = "it must start with https:// and name a host"
            elif url.userinfo or "@" in re.split(r"[/?#]", address.partition("//")[2], maxsplit=1)[0]:
                problem = "it must not hold a user name before the host"
            elif url.port == 0 or "%" in url.host:
                problem = "its host cannot be read"
    if problem:
        raise CredentialError(
            f"withheld: {what} may go nowhere, the address is not usable, {problem}", f"see also {VARIABLE}"
        )
    return url
