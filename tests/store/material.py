"""What the tests of the log are made of: rooms, words said in them, a store, and what was really written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.engine import URL

from tcpchat.core.accounts import Account
from tcpchat.core.catalogue import room_record
from tcpchat.core.entries import Draft, Entry, Kind, PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.requests import (
    Append,
    Change,
    CreateRoom,
    CredentialsChanged,
    Deleted,
    DeleteRoom,
    Noted,
    Page,
    ReadPage,
    Result,
)
from tcpchat.errors import ChatError
from tcpchat.store.database import hold, open_engine, prepare
from tcpchat.store.log import LogWriter, Outcome
from tcpchat.store.reading import read_page
from tcpchat.store.schema import entries, rooms
from tests.store.servers import Server

# A moment in summer 2024, in milliseconds.
NOW = 1_720_000_000_000
EVERYTHING = 1 << 40

GARDEN, KITCHEN, CELLAR = RoomId(11), RoomId(12), RoomId(13)
NAMES = {GARDEN: "garden", KITCHEN: "kitchen", CELLAR: "cellar"}
ANNA = PersonId(501)

ON_SERVERS = pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
# Goes with the fixture forgotten_sockets.
SERVER_AWAY = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def room(number: int, name: str, *, epoch: int = 7) -> RoomRecord:
    """Return a public room to be created."""
    return room_record(RoomId(number), name, ANNA, epoch, NOW)


def direct(number: int) -> RoomRecord:
    """Return the room of a direct conversation."""
    return RoomRecord(RoomId(number), f"501 {number}", "", True, Seq(0), 7, "", ANNA, NOW)


def create(number: int, name: str) -> CreateRoom:
    """Return the creation of a room."""
    return CreateRoom(room(number, name))


def say(where: RoomId, words: str, *, opens: RoomRecord | None = None, name: str = "anna") -> Append:
    """Return an entry to be appended."""
    return Append(Draft(where, NOW, ANNA, name, "#3a7bd5", Kind.MESSAGE, words), opens)


def unfit(where: RoomId) -> Append:
    """Return an entry that every database refuses for its data."""
    return say(where, "from nobody", name=cast(str, None))


def remove(where: RoomId) -> DeleteRoom:
    """Return the deletion of a room."""
    return DeleteRoom(where, NAMES.get(where, "a room"), NOW + 1)


def told(results: Sequence[Result]) -> list[int | str]:
    """Return what authors are told: an entry's number, a refusal's code, the name of the room that came or went, an
    account's name, the credentials removed and added, or that a use is noted.
    """
    words: list[int | str] = []
    for result in results:
        match result:
            case Entry(seq):
                words.append(seq)
            case ChatError():
                words.append(result.code.value)
            case RoomRecord():
                words.append(f"+{result.name}")
            case Deleted():
                words.append(f"-{result.label}")
            case Account():
                words.append(f"@{result.name}")
            case CredentialsChanged(_, removed, added):
                words.append(" ".join([*(f"-{one}" for one in removed), *(f"+{one.id}" for one in added)]))
            case Noted():
                words.append("noted")
    return words


@dataclass(frozen=True)
class Database:
    """An empty database: a file, or one on a running server."""

    url: URL
    server: Server | None = None

    @property
    def kind(self) -> str:
        """Its name among sqlite, postgresql and mariadb."""
        return self.url.get_backend_name()

    @property
    def host(self) -> Server:
        """The server it is on."""
        assert self.server is not None
        return self.server

    def open(self, *, writer: bool = False) -> Engine:
        """Return an engine as the daemon has it."""
        return open_engine(self.url, writer=writer)

    def cut(self) -> None:
        """End every connection from the server's side."""
        self.host.cut(str(self.url.database))

    def wait_until_left(self) -> None:
        """Wait until the server has noticed that all connections were closed, and gave up their locks."""
        if self.server is not None:
            self.server.wait_until_left(str(self.url.database))

    @contextmanager
    def held(self) -> Iterator[Connection]:
        """Hold the database as another daemon would."""
        with self.open().connect() as connection:
            assert hold(connection)
            yield connection


@dataclass
class Store:
    """A prepared database with its one writer. Its pauses are counted, not slept; things can happen in them."""

    database: Database
    pauses: list[float] = field(default_factory=list)
    in_a_pause: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        prepare(self.database.open())
        self.database.wait_until_left()
        self.reading = self.database.open()
        self.writing = self.database.open(writer=True)
        self.writer = LogWriter(self.writing, sleep=self._pause)

    def commit(self, *changes: Change) -> Outcome:
        """Commit a batch."""
        return self.writer.commit(list(changes))

    def furnish(self, *numbers: RoomId) -> None:
        """Create rooms, and so connect the writer."""
        outcome = self.commit(*(create(number, NAMES[number]) for number in numbers))
        assert told(outcome.supplies) == [f"+{NAMES[number]}" for number in numbers]

    def written(self, where: RoomId) -> list[tuple[int, str]]:
        """Return number and text of all entries of a room, by a connection of its own and without our readers."""
        with self.reading.connect() as connection:
            found = select(entries.c.seq, entries.c.body).where(entries.c.room == where).order_by(entries.c.seq)
            return [(row.seq, row.body) for row in connection.execute(found)]

    def head(self, where: RoomId) -> int:
        """Return a room's head."""
        with self.reading.connect() as connection:
            return int(connection.execute(select(rooms.c.head).where(rooms.c.id == where)).scalar_one())

    def rows(self, where: RoomId) -> int:
        """Return how many rows ``rooms`` has for a room."""
        with self.reading.connect() as connection:
            return len(connection.execute(select(rooms.c.id).where(rooms.c.id == where)).all())

    def read(
        self, where: RoomId, first: int = 1, last: int = EVERYTHING, *, newest: bool = False, size: int = EVERYTHING
    ) -> list[Entry]:
        """Read a page."""
        with self.reading.connect() as connection:
            return read(connection, where, first, last, newest=newest, size=size).entries

    def at_next_commit(self, act: Callable[[Connection], None]) -> None:
        """Let ``act`` be done once, in place of the beginning of the writer's next COMMIT."""
        event.listen(self.writing, "commit", act, once=True)

    def at_next(self, beginning: str, act: Callable[[], None]) -> None:
        """Let ``act`` be done once, before the writer's next statement with that ``beginning``."""
        pending = [act]

        def before(statement: object) -> None:
            if pending and str(statement).startswith(beginning):
                pending.pop()()

        event.listen(self.writing, "begin", lambda connection: _listen(connection.connection.dbapi_connection, before))

    def close(self) -> None:
        """Close the writer."""
        self.writer.close()

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.in_a_pause()


def read(
    connection: Connection,
    where: RoomId,
    first: int = 1,
    last: int = EVERYTHING,
    *,
    newest: bool = False,
    size: int = EVERYTHING,
) -> Page:
    """Read a page, as a reader's thread does."""
    with connection.begin():
        return read_page(connection, ReadPage(where, Seq(first), Seq(last), newest), size)


def _listen(dbapi: Any, before: Callable[[object], None]) -> None:
    """Let the driver itself tell each statement before it runs it."""

    class Told:
        def execute(self, statement: object, *rest: Any, **more: Any) -> Any:
            before(statement)
            return super().execute(statement, *rest, **more)  # type: ignore[misc]

        def executemany(self, statement: object, *rest: Any, **more: Any) -> Any:
            before(statement)
            return super().executemany(statement, *rest, **more)  # type: ignore[misc]

    if isinstance(dbapi, sqlite3.Connection):
        dbapi.set_trace_callback(before)
    elif hasattr(dbapi, "cursor_factory"):  # psycopg
        dbapi.cursor_factory = type("ToldCursor", (Told, dbapi.cursor_factory), {})
    else:  # PyMySQL
        dbapi.cursorclass = type("ToldCursor", (Told, dbapi.cursorclass), {})
