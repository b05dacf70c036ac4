"""A fresh database for each test, on each kind of database there is."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpchat.store.database import sqlite_url
from tests.store.material import Database, Store
from tests.store.servers import Missing, Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Database]:
    """An empty database. Without its server the test is skipped, unless it runs where all must be tried."""
    if request.param == "sqlite":
        yield Database(sqlite_url(tmp_path / "chat.db"))
        return
    try:
        server = servers.get(request.param)
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI tries every database, but {missing}")
        pytest.skip(str(missing))
    name = server.create()
    yield Database(server.url(name), server)
    server.drop(name)


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """A prepared store; its writer has not connected yet."""
    opened = Store(database)
    yield opened
    opened.close()


@pytest.fixture
def forgotten_sockets() -> Iterator[None]:
    """PyMySQL forgets to close the socket of a server that is away: let that come to light here and nowhere else."""
    yield
    gc.collect()
