"""Opening the database: its URL, its settings for durability, its schema, and who may hold it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tcpchat.core.urls import masked
from tcpchat.errors import StartError
from tcpchat.store.schema import metadata

REVISION = "0006"
"""The schema this program is written for; a test compares it with the migrations."""

# Alembic's own table, as it would make it.
_alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# A lock's name in the server's own namespace of locks: "tcpchat" in ASCII.
_LOCK = 0x74637063686174

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


class HeldElsewhere(Exception):
    """Another daemon holds the database."""


def parse_url(given: str) -> URL:
    """Return the database's URL with the driver this program uses.

    Raises `StartError` for what isn't a URL of SQLite (a file), PostgreSQL or MariaDB.
    """
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise StartError(
            "the database URL is not one: expected sqlite:////path/to/file.db, "
            "postgresql://user@host/name or mariadb://user@host/name"
        ) from None
    backend = url.get_backend_name()
    if backend not in _DRIVERS and url.drivername not in _DRIVERS:
        raise StartError(f"the database {url.drivername!r} is not supported: use sqlite, postgresql or mariadb")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise StartError("an SQLite database needs a file, as in sqlite:////path/to/file.db")
    if "+" not in url.drivername:
        url = url.set(drivername=_DRIVERS[url.drivername])
    if backend in ("mysql", "mariadb"):
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def sqlite_url(path: Path) -> URL:
    """Return the URL of an SQLite file."""
    return URL.create("sqlite", database=str(path))


def open_engine(url: URL, *, writer: bool = False) -> Engine:
    """Return an engine whose commits are durable when they return.

    Connections are not pooled: each thread keeps its own. Raises `StartError` if the driver isn't installed.
    """
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": 10.0, "check_same_thread": False}
        # A writer takes its lock at the beginning; a reader never opens a transaction of its own.
        arguments["isolation_level"] = "IMMEDIATE" if writer else None
    try:
        # Parameters are what people said: no error may carry them into the daemon's log.
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        backend = url.get_backend_name()
        package = "psycopg[binary]" if backend == "postgresql" else "PyMySQL"
        raise StartError(f"the driver for {backend} is not installed ({error}): pip install '{package}'") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        if writer:
            event.listen(engine, "connect", _set_up_sqlite_writer)
    return engine


def create_sqlite_file(path: Path) -> None:
    """Make sure that the file exists and is the owner's alone (mode 0600). Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def hold(connection: Connection) -> bool:
    """Take the database for this process as long as ``connection`` lives; False if another daemon has it.

    An SQLite file is held by a lock on a file instead, since it has no such locks.
    """
    if connection.dialect.name == "postgresql":
        statement = text("SELECT pg_try_advisory_lock(:lock)")
        return bool(connection.execute(statement, {"lock": _LOCK}).scalar())
    if connection.dialect.name in ("mysql", "mariadb"):
        statement = text("SELECT GET_LOCK(CONCAT('tcpchat.', SHA1(DATABASE())), 0)")
        return bool(connection.execute(statement).scalar())
    return True


def release(connection: Connection) -> None:
    """Give back what `hold` took, now: a server notices late that a connection was closed. Raises DBAPIError."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
    elif connection.dialect.name in ("mysql", "mariadb"):
        connection.execute(text("SELECT RELEASE_LOCK(CONCAT('tcpchat.', SHA1(DATABASE())))"))


def prepare(engine: Engine) -> None:
    """Bring the schema up to date, or raise `StartError` in a line.

    It is one transaction where the database has transactions for this; MariaDB has not.
    """
    where = masked(engine.url.render_as_string(hide_password=True))
    try:
        with engine.connect() as connection:
            if not hold(connection):
                raise StartError(f"another daemon is using the database {where}")
            found = _revision(connection)
            connection.rollback()
            if connection.dialect.name == "sqlite" and found != REVISION:
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins no transaction for DDL
            if found is None:
                _create(connection, where)
            elif found != REVISION:
                _refuse_newer(found, where)
                migrate(connection)
            connection.commit()
            release(connection)
    except DBAPIError as error:
        raise StartError(f"can't open the database {where}: {reason(error)}") from None


def reason(error: DBAPIError) -> str:
    """Return what the driver says, in one line: PostgreSQL's adds a hint on a second."""
    return " ".join(str(error.orig).split())


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _create(connection: Connection, where: str) -> None:
    """Create everything in an empty database, as all the migrations would; a test holds the two together."""
    taken = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if taken:
        names = ", ".join(taken)
        raise StartError(
            f"the database {where} has tables that this program did not finish making, or another made ({names}): "
            "give it an empty database"
        )
    metadata.create_all(connection)
    _alembic_version.create(connection, checkfirst=True)
    connection.execute(insert(_alembic_version), {"version_num": REVISION})


def migrate(connection: Connection) -> None:
    """Run the migrations that haven't been run, in the connection's transaction.

    Alembic is only loaded here: it would cost each start a third of its time, and the daemon 10 MiB.
    """
    from alembic import command

    config = _alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_newer(found: str, where: str) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_alembic_config()).walk_revisions()}
    if found not in known:
        raise StartError(
            f"the database {where} is newer than this program (its schema is {found}, ours is {REVISION}): "
            "install the version of tcpchat that wrote it"
        )


def _alembic_config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def _set_up_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A commit returns when the log has reached the disk.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _set_up_sqlite_writer(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    # Hundreds of rooms that are busy at once have their last pages here; with SQLite's 2 MiB it read them again and
    # again. In KiB, as a negative number.
    cursor.execute("PRAGMA cache_size=-16384")
    # Pages of 4 KiB. A page written in many commits is copied into the database once for all of them; longer than
    # this gains nothing, and a write-ahead log of 16 MiB is soon read at the next start.
    cursor.execute("PRAGMA wal_autocheckpoint=4000")
    cursor.close()
