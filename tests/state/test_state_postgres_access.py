"""Who may use logs in PostgreSQL, and by what URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from postgres_logs import Admin, Opened, admin, database, no_pg_variables, opened, refused, silent
from postgres_server import PostgresServer, postgres
from psycopg import sql

from reconciler.model.errors import Usage
from reconciler.state.backends import open_backend
from reconciler.state.backends.postgres import PostgresBackend
from reconciler.testing.backends import LOG, rows

__all__ = ["admin", "database", "no_pg_variables", "opened", "postgres"]

SECRET = "s3cr%t/@:?#&= ż"


@pytest.fixture
def role(admin: Admin, database: str) -> str:
    """The name of a role that may do nothing; its password is SECRET.  It goes with its database."""
    name = f"r{database}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), SECRET))
    return name


def as_role(opened: Opened, role: str) -> PostgresBackend:
    return opened(user=role, password=SECRET)


def test_who_may_only_read_can_read(admin: Admin, opened: Opened, role: str) -> None:
    reader = as_role(opened, role)
    assert rows(reader) == []
    one = opened()
    one.append(1, b"a")
    one.append(2, b"b")
    one.checkpoint(1, b"s")
    error = refused(lambda: reader.read(0), "does not allow")
    assert "USAGE" in error.hint
    admin.execute(f"GRANT USAGE ON SCHEMA reconciler TO {role}")
    refused(lambda: reader.read(0), "does not allow")
    admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA reconciler TO {role}")
    found, batches = reader.read(0)
    assert (found, list(batches)) == ((1, b"s"), [(2, b"b")])
    for act in (lambda: reader.checkpoint(2, b"t"), lambda: reader.append(3, b"c"), lambda: reader.trim(2)):
        refused(act, "does not allow")
    assert len(rows(opened(), -1)) == 2


def test_who_may_only_read_by_default_is_told(admin: Admin, opened: Opened, role: str) -> None:
    admin.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    refused(lambda: as_role(opened, role).append(1, b"a"), "may only be read")


def test_who_may_write_rows_can_append(admin: Admin, opened: Opened, role: str) -> None:
    opened().append(1, b"a")
    admin.execute(f"GRANT USAGE ON SCHEMA reconciler TO {role}")
    admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA reconciler TO {role}")
    writer = as_role(opened, role)
    writer.append(2, b"b")
    writer.checkpoint(2, b"s")
    writer.trim(2)
    assert rows(opened(), -1) == [(2, b"b")]
    as_role(opened, role).append(3, b"c")
    other = opened("acme/other", user=role, password=SECRET)
    other.append(1, b"x")
    assert rows(other) == [(1, b"x")]


def test_who_may_not_create_is_told_what_is_needed(admin: Admin, opened: Opened, role: str) -> None:
    one = as_role(opened, role)
    error = refused(lambda: one.append(1, b"a"), "does not allow", "permission denied for database")
    assert "CREATE on the database" in error.hint
    admin.execute(f"CREATE SCHEMA reconciler AUTHORIZATION {role}")
    assert rows(one) == []
    one.append(1, b"a")
    assert rows(one) == [(1, b"a")]


def test_wrong_credentials_are_refused_without_showing_them(
    postgres: PostgresServer, database: str, opened: Opened, role: str
) -> None:
    for backend, said in (
        (opened(password="geheim"), "password authentication failed"),
        (opened(user="nobody", password="geheim"), "password authentication failed"),
        (opened(url=f"postgresql://postgres@127.0.0.1:{postgres.port}/{database}"), "no password"),
        (opened(url=postgres.url("no-such", password=None)), '"no-such" does not exist'),
        (opened(user=role, password=SECRET, sslmode="bogus"), "bogus"),
        (opened(connect_timeout="long"), "long"),
        (opened(host="a..b"), "cannot be entered"),
    ):
        for act in (lambda: backend.read(0), lambda: backend.append(1, b"a"), lambda: backend.trim(1)):  # noqa: B023
            error = refused(act, "cannot be entered", said)
            assert "geheim" not in error.message + error.hint
            assert SECRET not in error.message


def test_who_was_let_in_once_waits_for_a_full_server(admin: Admin, database: str, opened: Opened, role: str) -> None:
    one = as_role(opened, role)
    assert rows(one) == []
    one.close()
    admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    silent(lambda: one.read(0), "too many connections")
    refused(lambda: as_role(opened, role).read(0), "cannot be entered", "too many connections")


def test_nobody_at_the_door_is_waited_for(postgres: PostgresServer, database: str, opened: Opened) -> None:
    silent(lambda: opened(port=1).read(0), database, "127.0.0.1 port 1")
    silent(lambda: opened(host="nowhere.invalid").read(0), "nowhere.invalid")
    silent(lambda: opened(url=f"postgresql:///{database}?host={postgres.folder}/none").read(0), "No such file")
    silent(lambda: opened(sslmode="require").read(0), "SSL")


def test_every_form_of_url_that_libpq_knows_leads_there(
    postgres: PostgresServer, database: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().append(1, b"a")
    port, folder, secret = postgres.port, postgres.folder, quote(postgres.password, safe="")
    passwords = tmp_path / "passwords"
    passwords.write_text(f"127.0.0.1:{port}:*:postgres:{postgres.password}\n")
    passwords.chmod(0o600)
    services = tmp_path / "services"
    services.write_text(f"[ours]\nhost=127.0.0.1\nport={port}\ndbname={database}\nuser=postgres\n")
    for url, variables in (
        (f"postgresql://postgres:{secret}@127.0.0.1:{port}/{database}?sslmode=prefer", {}),
        (f"postgresql://postgres:{secret}@127.0.0.1:1,127.0.0.1:{port}/{database}", {}),
        (f"postgresql:///{database}?host={folder}&port={port}&user=postgres", {}),
        (f"postgresql://postgres@{quote(str(folder), safe='')}:{port}/{database}", {}),
        (f"postgresql://127.0.0.1:{port}/{database}?user=postgres&password={secret}&connect_timeout=3", {}),
        (f"postgresql://postgres@127.0.0.1:{port}/{database}", {"PGPASSWORD": postgres.password}),
        (f"postgresql://postgres@127.0.0.1:{port}/{database}", {"PGPASSFILE": str(passwords)}),
        (f"postgresql://postgres@127.0.0.1:{port}/{database}?passfile={passwords}", {}),
        ("postgresql://?service=ours", {"PGSERVICEFILE": str(services), "PGPASSFILE": str(passwords)}),
        (
            "postgresql://",
            {"PGHOST": str(folder), "PGPORT": str(port), "PGUSER": "postgres", "PGDATABASE": database},
        ),
        (f"postgresql://localhost:{port}/{database}?user=postgres&password={secret}&hostaddr=127.0.0.1", {}),
    ):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            assert rows(opened(url=url)) == [(1, b"a")], url


def test_names_from_the_url_win_over_ours(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def parameters(**parts: str) -> tuple[str, str]:
        backend = opened(**parts)
        rows(backend)
        assert backend._db is not None
        name = backend._db.info.parameter_status("application_name")
        return name or "", str(backend._server.parameters.get("connect_timeout"))

    assert parameters() == ("reconciler", "10")
    assert parameters(application_name="mine", connect_timeout="3") == ("mine", "3")
    monkeypatch.setenv("PGAPPNAME", "theirs")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert parameters() == ("theirs", "None")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:host/db",
        "postgresql:/host/db",
        "postgresql:",
        "postgresql://ann:geheim/x@host/db",
        "postgresql://ann:12/geheim@host/db",
        "postgresql://ann:geheim@x@host/db",
        "postgresql://ann:geh@geheim@host/db",
        "postgresql://ann@host:geheim/db",
        "postgresql://ann:geheim%@host/db",
        "postgresql://ann:geheim%00@host/db",
        "postgresql://ann:geheim%FF@host/db",
        "postgresql://ann:geheim\udc80@host/db",
        "postgresql://ann:geheim@host/db?no_such=geheim",
        "postgresql://[::1/db?password=geheim",
    ],
)
def test_urls_that_are_none_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(Usage) as caught:
        open_backend(url, LOG)
    assert "geheim" not in caught.value.message + caught.value.hint
    assert "geheim" not in str(caught.value.__cause__ or "")
    assert "%40" in caught.value.hint


def test_what_is_shown_of_a_url_does_nothing_to_a_terminal(postgres: PostgresServer, opened: Opened) -> None:
    error = refused(lambda: opened(url=postgres.url("a%0A%1B[31mb%C2%9B")).read(0), "database a [31mb on 127.0.0.1")
    assert error.message.isprintable()
