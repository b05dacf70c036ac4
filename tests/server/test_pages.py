"""Pages of a database that stands still: who asks is told after a while, and what comes too late is for nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from twisted.logger import capturedLogs

from tcpchat.core.entries import RoomId, Seq
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Page, ReadPage, Supply
from tcpchat.errors import ChatError, Code
from tcpchat.server.pages import PageReaders
from tcpchat.store.database import open_engine, prepare, sqlite_url
from tests.server.test_commits import PATIENCE, ThreadClock

_ASKED = ReadPage(RoomId(1), Seq(1), Seq(5), newest=False)


class Archive:
    """Readers of a database that answers a page when the test lets it."""

    def __init__(self, directory: Path) -> None:
        self.clock = ThreadClock()
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        engine = open_engine(sqlite_url(directory / "chat.db"))
        prepare(engine)
        event.listen(engine, "before_cursor_execute", self._wait)
        reactor: Any = self.clock
        self.pages = PageReaders(engine, reactor, Limits(page_seconds=3))

    def ask(self, *, begins: bool = True) -> list[Supply]:
        """Ask for a page and return the list into which it will come."""
        told: list[Supply] = []
        self.pages.fetch(_ASKED, told.append)
        if begins:
            assert self.begun.acquire(timeout=PATIENCE)
        return told

    def answer(self) -> None:
        """Let the database answer one page, and the reactor hear of it."""
        self.go.release()
        self.clock.wait()

    def _wait(self, *_: object) -> None:
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    yield archive
    archive.pages.stop()
    archive.go.release(99)


def is_refused(told: list[Supply]) -> bool:
    return [one.code for one in told if isinstance(one, ChatError)] == [Code.STORE_FAILED]


def test_a_slow_page_is_waited_for(archive: Archive) -> None:
    told = archive.ask()
    archive.clock.advance(2.9)
    assert told == []
    archive.answer()
    archive.clock.advance(10)
    assert told == [Page(RoomId(1), [])]


def test_a_page_that_does_not_come_is_refused_and_what_comes_later_is_dropped(archive: Archive) -> None:
    told = archive.ask()
    archive.clock.advance(3)
    assert is_refused(told)
    archive.answer()
    assert is_refused(told)


def test_one_page_that_hangs_leaves_the_other_thread_to_all(archive: Archive) -> None:
    archive.ask()
    archive.clock.advance(3)
    for _ in range(3):
        told = archive.ask()
        archive.go.release()  # whichever is answered: one of the two goes on
        archive.clock.wait()
        archive.clock.advance(3)
        assert len(told) == 1


def test_while_all_threads_hang_nothing_gathers(archive: Archive) -> None:
    hanging, waiting = [archive.ask() for _ in range(2)], archive.ask(begins=False)
    archive.clock.advance(3)
    assert all(is_refused(told) for told in (*hanging, waiting))
    assert is_refused(archive.ask(begins=False))  # at once
    for _ in hanging:
        archive.answer()
    assert not archive.begun.acquire(blocking=False)  # who waited is gone
    told = archive.ask()
    archive.answer()
    assert told == [Page(RoomId(1), [])]


def test_the_log_is_told_once(archive: Archive) -> None:
    with capturedLogs() as logged:
        for _ in range(2):
            archive.ask()
        archive.clock.advance(3)
        archive.ask(begins=False)
    assert len(logged) == 1
