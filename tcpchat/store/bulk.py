"""Many rows by the driver's own ``executemany``: several times as fast as SQLAlchemy's for the hot append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.sql.dml import UpdateBase


class BulkStatement:
    """A statement compiled once for the engine's driver, to be run with rows of plain integers and texts."""

    def __init__(self, statement: UpdateBase, names: Sequence[str], engine: Engine) -> None:
        """``names`` says what the places of a row are."""
        compiled = statement.compile(dialect=engine.dialect)
        self._sql = str(compiled)
        self._names = tuple(names)
        order = compiled.positiontup if compiled.positional else None
        self._order = None if order is None else [self._names.index(name) for name in order]
        self._in_order = self._order == list(range(len(self._names)))

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute the statement once for each row."""
        if self._order is None:
            connection.exec_driver_sql(self._sql, [dict(zip(self._names, row, strict=True)) for row in rows])
        elif self._in_order:
            connection.exec_driver_sql(self._sql, list(rows))
        else:
            order = self._order
            connection.exec_driver_sql(self._sql, [tuple(row[place] for place in order) for row in rows])
