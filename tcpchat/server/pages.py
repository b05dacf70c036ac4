"""Pages of the log, read by a few threads so that the reactor never waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from tcpchat.core.limits import Limits
from tcpchat.core.requests import Page, ReadPage, Supply
from tcpchat.errors import ChatError, Code
from tcpchat.store.reading import read_page

# Enough to keep one core busy while another read waits for the disk.
_THREADS = 2


class PageReaders:
    """Reads pages in threads, one connection each. What waits is bounded by one page per connection."""

    _log = Logger()

    def __init__(self, engine: Engine, reactor: IReactorFromThreads, limits: Limits) -> None:
        self._engine = engine
        self._reactor = reactor
        self._limits = limits
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="log reader")

    def start(self) -> None:
        """Start the threads and connect: later there may be no file left to open."""
        everyone = threading.Barrier(_THREADS, timeout=1)
        for _ in range(_THREADS):
            self._threads.submit(self._begin, everyone)

    def fetch(self, request: ReadPage, done: Callable[[Supply], None]) -> None:
        """Read a page; ``done`` is given a `Page` or a `ChatError` on the reactor's thread."""
        self._threads.submit(self._work, request, done)

    def stop(self) -> None:
        """End the threads after the pages in hand."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, everyone: threading.Barrier) -> None:
        with suppress(threading.BrokenBarrierError):  # we are stopping already
            everyone.wait()  # so that each thread does this once
        try:
            self._connection()
        except DBAPIError as error:
            self._log.error("the database can't be read yet: {reason}", reason=str(error.orig))

    def _work(self, request: ReadPage, done: Callable[[Supply], None]) -> None:
        self._reactor.callFromThread(done, self._read(request))

    def _read(self, request: ReadPage) -> Page | ChatError:
        for attempt in (1, 2):
            try:
                with self._connection().begin() as transaction:
                    return read_page(transaction.connection, request, self._limits.page_bytes)
            except DBAPIError as error:
                self._drop()
                # The server may only have been restarted since the last page.
                if attempt == 2:
                    self._log.error("a page could not be read: {reason}", reason=str(error.orig))
            except Exception:
                self._log.failure("a page could not be read")
                break
        return ChatError(Code.STORE_FAILED, "The history can't be read just now. Please try again.")

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
