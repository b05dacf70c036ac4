"""The start: all that was is there again before anybody can connect, and before the reactor has anything to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from tcpchat.core.requests import KeepSession
from tcpchat.server.service import make_service
from tcpchat.server.settings import read_settings
from tcpchat.store.database import sqlite_url
from tests.store.material import Database, Store
from tests.store.test_sessions import session


class Doorkeeper(MemoryReactorClock):
    """A reactor that never runs, and notes who is there when a port begins to listen."""

    def __init__(self) -> None:
        super().__init__()
        self.present: list[list[str]] = []

    def listenTCP(self, port: int, factory: Any, *options: Any, **named: Any) -> Any:
        self.present.append([person.name for person in factory.users])
        return super().listenTCP(port, factory, *options, **named)


def test_the_sessions_of_before_are_there_when_a_port_opens(tmp_path: Path) -> None:
    settings = read_settings({"endpoint": ["tcp:3000"], "data": str(tmp_path), "admin-socket": "off"}, {}, tmp_path)
    store = Store(Database(sqlite_url(tmp_path / "tcpchat.db")))
    store.commit(KeepSession(session(1, "nina")))
    store.close()
    reactor = Doorkeeper()
    make_service(settings, reactor)
    assert reactor.present == [["nina"]]
