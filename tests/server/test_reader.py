"""Accounts are read over one connection for each thread, and once more if it was lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from twisted.logger import capturedLogs

from tcpchat.core.accounts import Account, CredentialKind, State
from tcpchat.core.entries import PersonId
from tcpchat.errors import ChatError, Code
from tcpchat.server import reader as module
from tcpchat.server.reader import StoredAccounts
from tcpchat.store.database import open_engine, sqlite_url

NINA = Account(PersonId(1), "nina", "Nina", None, State.GOOD, "", 0, 0)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(sqlite_url(tmp_path / "chat.db"))
    yield engine
    engine.dispose()


class Reading:
    """In the place of the store's functions: notes the connections, and fails as often as the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[tuple[int, int]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.failures = 0
        for name in ("read_account", "read_credentials", "find_token"):
            monkeypatch.setattr(module, name, self.read)

    def read(self, connection: Connection, *asked: Any) -> Any:
        self.connections.append((threading.get_ident(), id(connection)))
        self.asked.append(asked)
        if self.failures:
            self.failures -= 1
            raise OperationalError("SELECT", {}, Exception("gone away"))
        assert connection.execute(text("SELECT 1")).scalar() == 1
        return NINA


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


def test_each_thread_keeps_its_connection(engine: Engine, reading: Reading) -> None:
    accounts = StoredAccounts(engine)

    def use() -> None:
        accounts.open()
        for _ in range(3):
            assert accounts.account(NINA.id) is NINA
        accounts.credentials(NINA.id, (CredentialKind.KEY,))
        accounts.token("ab")

    thread = threading.Thread(target=use)
    use()
    thread.start()
    thread.join(10)
    assert len(reading.connections) == 10
    assert len(set(reading.connections)) == 2
    assert reading.asked[2:5] == [(NINA.id,), (NINA.id, (CredentialKind.KEY,)), ("ab",)]


def test_a_lost_connection_is_made_anew_once(engine: Engine, reading: Reading) -> None:
    accounts = StoredAccounts(engine)
    reading.failures = 1
    assert accounts.account(NINA.id) is NINA
    reading.failures = 2
    with pytest.raises(ChatError) as refusal:
        accounts.token("ab")
    assert refusal.value.code is Code.STORE_FAILED
    assert accounts.account(NINA.id) is NINA


def test_a_database_that_is_away_at_the_start_is_no_end(tmp_path: Path) -> None:
    accounts = StoredAccounts(open_engine(sqlite_url(tmp_path / "absent" / "chat.db")))
    accounts.open()
    with pytest.raises(ChatError) as refusal:
        accounts.account(NINA.id)
    assert refusal.value.code is Code.STORE_FAILED


def test_a_log_is_told_of_the_first_of_many_failures(engine: Engine, reading: Reading) -> None:
    accounts = StoredAccounts(engine)

    def fail() -> None:
        reading.failures = 2
        with pytest.raises(ChatError):
            accounts.account(NINA.id)

    with capturedLogs() as logged:
        fail()
        fail()
        assert len(logged) == 1
        assert accounts.account(NINA.id) == NINA
        fail()
    assert len(logged) == 2
