"""What differs between the object stores, and what their settings in the environment must be like."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from reconciler.model.errors import Usage

_ENDPOINT: Final = re.compile(r"https?://([^/@\s]*@)?([\w.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/\S*)?")
_LOOPBACK: Final = re.compile(r"localhost|127(\.[0-9]+){3}|::1")


class Service(NamedTuple):
    """What differs between the stores; each of the variables `known` says who to be."""

    make: Callable[..., Any]
    options: Mapping[str, str]
    variables: str
    endpoints: Sequence[str]
    known: Sequence[str]
    provider: str
    sign_in: str
    permission: str


_SERVICES: Final = {
    "s3": Service(
        S3Store,
        {"conditional_put": "etag"},
        "AWS_",
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE"),
        "obstore.auth.boto3:Boto3CredentialProvider",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN if there is one), or run where a role"
        " is given; for a profile or single sign-on set AWS_PROFILE, sign in, and install boto3.",
        "s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what is in it",
    ),
    "gs": Service(
        GCSStore,
        {},
        "GOOGLE_",
        ("GOOGLE_BASE_URL",),
        (
            *("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY"),
            *("GOOGLE_BEARER_TOKEN", "GOOGLE_SKIP_SIGNATURE"),
        ),
        "obstore.auth.google:GoogleCredentialProvider",
        "Set GOOGLE_APPLICATION_CREDENTIALS, or sign in with `gcloud auth application-default login`; for workload"
        " identity federation install google-auth and requests.",
        "the role Storage Object User",
    ),
    "az": Service(
        AzureStore,
        {},
        "AZURE_",
        ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        (
            *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY"),
            *("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_TOKEN", "AZURE_SKIP_SIGNATURE"),
            *("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"),
            *("AZURE_CREDENTIAL_TYPE", "AZURE_USE_AZURE_CLI", "AZURE_STORAGE_USE_EMULATOR"),
        ),
        "obstore.auth.azure:AzureCredentialProvider",
        "Set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or sign in with"
        " `az login` and set AZURE_USE_AZURE_CLI=true; for other ways install azure-identity.",
        "the role Storage Blob Data Contributor",
    ),
}


def checked(scheme: str) -> Service:
    """The service of a state URL; raises Usage for settings that cannot be meant, without repeating them."""
    service = _SERVICES[scheme]
    for variable, value in os.environ.items():
        mine = variable.startswith(service.variables)
        if mine and not value.isprintable() and "{" not in value:  # a key in JSON may have several lines
            raise Usage(f"{variable} holds a line break or another control character.", "Set it again without.")
    for variable in service.endpoints:
        _check_endpoint(variable, f"{service.variables}ALLOW_HTTP")
    if scheme == "az" and not ({"AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"} & {*os.environ}):
        raise Usage("The state is in Azure, but in no account.", "Set AZURE_STORAGE_ACCOUNT_NAME.")
    return service


def _check_endpoint(variable: str, http: str) -> None:
    endpoint = os.environ.get(variable, "")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        raise Usage(f"{variable} is not the address of a server.", "Write for example https://minio.example.com:9000")
    if endpoint.startswith("http:") and not is_near(endpoint) and not is_set(http):
        raise Usage(
            f"{variable} is an http: address, so that everybody on the way could read and change the state.",
            f"Use https:, or set {http}=true where the way is safe.",
        )


def is_near(endpoint: str) -> bool:
    """Whether nobody else can listen on the way there."""
    return bool(_LOOPBACK.fullmatch(urlsplit(endpoint).hostname or ""))


def is_set(variable: str) -> bool:
    """Whether a switch of the environment is on."""
    return os.environ.get(variable, "").lower() in {"1", "true", "yes", "on", "y"}
