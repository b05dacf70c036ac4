"""Upgrading: a database of an earlier version is one of this, with everything that was said in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import event, inspect, text

import tcpchat.store
from tcpchat.core.requests import SaveAccount
from tcpchat.store.accounts import load_accounts
from tcpchat.store.database import REVISION, prepare
from tcpchat.store.reading import load_rooms
from tests.store.material import GARDEN, NOW, Database, Store, say, told
from tests.store.test_accounts import account, token

WORDS = "hello 🦆"


def alembic(database: Database, run: Callable[[Config, str], None], revision: str) -> None:
    """Run Alembic's own command to a revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(tcpchat.store.__file__).with_name("migrations")))
    with database.open(writer=True).begin() as connection:
        config.attributes["connection"] = connection
        run(config, revision)
    database.wait_until_left()


@pytest.fixture
def trunk(database: Database) -> Database:
    """A database at 0001 with a room, two entries in it, and a batch that is its third."""
    alembic(database, command.upgrade, "0001")
    with database.open(writer=True).begin() as connection:
        key = "`key`" if database.kind == "mariadb" else '"key"'
        at = "`at`" if database.kind == "mariadb" else '"at"'
        values = {"room": GARDEN, "at": NOW, "words": WORDS, "no": False, "heads": f'{{"{GARDEN}": 2}}'}
        connection.execute(
            text(
                f"INSERT INTO rooms (id, {key}, name, direct, head, epoch, topic, creator, created, deleted) "
                "VALUES (:room, 'garden', 'garden', :no, 2, 7, 'roses', 501, :at, NULL)"
            ),
            values,
        )
        for seq in (1, 2):
            connection.execute(
                text(
                    f"INSERT INTO entries (room, seq, {at}, author, name, color, kind, body) "
                    "VALUES (:room, :seq, :at, 501, 'anna', NULL, 0, :words)"
                ),
                values | {"seq": seq},
            )
        connection.execute(text("INSERT INTO batches (node, number, heads) VALUES (1, 3, :heads)"), values)
    database.wait_until_left()
    return database


def revision(database: Database) -> str:
    with database.open().connect() as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def test_what_was_said_is_there_and_goes_on(trunk: Database) -> None:
    store = Store(trunk)
    assert revision(trunk) == REVISION
    assert store.written(GARDEN) == [(1, WORDS), (2, WORDS)]
    records, _ = load_rooms(store.reading, epoch=5, now=NOW)
    assert [(one.name, one.head, one.topic) for one in records if one.id == GARDEN] == [("garden", 2, "roses")]
    assert load_accounts(store.reading) == []
    outcome = store.commit(say(GARDEN, "c"), SaveAccount(account(1, "anna"), (token(5, 1, "hash"),)))
    assert (told(outcome.supplies), outcome.late) == ([3, "@anna"], [])
    store.close()


@pytest.mark.parametrize("moment", ["CREATE TABLE", "CREATE INDEX credentials_account", "UPDATE alembic_version"])
def test_an_upgrade_that_is_interrupted_is_done_by_the_next_start(trunk: Database, moment: str) -> None:
    class Killed(BaseException):
        pass

    def kill(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if moment in statement.replace(" IF NOT EXISTS", ""):
            raise Killed

    engine = trunk.open()
    event.listen(engine, "before_cursor_execute", kill)
    with pytest.raises(Killed):
        prepare(engine)
    trunk.wait_until_left()
    assert revision(trunk) == "0001"
    if trunk.kind != "mariadb":  # which commits each statement by itself
        assert "accounts" not in inspect(trunk.open()).get_table_names()
        trunk.wait_until_left()
    store = Store(trunk)
    assert revision(trunk) == REVISION
    assert told(store.commit(say(GARDEN, "c"), SaveAccount(account(1, "anna"))).supplies) == [3, "@anna"]
    with store.reading.connect() as connection:
        assert {index["name"] for index in inspect(connection).get_indexes("credentials")} == {
            "credentials_account",
            "credentials_token",
        }
    store.close()


def test_an_upgrade_can_be_taken_back_and_done_again(trunk: Database) -> None:
    store = Store(trunk)
    store.commit(SaveAccount(account(1, "anna"), (token(5, 1, "hash"),)), say(GARDEN, "c"))
    store.close()
    trunk.wait_until_left()
    alembic(trunk, command.downgrade, "0001")
    assert revision(trunk) == "0001"
    trunk.wait_until_left()
    again = Store(trunk)
    assert load_accounts(again.reading) == []
    assert again.written(GARDEN) == [(1, WORDS), (2, WORDS), (3, "c")]
    again.close()
