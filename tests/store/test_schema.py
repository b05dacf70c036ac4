"""The migrations, the tables that the program is written for, and the revision it names are one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Text, inspect, text
from sqlalchemy.dialects import mysql

import tcpchat.store
from tcpchat.store.database import REVISION, migrate, prepare
from tcpchat.store.schema import metadata
from tests.store.material import Database


def test_the_revision_is_the_head_of_the_migrations() -> None:
    place = Path(tcpchat.store.__file__).with_name("migrations")
    assert ScriptDirectory(str(place)).get_heads() == [REVISION]


def test_the_migrations_leave_nothing_to_generate(database: Database) -> None:
    with database.open().begin() as connection:
        migrate(connection)
        context = MigrationContext.configure(
            connection, opts={"compare_type": _differs, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_migrations_build_the_very_tables_of_a_new_database(database: Database) -> None:
    """Autogenerate doesn't compare collations, clustering or types alike: the database's own description does."""
    engine = database.open()
    prepare(engine)
    with engine.begin() as connection:
        created = _descriptions(connection)
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        migrate(connection)
        assert _descriptions(connection) == created


def _differs(context: object, inspected: object, column: object, found: object, wanted: object) -> bool | None:
    """Leave it to Alembic, but for the text of so many characters that MariaDB calls a MEDIUMTEXT."""
    return False if isinstance(found, mysql.MEDIUMTEXT) and isinstance(wanted, Text) else None


def _descriptions(connection: Connection) -> dict[str, list[str]]:
    return {table: _description(connection, table) for table in (*metadata.tables, "alembic_version")}


def _description(connection: Connection, table: str) -> list[str]:
    """Return what the database itself says of a table, a line for each column, key and index."""
    if connection.dialect.name == "postgresql":
        columns = text(
            "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default, collation_name "
            "FROM information_schema.columns WHERE table_name = :name ORDER BY ordinal_position"
        )
        keys = text("SELECT indexdef FROM pg_indexes WHERE tablename = :name ORDER BY indexname")
        found = [*connection.execute(columns, {"name": table}), *connection.execute(keys, {"name": table})]
        return [str(row) for row in found]
    if connection.dialect.name == "sqlite":
        statement = text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL ORDER BY name")
        lines = connection.execute(statement, {"name": table}).scalars()
        # A table that a migration has made anew has its name in quotes.
        return [re.sub(r"\s+", " ", line).replace(f'TABLE "{table}"', f"TABLE {table}") for line in lines]
    return str(connection.execute(text(f"SHOW CREATE TABLE {table}")).one()[1]).splitlines()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_every_text_is_compared_code_point_by_code_point(database: Database) -> None:
    engine = database.open()
    prepare(engine)
    statement = text(
        "SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name <> 'alembic_version' "
        "AND collation_name IS NOT NULL AND collation_name <> 'utf8mb4_bin'"
    )
    with engine.connect() as connection:
        assert connection.execute(statement).scalars().all() == []


def test_there_are_no_tables_beside_the_schema(database: Database) -> None:
    engine = database.open()
    prepare(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
