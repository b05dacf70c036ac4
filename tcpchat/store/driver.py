"""Statements run on the driver's own cursor: the hot append pays for nothing it doesn't use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import ClauseElement, Connection, Engine
from sqlalchemy.exc import DBAPIError


class DriverStatement:
    """A statement compiled once for the engine's driver, to be run with rows of plain integers and texts.

    SQLAlchemy's own execution costs about 20 µs for each statement of a batch, which may be of one row only.
    """

    def __init__(self, statement: ClauseElement, names: Sequence[str], engine: Engine) -> None:
        """``names`` says what the places of a row are."""
        compiled = statement.compile(dialect=engine.dialect)
        self._sql = str(compiled)
        self._names = tuple(names)
        positional: Sequence[str] | None = getattr(compiled, "positiontup", None)
        order = None if positional is None else [self._names.index(name) for name in positional]
        self._order = None if order == list(range(len(self._names))) else order
        self._named = order is None

    def run(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute the statement once for each row."""
        cursor.executemany(self._sql, [self._arranged(row) for row in rows] if self._named or self._order else rows)

    def fetch(self, cursor: Any, row: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Execute the statement for one row, and return what it finds."""
        cursor.execute(self._sql, self._arranged(row))
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def _arranged(self, row: Sequence[Any]) -> Any:
        """Return ``row`` as the driver wants it: by name, or in the statement's own order."""
        if self._named:
            return dict(zip(self._names, row, strict=True))
        return row if self._order is None else [row[place] for place in self._order]


@contextmanager
def driver_cursor(connection: Connection) -> Iterator[Any]:
    """Give a cursor of the driver; what it raises comes as SQLAlchemy's `DBAPIError`, as from any statement."""
    dialect = connection.dialect
    driver: Any = dialect.loaded_dbapi
    cursor = None
    try:
        cursor = connection.connection.cursor()
        yield cursor
    except driver.Error as error:
        lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
        if lost:  # nothing more is to be tried on it, not even a rollback
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, driver.Error, connection_invalidated=lost, dialect=dialect
        ) from error
    finally:
        if cursor is not None:
            with suppress(driver.Error):
                cursor.close()
