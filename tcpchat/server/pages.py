"""Pages of the logs, read by a few threads so that the reactor never waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from tcpchat.core.limits import Limits
from tcpchat.core.requests import ReadAudit, ReadDirect, ReadDirects, Reading, ReadNews, Supply
from tcpchat.errors import ChatError, Code
from tcpchat.server.commits import ReactorThreads
from tcpchat.store.connections import ThreadConnections
from tcpchat.store.order import read_audit
from tcpchat.store.positions import read_direct, read_directs, read_news
from tcpchat.store.reading import read_page

# Enough to keep one core busy while another read waits for the disk.
_THREADS = 2


class _Asked:
    """A page that somebody waits for, until its ``deadline``."""

    __slots__ = ("deadline", "done", "work")

    deadline: IDelayedCall
    work: Future[None]

    def __init__(self, done: Callable[[Supply], None]) -> None:
        self.done = done


class PageReaders:
    """Reads pages in threads, one connection each. What waits is bounded by one page per connection.

    Who has waited for ``page_seconds`` is told that the page can't be read, and what comes later is dropped. While all
    threads are held by pages that nobody waits for any more, as by a database server that stands still, nothing is
    begun.
    """

    _log = Logger()

    def __init__(self, engine: Engine, reactor: ReactorThreads, limits: Limits) -> None:
        self._connections = ThreadConnections(engine)
        self._reactor = reactor
        self._limits = limits
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="log reader")
        # How many threads are held so.
        self._hanging = 0

    def start(self) -> None:
        """Start the threads and connect: later there may be no file left to open."""
        everyone = threading.Barrier(_THREADS, timeout=1)
        for _ in range(_THREADS):
            self._threads.submit(self._begin, everyone)

    def fetch(self, request: Reading, done: Callable[[Supply], None]) -> None:
        """Read a page; ``done`` is given what it supplies or a `ChatError` on the reactor's thread, perhaps at once."""
        if self._hanging == _THREADS:
            done(_unreadable())
            return
        asked = _Asked(done)
        asked.deadline = self._reactor.callLater(self._limits.page_seconds, self._give_up, asked)
        asked.work = self._threads.submit(self._work, request, asked)

    def stop(self) -> None:
        """End the threads after the pages in hand."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, everyone: threading.Barrier) -> None:
        with suppress(threading.BrokenBarrierError):  # we are stopping already
            everyone.wait()  # so that each thread does this once
        try:
            self._connections.open()
        except DBAPIError as error:
            self._log.error("the database can't be read yet: {reason}", reason=str(error.orig))

    def _give_up(self, asked: _Asked) -> None:
        """A page has not come in time; if a thread is reading it, that is held by it until it comes."""
        if not asked.work.cancel():
            self._hanging += 1
            if self._hanging == 1:
                seconds = self._limits.page_seconds
                self._log.error("a page could not be read: no answer for {seconds:.0f} seconds", seconds=seconds)
        asked.done(_unreadable())

    def _work(self, request: Reading, asked: _Asked) -> None:
        self._reactor.callFromThread(self._finished, asked, self._read(request))

    def _finished(self, asked: _Asked, supply: Supply) -> None:
        if asked.deadline.active():
            asked.deadline.cancel()
            asked.done(supply)
        else:
            self._hanging -= 1

    def _read(self, request: Reading) -> Supply:
        reported = self._connections.failing  # many ask for pages: the log is told once
        try:
            match request:
                case ReadAudit():
                    return self._connections.read(partial(read_audit, request=request))
                case ReadDirect():
                    return self._connections.read(partial(read_direct, request=request))
                case ReadDirects():
                    return self._connections.read(partial(read_directs, request=request))
                case ReadNews():
                    return self._connections.read(partial(read_news, request=request))
            return self._connections.read(partial(read_page, request=request, page_bytes=self._limits.page_bytes))
        except DBAPIError as error:
            if not reported:
                self._log.error("a page could not be read: {reason}", reason=str(error.orig))
        except Exception:
            self._log.failure("a page could not be read")
        return _unreadable()


def _unreadable() -> ChatError:
    return ChatError(Code.STORE_FAILED, "The history can't be read just now. Please try again.")
