"""One bucket of an object store: the few requests a log needs, the way in, and what a refusal means.

Credentials come from where the platform has them.  obstore itself knows the environment, web identities, containers
and instances.  Where no variable says who to be, boto3, google-auth or azure-identity are asked if they are installed:
they also know profiles, single sign-on and more federations.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib import import_module
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from reconciler.model.errors import StateError, Unreachable, Usage
from reconciler.state.backends import objects_services as services
from reconciler.state.backends.objects_services import Service

_RETRIES: Final = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
_TIMEOUTS: Final = {"connect_timeout": timedelta(seconds=3), "timeout": timedelta(seconds=30)}

# obstore tells apart only some failures by class.  For the rest its text holds what was asked, the status of the
# answer, and the code in its body; the words of the service are left alone.
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_CODE: Final = re.compile(r"(?:<Code>|\(code: )(\w+)")
_ASKED: Final = re.compile(r"Error performing [A-Z]+ (\S+) in ")

_REFUSALS: Final = (
    ("NoSuchBucket ContainerNotFound 404", "is not there", "Check its name and the endpoint, or create it."),
    (
        "ExpiredToken ExpiredTokenException TokenRefreshRequired",
        "cannot be entered: the credentials have expired",
        "Sign in again.",
    ),
    (
        "InvalidAccessKeyId SignatureDoesNotMatch InvalidToken InvalidSecurity AuthenticationFailed"
        " InvalidAuthenticationInfo 401",
        "cannot be entered: the credentials are not accepted",
        "Check where they come from. {sign_in}",
    ),
    ("RequestTimeTooSkewed", "cannot be entered: this machine's clock is wrong", "Set the clock."),
    (
        "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException"
        " BareRedirect",
        "is in another region",
        "Set AWS_REGION to the region of the bucket.",
    ),
    (
        "InvalidCertificate",
        "shows a certificate that is not trusted",
        "Check the endpoint, or set SSL_CERT_FILE to the certificates of your own authority.",
    ),
    ("QuotaExceeded XMinioStorageFull InsufficientStorage 507", "is full", "Make room."),
    ("AccessDenied 403", "refused: permission denied", "Use other credentials, or give these {permission}."),
    (
        "NotImplemented 405 501",
        "cannot do what is needed",
        "It must know ListObjectsV2, If-None-Match: * in put requests, and DeleteObjects"
        " (not with AWS_DISABLE_BULK_DELETE=true).",
    ),
)
_MARKS: Final = ("BareRedirect", "InvalidCertificate")
_PASSING: Final = frozenset({"RequestTimeout", "SlowDown", "OperationAborted", "ServerBusy", "OperationTimedOut"})

_PLACE: Final = re.compile(r"//([A-Za-z0-9][A-Za-z0-9._-]+)(/[^?]*)?")


def place(scheme: str, rest: str) -> tuple[Bucket, str]:
    """Return the bucket of a state URL and the prefix of what it keeps there, empty or with a slash at its end.

    Slashes too many make no difference; everything else is taken as it is.  Raises Usage, without repeating the URL.
    """
    found = _PLACE.fullmatch(rest)
    parts = [part for part in rest.split("/")[3:] if part]
    if not found or not rest.isprintable() or {".", ".."} & {*parts}:
        raise Usage(
            "The state URL does not name a place in a bucket.",
            f"Write {scheme}://BUCKET/PREFIX; credentials, region and endpoint come from the environment.",
        )
    name = found[1]
    bucket = Bucket(services.checked(scheme), name, "/".join([f"{scheme}://{name}", *parts]))
    return bucket, "".join(f"{part}/" for part in parts)


class Bucket:
    """One bucket, as `shown` to people.  Nothing is asked for before the first request.

    Every method raises StateError for what the store refuses, and Unreachable when it did not answer; then nobody
    knows whether it happened.  Requests are repeated for some seconds before that.
    """

    def __init__(self, service: Service, name: str, shown: str) -> None:
        self.shown = shown
        self._service = service
        self._name = name
        self._store: Any = None
        self._entered = False

    def create(self, key: str, data: bytes) -> bool:
        """Put an object where there is none; False when the store says that there may be one."""
        with self._used() as store:
            try:
                obstore.put(store, key, data, mode="create")
            except (AlreadyExistsError, PreconditionError, NotModifiedError):
                return False
        return True

    def get(self, key: str) -> bytes | None:
        """What an object holds; None when it is not there."""
        with self._used() as store, suppress(FileNotFoundError):
            return bytes(obstore.get(store, key).bytes())
        return None

    def has(self, key: str) -> bool:
        """Whether there is an object."""
        with self._used() as store, suppress(FileNotFoundError):
            try:
                obstore.head(store, key)
            except PermissionDeniedError:
                obstore.get(store, key)  # the answer to this one says why
            return True
        return False

    def listed(self, folder: str, after: str | None = None) -> Iterator[tuple[str, int]]:
        """Names and sizes of what is in a folder (which ends in a slash), in their order, behind the key `after`."""
        with self._used() as store:
            for page in obstore.list(store, folder, offset=after, chunk_size=1_000):
                for found in page:
                    if found["path"].startswith(folder):  # not what consoles put there to show an empty folder
                        yield found["path"].removeprefix(folder), found["size"]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no trouble."""
        if not keys:
            return
        with self._used() as store:
            try:
                obstore.delete(store, keys)
            except FileNotFoundError:  # some stores stop at the first of them
                for key in keys:
                    with suppress(FileNotFoundError):
                        obstore.delete(store, [key])

    def close(self) -> None:
        """Let go of the connections."""
        self._store = None

    @contextmanager
    def _used(self) -> Iterator[Any]:
        """The store; what obstore says becomes a sentence of ours, without the many lines of its own."""
        try:
            if self._store is None:
                self._store = self._made()
            yield self._store
        except (BaseError, FileNotFoundError) as error:
            raise self._explained(error) from None
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # of a setting that cannot be put into a request
                raise self._senseless() from None
            raise
        self._entered = True

    def _made(self) -> Any:
        service = self._service
        near = any(services.is_near(os.environ.get(variable, "")) for variable in service.endpoints)
        try:
            return service.make(
                self._name,
                client_options={**_TIMEOUTS, "allow_http": near or services.is_set(f"{service.variables}ALLOW_HTTP")},
                retry_config=_RETRIES,
                credential_provider=self._provider(),
                **service.options,
            )
        except (BaseError, ValueError):
            raise self._senseless() from None

    def _provider(self) -> Any:
        """Who else to ask for credentials; None when obstore finds them itself, or nobody else is there."""
        if any(os.environ.get(variable) for variable in self._service.known):
            return None
        module, _, name = self._service.provider.partition(":")
        try:
            return getattr(import_module(module), name)()
        except Exception as error:  # noqa: BLE001 - not installed, or whatever these libraries raise that find nothing
            if self._service.variables == "AWS_" and os.environ.get("AWS_PROFILE"):  # others would be somebody else
                found = "needs boto3, which is not installed" if isinstance(error, ImportError) else "leads to none"
                raise self._locked_out(f"AWS_PROFILE {found}") from None
            return None

    def _explained(self, error: Exception) -> StateError:
        text = str(error)
        status, code, asked = (found[1] if (found := part.search(text)) else "" for part in (_STATUS, _CODE, _ASKED))
        host = urlsplit(asked).hostname or ""
        entering = bool(asked) and not self._is_about(asked)  # credentials were asked for
        entering = entering or (isinstance(error, UnauthenticatedError) and not status)
        if entering and (status.startswith("4") or not self._entered):
            return self._locked_out(f"{host or 'whoever was asked'} gave none")
        details = ", ".join(filter(None, (host, f"HTTP {status}" if status else "", code)))
        if code not in _PASSING:
            marks = {status, code} if status else {code, *(word for word in _MARKS if word in text)}
            for known, what, hint in _REFUSALS:
                if marks & {*known.split()}:
                    return self._refusal(f"{what} ({details})", hint)
            if status.startswith("4") and status not in {"408", "429"}:
                return self._refusal(f"refused what it was asked ({details})", "Check the bucket and the endpoint.")
        if not status:
            silence = "no answer in time" if "kind: Timeout" in text else "no connection"
            details = ", ".join(filter(None, (host, silence)))
        return Unreachable(
            f"{self.shown} did not answer ({details}).",
            "Check that the store runs and can be reached from here, then run it again.",
        )

    def _is_about(self, asked: str) -> bool:
        """Whether a request was about this bucket; others are about credentials."""
        address = urlsplit(asked)
        return address.netloc.startswith(f"{self._name}.") or self._name in unquote(address.path).split("/")

    def _senseless(self) -> StateError:
        return self._refusal(
            "cannot be used: the settings in the environment make no sense",
            "Check the variables {variables}*. {sign_in}",
        )

    def _locked_out(self, why: str) -> StateError:
        return self._refusal(f"cannot be entered: there are no credentials; {why}", "{sign_in}")

    def _refusal(self, what: str, hint: str) -> StateError:
        return StateError(f"{self.shown} {what}.", hint.format(**self._service._asdict()))
