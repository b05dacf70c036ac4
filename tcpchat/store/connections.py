"""Connections for reading: one for each thread that asks, made anew when it is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

Found = TypeVar("Found")


class ThreadConnections:
    """Reads for whichever thread asks, over a connection of its own. Everything blocks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own = threading.local()
        # Whether the last that was asked could not be read, by whatever thread.
        self.failing = False

    def open(self) -> None:
        """Connect this thread: later there may be no file left to open. Raises DBAPIError."""
        self._connection()

    def read(self, read: Callable[[Connection], Found]) -> Found:
        """Return what ``read`` finds in a transaction of its own. Raises DBAPIError, after a second try.

        The server may only have been restarted since the last time.
        """
        try:
            found = self._read(read)
        except DBAPIError:
            self.failing = True
            found = self._read(read)
        self.failing = False
        return found

    def _read(self, read: Callable[[Connection], Found]) -> Found:
        try:
            with self._connection().begin() as transaction:
                return read(transaction.connection)
        except DBAPIError:
            self._drop()
            raise

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._engine.connect()
        return connection

    def _drop(self) -> None:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is not None:
            connection.invalidate()
            self._own.connection = None
