"""A project beside the strict server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import strict_server
from running import Program
from strict_server import Foreign

sys.path.insert(0, str(Path(__file__).parent))
from strict_project import Strict


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Strict]:
    with strict_server.serving() as server:
        variables = {
            "BLUE_API_URL": f"{server.url}/blue/graphql",
            "BLUE_TOKEN_ID": strict_server.TOKEN_ID,
            "BLUE_TOKEN_SECRET": strict_server.TOKEN_SECRET,
            "BLUE_ORG_ID": strict_server.COMPANY_SLUG,
            "PIPEFY_API_URL": f"{server.url}/graphql",
            "PIPEFY_TOKEN": strict_server.PIPEFY_TOKEN,
            "RECONCILER_TRUSTED_HOSTS": f"127.0.0.1:{server.port}",
        }
        found = Strict(Program(tmp_path, variables), server)
        yield found
        assert server.violations == []
        assert found.leaks() == []


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    host = Foreign()
    yield host
    host.stop()
    assert host.received == []
