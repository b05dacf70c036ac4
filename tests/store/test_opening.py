"""Opening a database: what is refused in a line, what a start does to it, and who may hold it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, inspect, text

from tcpchat.errors import StartError
from tcpchat.store.database import HeldElsewhere, create_sqlite_file, hold, open_engine, parse_url, prepare, sqlite_url
from tests.store.material import GARDEN, ON_SERVERS, SERVER_AWAY, Database, Store, create, say, told


def assert_one_line(error: StartError) -> None:
    assert str(error)
    assert len(str(error).splitlines()) == 1


def test_preparing_again_changes_nothing(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "still here"))
    store.close()
    store.database.wait_until_left()
    statements: list[str] = []
    engine = store.database.open()
    event.listen(engine, "before_cursor_execute", lambda c, cursor, statement, *rest: statements.append(statement))
    prepare(engine)
    assert store.written(GARDEN) == [(1, "still here")]
    assert not [line for line in statements if line.split()[0] in {"CREATE", "ALTER", "INSERT", "UPDATE", "DROP"}]


def test_a_newer_database_is_refused_in_a_line_and_left_alone(database: Database) -> None:
    prepare(database.open())
    database.wait_until_left()
    with database.open(writer=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.wait_until_left()
    with pytest.raises(StartError, match="9999") as refused:
        prepare(database.open())
    assert_one_line(refused.value)
    with database.open().connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_database_with_tables_of_another_program_is_refused_and_left_alone(database: Database) -> None:
    with database.open(writer=True).begin() as connection:
        connection.execute(text("CREATE TABLE rooms (number INTEGER)"))
    database.wait_until_left()
    with pytest.raises(StartError, match=r"another made \(rooms\)") as refused:
        prepare(database.open())
    assert_one_line(refused.value)
    with database.open().connect() as connection:
        assert inspect(connection).get_table_names() == ["rooms"]


@ON_SERVERS
def test_a_database_that_another_daemon_holds_is_refused(database: Database) -> None:
    with database.held(), pytest.raises(StartError, match="another daemon") as refused:
        prepare(database.open())
    assert_one_line(refused.value)
    database.wait_until_left()
    prepare(database.open())


@ON_SERVERS
def test_a_database_that_another_process_holds_is_refused(database: Database) -> None:
    program = (
        "import sys\n"
        "from tcpchat.store.database import hold, open_engine\n"
        "from sqlalchemy.engine import make_url\n"
        "with open_engine(make_url(sys.argv[1])).connect() as connection:\n"
        "    print(hold(connection), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, database.url.render_as_string(hide_password=False)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with pytest.raises(StartError, match="another daemon"):
            prepare(database.open())
        other.communicate(timeout=30)
    database.wait_until_left()
    prepare(database.open())


@ON_SERVERS
def test_databases_of_one_server_are_held_apart(database: Database) -> None:
    other = Database(database.host.url(database.host.create()), database.host)
    with database.held(), other.held() as connection:
        assert hold(connection)
    database.host.drop(str(other.url.database))


@ON_SERVERS
def test_a_writer_keeps_others_out(store: Store) -> None:
    store.furnish(GARDEN)
    with pytest.raises(StartError, match="another daemon"):
        prepare(store.database.open())


@ON_SERVERS
def test_a_writer_may_take_the_database_before_its_first_batch(store: Store) -> None:
    with store.database.held(), pytest.raises(HeldElsewhere):
        store.writer.open()
    store.database.wait_until_left()
    store.writer.open()
    with pytest.raises(StartError, match="another daemon"):
        prepare(store.database.open())
    assert told(store.commit(create(GARDEN, "garden")).supplies) == ["+garden"]


@ON_SERVERS
def test_a_start_gives_the_database_back_before_it_leaves(database: Database) -> None:
    """A server notices a moment late that a connection was closed: the next one must not depend on that."""
    engine = database.open()
    with database.open().connect() as following:
        free: list[bool] = []
        event.listen(engine, "close", lambda *_: free.append(hold(following)))
        prepare(engine)
        assert free == [True]


@ON_SERVERS
def test_a_writer_gives_the_database_back_before_it_leaves(store: Store) -> None:
    store.furnish(GARDEN)
    with store.database.open().connect() as following:
        free: list[bool] = []
        event.listen(store.writing, "close", lambda *_: free.append(hold(following)))
        assert not hold(following)
        store.close()
        assert free == [True]


@ON_SERVERS
@SERVER_AWAY
@pytest.mark.usefixtures("forgotten_sockets")
def test_a_server_that_is_away_is_told_in_a_line(database: Database) -> None:
    url = database.url
    away = {"postgresql": url.set(query={"host": "/nonexistent"}), "mariadb": url.set(query={"unix_socket": "/none"})}
    with pytest.raises(StartError, match="can't open") as refused:
        prepare(open_engine(away[database.kind]))
    assert_one_line(refused.value)


@SERVER_AWAY
@pytest.mark.usefixtures("forgotten_sockets")
@pytest.mark.parametrize(
    "given",
    [
        "postgresql://anna:secret@127.0.0.1:1/chat",
        "mariadb://anna:secret@127.0.0.1:1/chat",
        "mariadb://anna@127.0.0.1:1/chat?password=secret",
    ],
)
def test_a_refusal_is_a_line_and_keeps_the_password(given: str) -> None:
    pytest.importorskip("psycopg" if given.startswith("p") else "pymysql")
    with pytest.raises(StartError) as refused:
        prepare(open_engine(parse_url(given)))
    assert_one_line(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StartError, match="not a database") as refused:
        prepare(open_engine(sqlite_url(tmp_path / "chat.db")))
    assert_one_line(refused.value)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_start_that_is_killed_while_it_creates_the_tables_leaves_none(database: Database) -> None:
    """MariaDB commits each CREATE TABLE by itself and is left out."""

    class Killed(BaseException):
        pass

    def kill(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "CREATE TABLE batches" in statement:
            raise Killed

    engine = database.open()
    event.listen(engine, "before_cursor_execute", kill)
    with pytest.raises(Killed):
        prepare(engine)
    database.wait_until_left()
    assert inspect(database.open()).get_table_names() == []
    database.wait_until_left()
    prepare(database.open())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_sqlite_commit_waits_for_the_disk(database: Database) -> None:
    with database.open(writer=True).connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_an_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    create_sqlite_file(tmp_path / "chat.db")
    assert (tmp_path / "chat.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "given",
    ["", "chat.db", "sqlite://", "sqlite:///:memory:", "oracle://anna@host/chat", "postgresql://anna@host:port/chat"],
)
def test_what_is_no_database_of_ours_is_refused_in_a_line(given: str) -> None:
    with pytest.raises(StartError) as refused:
        parse_url(given)
    assert_one_line(refused.value)


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://anna@host/chat", "postgresql+psycopg"),
        ("postgresql://anna@host/chat", "postgresql+psycopg"),
        ("mysql://anna@host/chat", "mysql+pymysql"),
        ("mariadb://anna@host/chat", "mariadb+pymysql"),
    ],
)
def test_a_url_gets_the_driver_that_comes_with_the_package(given: str, driver: str) -> None:
    assert parse_url(given).drivername == driver


def test_a_driver_that_is_not_installed_is_told_in_a_line() -> None:
    with pytest.raises(StartError, match="not installed") as refused:
        open_engine(parse_url("postgresql+pg8000://anna@host/chat"))
    assert_one_line(refused.value)


def test_the_writer_may_be_used_from_a_thread_that_did_not_make_it(store: Store) -> None:
    store.furnish(GARDEN)
    heard: list[int | str] = []
    thread = threading.Thread(target=lambda: heard.extend(told(store.commit(say(GARDEN, "hello")).supplies)))
    thread.start()
    thread.join()
    assert heard == [1]
